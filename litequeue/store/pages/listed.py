"""Jobs as a list shows them: all that is in their rows, but for results, and of arguments and errors the beginning.

Owns how much of each is read: fifty jobs may have 100 MB of arguments and results, of which a list shows a line (measured, whole: 0.65 s and 240 MB; like this 0.12 s and 36). What is
secret in a call too long to be handed on whole is masked here, since nobody can tell it from a part.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from ...base.checks import aware
from ...base.records import JobInfo
from ...base.stored import CODEC
from ..reports import JOBS, job_of, jobs_of
from ..rules import FOREVER
from ..searching.masked import MAY_HAVE_SECRETS
from .parts import Related

MOST: Final = 2_000  # characters of a call's arguments, and of an error
MOST_CODED: Final = 50_000  # of arguments that a codec wrote, which are read whole or not at all

_CALL: Final = ("args", "kwargs")


def _beginning(column: str) -> str:
    coded = f"substr({column}, 1, {len(CODEC) + 3}) = '{{\"{CODEC}\"' AND length({column}) <= {MOST_CODED}"
    return f"CASE WHEN {coded} THEN {column} ELSE substr({column}, 1, {MOST}) END"


LISTED: Final = JOBS.replace("args, kwargs,", f"{', '.join(map(_beginning, _CALL))},").replace("result, last_error,", f"NULL, substr(last_error, 1, {MOST}),")
LONG_SECRETS: Final = f"""SELECT litequeue_jobs.id FROM json_each(:ids) AS v CROSS JOIN litequeue_jobs ON litequeue_jobs.id = v.value
WHERE {MAY_HAVE_SECRETS} AND (length(args) > {MOST} OR length(kwargs) > {MOST} OR length(last_error) > {MOST})"""


def listed(connection: sqlite3.Connection, ids: Sequence[int]) -> tuple[JobInfo, ...]:
    """These jobs, in this order, without those that are gone."""
    text = json.dumps(list(ids))
    found = [job_of(row) for row in connection.execute(LISTED, {"ids": text}).fetchall()]
    whole = {id_ for (id_,) in connection.execute(LONG_SECRETS, {"ids": text}).fetchall()}
    return tuple(_masked(connection, info) if info.id in whole else info for info in found)


def _masked(connection: sqlite3.Connection, info: JobInfo) -> JobInfo:
    """Worked out from the whole, one at a time."""
    whole = jobs_of(connection, json.dumps([info.id]))
    masked = whole[0].masked() if whole else dataclasses.replace(info, args="[]", kwargs="{}", last_error=None)  # it was pruned a moment ago
    error = None if masked.last_error is None else masked.last_error[:MOST]
    return dataclasses.replace(masked, args=masked.args[:MOST], kwargs=masked.kwargs[:MOST], last_error=error, result=None, secret=None)


def related(connection: sqlite3.Connection, sql: str, **asked: Any) -> tuple[Related, ...]:
    """Those that ``sql`` finds, each as one line."""
    return tuple(Related(id_, task, state, None if at is None or at >= FOREVER else aware(at)) for id_, task, state, at in connection.execute(sql, asked).fetchall())
