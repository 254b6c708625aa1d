"""How a new job becomes a row.

Owns that statement, for whoever makes jobs: enqueues, workflows, callbacks, notices; and that a limited one which may run now comes into line first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from ..base.models import JobColumns, NewJob
from .rules import HAS_COME, NO_LINE
from .tags import note

_OWN: Final = NewJob._fields[:-1]
_STATE: Final = _OWN.index("state")
COLUMNS: Final = (*_OWN, *JobColumns._fields, "holds")
_OTHERS: Final = ("tags", "headers", "limit_key")  # these may be others for each job of a task


class Insertion:
    """The statement for jobs with these columns, and its parameters. Names what one of them says, and no more: each None that is bound costs
    0.23 us, since sqlite3 looks for an adapter, and most jobs say nothing of their expiry, timeouts, links and limit."""

    __slots__ = ("_end", "_is_limited", "_pick", "sql")

    def __init__(self, columns: Collection[JobColumns], *, expire: bool) -> None:
        said = [place for place, name in enumerate(JobColumns._fields) if any(one[place] is not None for one in columns)]
        names = [JobColumns._fields[place] for place in said]
        self._end = len(_OWN) - (not expire)  # the expiry is the last of a job's own
        self._pick = itemgetter(*said)
        self._is_limited = "limit_key" in names
        names = [*_OWN[: self._end], *names, *["holds"] * self._is_limited]
        self.sql = f"INSERT INTO litequeue_jobs ({', '.join(names)})\nVALUES ({', '.join('?' * len(names))})"

    def values(self, job: NewJob, state: str, columns: JobColumns) -> tuple[Any, ...]:
        """Of a job that is to have this state and these columns."""
        if self._is_limited:
            state, holds = lined_up(state, columns)
            return (*job[:_STATE], state, *job[_STATE + 1 : self._end], *self._pick(columns), holds)
        return (*job[:_STATE], state, *job[_STATE + 1 : self._end], *self._pick(columns))


def lined_up(state: str, columns: JobColumns) -> tuple[str, int | None]:
    """What a new job is to be, and ``holds``: a limited one that may run now comes into line."""
    if columns.limit_key is None:
        return state, None
    return ("blocked", HAS_COME) if state == "available" else (state, NO_LINE)


def named(job: NewJob) -> dict[str, Any]:
    """By the names of COLUMNS."""
    state, holds = lined_up(job.state, job.columns)
    return dict(zip(COLUMNS, (*job[:_STATE], state, *job[_STATE + 1 : -1], *job.columns, holds), strict=True))


@lru_cache(maxsize=256)
def _insertion(columns: JobColumns, expire: bool) -> Insertion:
    """By what all jobs of a task have alike, not by _OTHERS, which would be a statement for each job."""
    return Insertion([columns], expire=expire)


# Of jobs that another one has led to.
HEADERS: Final = "SELECT headers FROM litequeue_jobs WHERE id = :parent"
INHERIT: Final = "UPDATE litequeue_jobs SET headers = :headers WHERE id BETWEEN :first AND :last AND headers IS NULL"


def inherit_headers(connection: sqlite3.Connection, parent: int, first: int, last: int) -> None:
    """These, which are new, have those of their parent unless they have some: a trace goes on with them."""
    (headers,) = connection.execute(HEADERS, {"parent": parent}).fetchone() or (None,)
    if isinstance(headers, str):
        connection.execute(INHERIT, {"headers": headers, "first": first, "last": last})


def insert_job(connection: sqlite3.Connection, job: NewJob) -> int:
    """Inside the caller's transaction; the job's id."""
    columns = job.columns
    alike = columns
    if columns.limit_key is not None or columns.tags is not None or columns.headers is not None:
        others: dict[str, Any] = {name: "" for name in _OTHERS if getattr(columns, name) is not None}
        alike = columns._replace(**others)
    insertion = _insertion(alike, job.expires_at is not None)
    job_id = connection.execute(insertion.sql, insertion.values(job, job.state, columns)).lastrowid
    assert job_id is not None
    if columns.tags is not None:
        note(connection, job_id, job_id)
    return job_id
