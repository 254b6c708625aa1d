"""How a new job becomes a row.

Owns that statement, for whoever makes jobs: enqueues, workflows, callbacks, notices.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from ..base.models import JobColumns, NewJob

_OWN = NewJob._fields[:-1]
COLUMNS: Final = (*_OWN, *JobColumns._fields)

INSERT_JOB: Final = f"""INSERT INTO litequeue_jobs ({", ".join(COLUMNS)})
VALUES ({", ".join("?" * len(COLUMNS))})"""


def values_of(job: NewJob) -> tuple[Any, ...]:
    """In the order of COLUMNS."""
    return (*job[:-1], *job.columns)


def insert_job(connection: sqlite3.Connection, job: NewJob) -> int:
    """Inside the caller's transaction; the job's id."""
    job_id = connection.execute(INSERT_JOB, values_of(job)).lastrowid
    assert job_id is not None
    return job_id
