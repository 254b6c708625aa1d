"""How a new job becomes a row.

Owns that statement, for whoever makes jobs: enqueues, workflows, callbacks, notices; and that a limited one which may run now comes into line first.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from ..base.models import JobColumns, NewJob
from .rules import HAS_COME, NO_LINE

_OWN = NewJob._fields[:-1]
_STATE: Final = _OWN.index("state")
COLUMNS: Final = (*_OWN, *JobColumns._fields, "holds")

INSERT_JOB: Final = f"""INSERT INTO litequeue_jobs ({", ".join(COLUMNS)})
VALUES ({", ".join("?" * len(COLUMNS))})"""


def values_of(job: NewJob) -> tuple[Any, ...]:
    """In the order of COLUMNS."""
    columns = job.columns
    if columns.limit_key is None:
        return (*job[:-1], *columns, None)
    if job.state == "available":
        return (*job[:_STATE], "blocked", *job[_STATE + 1 : -1], *columns, HAS_COME)
    return (*job[:-1], *columns, NO_LINE)


def named(job: NewJob) -> dict[str, Any]:
    """By the names of COLUMNS."""
    return dict(zip(COLUMNS, values_of(job), strict=True))


def insert_job(connection: sqlite3.Connection, job: NewJob) -> int:
    """Inside the caller's transaction; the job's id."""
    job_id = connection.execute(INSERT_JOB, values_of(job)).lastrowid
    assert job_id is not None
    return job_id
