"""What jobs say of their failures without what is secret in it: of a few jobs, before it leaves the store.

Owns that a page is given no error of a job with secrets but through here, or in a ``JobInfo``, which the page masks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Final

from ...base.checks import is_utf8
from ...base.masking import COMMAND, MASK, recorded
from ..searching.masked import MAY_HAVE_SECRETS, OPTIONS

MOST_ARGUMENTS: Final = 100_000  # characters of a call; in the error of a longer one nothing is told from what is secret
PORTION: Final = 50  # jobs that are read at a time

_SHORT: Final = f"length(args) + length(kwargs) <= {MOST_ARGUMENTS}"
WITH_SECRETS: Final = f"""SELECT litequeue_jobs.id, task, CASE WHEN {_SHORT} THEN args END, CASE WHEN {_SHORT} THEN kwargs END,
    ifnull(last_error, ''), {OPTIONS}
FROM json_each(:ids) AS v CROSS JOIN litequeue_jobs ON litequeue_jobs.id = v.value WHERE {MAY_HAVE_SECRETS}"""

OF_TASKS: Final = """SELECT name FROM litequeue_tasks
WHERE name IN (SELECT value FROM json_each(:names)) AND instr(options, '"secret"') > 0"""


def may_have_secrets(connection: sqlite3.Connection, tasks: Iterable[str]) -> set[str]:
    """Which of these tasks; of one that SQL cannot be asked for, nobody knows."""
    tasks = set(tasks)
    found = {task for task in tasks if task == COMMAND or not is_utf8(task)}
    return found | {name for (name,) in connection.execute(OF_TASKS, {"names": json.dumps(sorted(tasks - found))}).fetchall()}


def masked_errors(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, str]:
    """Of those of these jobs that may have secrets, what is shown in the place of their errors."""
    found, left = {}, list(ids)
    while left:
        portion, left = left[:PORTION], left[PORTION:]
        for id_, task, args, kwargs, error, options in connection.execute(WITH_SECRETS, {"ids": json.dumps(portion)}).fetchall():
            secret = recorded(task, options)
            found[id_] = error if secret is None else MASK if args is None else secret.hider(args, kwargs)(error)
    return found
