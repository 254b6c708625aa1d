"""From a claimed job to a call that a pool can run.

Owns what the job's own row and its task's options say together, and the sync before what may run only once.
"""

from __future__ import annotations

import logging

from ..base.errors import PASSING
from ..base.models import ClaimedJob
from ..pools.base import Call
from ..store import Store
from ..tasks import TaskCode

log = logging.getLogger("litequeue.worker")


def call_of(job: ClaimedJob, code: TaskCode, database: str, claimed_at: float) -> Call:
    """The job's row says it; where it says nothing, the task."""
    says = code.columns
    attempts = says.max_attempts if job.max_attempts is None else job.max_attempts
    assert attempts is not None, "a task that has code says it"
    timeout = says.timeout if job.timeout is None else job.timeout
    soft = says.soft_timeout if job.soft_timeout is None else job.soft_timeout
    return Call(job, code, attempts, timeout, soft, database, claimed_at)


def is_durable(store: Store, worker: int, now: int) -> bool:
    """Before an at-most-once job starts, a power cut must no longer be able to undo its claim: sync it. Whether it is."""
    try:
        store.leases.make_durable(worker, now)
    except PASSING as error:
        log.warning("%s; jobs that run at most once are put back", error)
        return False
    return True
