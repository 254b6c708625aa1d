"""What jobs say of their failures without what is secret in it: of a few jobs, before it leaves the store.

Owns that a page is given no error of a job with secrets but through here, or in a ``JobInfo``, which the page masks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Final

from ...base.checks import is_utf8
from ...base.masking import COMMAND, recorded
from ..searching.masked import MAY_HAVE_SECRETS, OPTIONS

WITH_SECRETS: Final = f"""SELECT litequeue_jobs.id, task, args, kwargs, ifnull(last_error, ''), {OPTIONS}
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
    found = {}
    for id_, task, args, kwargs, error, options in connection.execute(WITH_SECRETS, {"ids": json.dumps(list(ids))}).fetchall():
        secret = recorded(task, options)
        found[id_] = error if secret is None else secret.hider(args, kwargs)(error)
    return found
