"""From a claimed job to a call that a pool can run.

Owns what the job's own row and its task's options say together, the sync before what may run only once, and telling of
the tasks whose code is not here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ..base.checks import DAY
from ..base.errors import PASSING, UnknownTask
from ..base.log import Log
from ..base.masking import recorded
from ..base.models import ClaimedJob
from ..pools import capturing
from ..pools.base import Call
from ..store import Store
from ..tasks import TaskCode
from . import journal
from .discovery import Catalogue
from .patience import Patience

log = Log("litequeue.worker")


class Keeping(NamedTuple):
    """What a worker says of what is kept of its jobs."""

    output: bool = True  # what they print and log
    succeeded: int = DAY  # microseconds, of those whose task does not say it
    discarded: int = 30 * DAY


USUAL: Final = Keeping()


def call_of(job: ClaimedJob, code: TaskCode, database: str, claimed_at: float, trusts_anyone: bool = False, keeping: Keeping = USUAL) -> Call:
    """The job's row says it; where it says nothing, the task."""
    says = code.columns
    attempts = says.max_attempts if job.max_attempts is None else job.max_attempts
    assert attempts is not None, "a task that has code says it"
    timeout = says.timeout if job.timeout is None else job.timeout
    soft = says.soft_timeout if job.soft_timeout is None else job.soft_timeout
    succeeded = keeping.succeeded if code.result_ttl is None else code.result_ttl
    return Call(job, code, attempts, timeout, soft, database, claimed_at, trusts_anyone, keeping.output and code.keeps, succeeded, keeping.discarded)


def calls_of(
    jobs: Iterable[ClaimedJob], catalogue: Catalogue, database: str, claimed_at: float, keeping: Keeping = USUAL
) -> tuple[dict[str, list[Call]], list[tuple[ClaimedJob, str]]]:
    """By pool; and those that can be no call anywhere, with the reason. What they print and log may go to streams that are others than before."""
    if keeping.output:
        capturing.keep_output()
    calls: dict[str, list[Call]] = {}
    without = []
    for job in jobs:
        try:
            call = call_of(job, catalogue.find(job.task), database, claimed_at, catalogue.trusts_anyone, keeping)
            calls.setdefault(job.pool, []).append(call)
        except UnknownTask as error:
            without.append((job, str(error)))
    return calls, without


def is_durable(store: Store, worker: int, now: int, patience: Patience) -> bool:
    """Before an at-most-once job starts, a power cut must no longer be able to undo its claim: sync it. Whether it is."""
    try:
        store.leases.make_durable(worker, now, patience.now())
    except PASSING as error:
        log.warning("%s; jobs that run at most once are put back", error)
        return False
    return True


def tell_unknown(
    store: Store, worker: int, catalogue: Catalogue, met: Iterable[tuple[ClaimedJob, UnknownTask]], now: int, patience: Patience
) -> None:
    """Log of the jobs ``met`` that their code is not here, and write for others to read which tasks cannot run here, and what
    is secret of those that can."""
    for job, error in met:
        journal.unknown(job, error)
    unknown = catalogue.unknown()
    for task, why in unknown.items():
        journal.unknown_task(task, why)
    try:
        _tell_options(store, catalogue, now, patience)
        store.workers.report_unknown(worker, unknown, patience.now())
    except PASSING:
        catalogue.untold = True


def _tell_options(store: Store, catalogue: Catalogue, now: int, patience: Patience) -> None:
    """Producers without the code, which enqueue by name, record nothing of it; and an older one's record may be stale."""
    news = []
    for code in catalogue.told_of:
        known, origin = store.jobs.origin(code.name), code.origin
        is_news = known is None or recorded(code.name, known.options) != code.secret or known.options != code.template.recorded(code.secret)
        if code.limit_name is not None and (origin is None or origin.limit is None) and store.limits.find(code.limit_name) is None:
            log.warning("task %s asks the limit %s, which nobody has declared: its jobs run without. app.limit(%r, ...)", code.name, code.limit_name, code.limit_name)
        if origin is not None and (is_news or origin.limit is not None):
            news.append(origin)
    if news:
        store.jobs.record_options(news, now, patience.now())
    catalogue.told_of.clear()
