"""The values that move between the layers: what is enqueued, claimed and settled.

NamedTuples, since this is the hot path: a frozen dataclass of 16 fields costs 4.7 us to build and ``_make``
0.7 us, several times per job. What people look at is in ``records``. No behaviour beyond reading
themselves; no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from .exact import Limit

EACH: Final = "litequeue.each"  # a keyword of jobs that call their task for each of many items (``tasks/each``)


class JobColumns(NamedTuple):
    """What a job's row keeps of its options (see ``options``), under the names of the columns; durations in
    microseconds. Where schedules keep the job of a tick, the columns are the same."""

    queue: str = "default"
    pool: str = "thread"
    priority: int = 0
    max_attempts: int | None = None  # None: enqueued by name; the worker that knows the task fills it in
    timeout: int | None = None  # None: as the task says
    soft_timeout: int | None = None
    at_most_once: int = 0
    links: int | None = None  # 1: somebody is to be told of its end, if only a callback
    tags: str | None = None  # a JSON array of words by which people find it
    headers: str | None = None  # a JSON object, for observers
    limit_key: str | None = None  # of the limit that it asks for a slot: the name, or name:value


class NewJob(NamedTuple):
    """A job about to be inserted; times in microseconds."""

    task: str
    args: str
    kwargs: str
    state: str
    run_at: int
    created_at: int
    expires_at: int | None
    columns: JobColumns


class TaskOrigin(NamedTuple):
    """Where the code of a task is, and the options that an enqueue by name falls back on."""

    task: str
    module: str
    qualname: str
    directory: str
    options: str  # JSON
    limit: Limit | None = None  # that its jobs ask, as its code declares it

    @property
    def is_loadable(self) -> bool:
        """False for a task of a shell or a notebook: it has no module that anybody else could load."""
        return self.module != ""


class PastError(NamedTuple):
    """An earlier attempt's error, as ``current_job().errors`` shows it."""

    attempt: int
    type: str
    message: str


def label(task: str, schedule: str | None) -> str:
    """A job's task with the schedule that it came of: of forty crontab lines all have the one task that runs commands."""
    return task if schedule is None else f"{task} ({schedule})"


class ClaimedJob(NamedTuple):
    """One leased attempt; (id, attempt) is its fence. The fields are the claim query's columns."""

    id: int
    attempt: int
    releases: int
    task: str
    args: str
    kwargs: str
    queue: str
    pool: str
    priority: int
    failures: int
    interruptions: int
    max_attempts: int | None
    timeout: int | None
    soft_timeout: int | None
    at_most_once: int
    run_at: int
    created_at: int
    errors: Any  # None, or [[execution, type, message], ...]
    scheduled_for: int | None = None  # the tick of its schedule
    schedule: str | None = None
    inputs: str | None = None  # JSON: what it takes of the jobs that it waited for
    limit_key: str | None = None

    @property
    def label(self) -> str:
        """What it is in a line of the log."""
        return label(self.task, self.schedule)

    @property
    def execution(self) -> int:
        """The attempt as people count: without claims that were given back before anything ran."""
        return self.attempt - self.releases


class Lease(NamedTuple):
    """The right to one attempt."""

    id: int
    attempt: int


class Membership(NamedTuple):
    """That what is enqueued is to be a member of a batch."""

    flow: int
    by: Lease | None  # the running job that adds to it


class LostJob(NamedTuple):
    """A job that its worker's end made final: it may run only once, or keeps killing its workers."""

    id: int
    task: str
    execution: int
    why: str
    schedule: str | None
    queue: str

    @property
    def label(self) -> str:
        return label(self.task, self.schedule)


class Rescued(NamedTuple):
    """What became of a worker's jobs."""

    again: int  # how many run again
    lost: tuple[LostJob, ...]


class Settled(NamedTuple):
    """A success; the fields are the parameters of SETTLE_SUCCEEDED."""

    id: int
    attempt: int
    started_at: int
    finished_at: int
    result: str | None
    prune_at: int
    note: str | None  # why the result could not be stored


class Unsettled(NamedTuple):
    """Any other end of an attempt, as the SETTLE_OTHER query takes it."""

    id: int
    attempt: int
    state: str
    started_at: int | None
    finished_at: int | None  # None unless the state is final
    run_at: int | None  # None: as it was
    prune_at: int | None
    failed: int  # 1 counts against max_attempts
    error_type: str | None  # None leaves no row in litequeue_attempts
    error_message: str | None
    traceback: str | None
    ended_at: int
    unstarted: int  # 1: given back as it was claimed; no execution is counted


class Suspension(NamedTuple):
    """A job that sleeps, or waits for events, beside its row among those that are ``Unsettled``."""

    id: int
    attempt: int
    step: str
    until: int | None  # None: for ever
    names: str  # JSON, of the events


class Replacement(NamedTuple):
    """What takes a job's place, beside its row among those that are ``Unsettled``."""

    id: int
    attempt: int
    graph: list[Any]  # as of ``outcomes.Replaced``
    keep: int  # microseconds, once it has ended with those


class Adoption(NamedTuple):
    """What a worker fills in on a job that was enqueued without its task's options."""

    id: int
    pool: str
    max_attempts: int
    at_most_once: int
    callbacks: tuple[tuple[str, str], ...] = ()  # when, and the job as JSON
    limit_key: str | None = None


class Printed(NamedTuple):
    """A piece of what an attempt printed."""

    job_id: int
    execution: int
    number: int
    stream: str  # stdout, stderr, or usage: JSON
    at: int
    text: str


class Used(NamedTuple):
    """What an attempt has used."""

    job_id: int
    execution: int
    cpu_time: int  # microseconds
    max_rss: int | None  # bytes


class Said(NamedTuple):
    """How far an attempt says that it is, and what else it shows; both as JSON."""

    job_id: int
    execution: int
    at: int
    said: str | None
    meta: str | None


class Planned(NamedTuple):
    """A schedule as the scheduler reads it; the fields are the columns of DUE."""

    id: int
    revision: int
    name: str
    trigger: str
    catch_up: str
    grace: int
    jitter: int
    anchor_at: int
    next_tick_at: int | None
    fires_at: int | None


class Due(NamedTuple):
    """A tick to fire now."""

    tick: int
    outcome: str  # fired or late


class Past(NamedTuple):
    """A tick, or a range of them, that is not fired."""

    tick: int
    through: int | None  # one for many: the last of them
    outcome: str  # missed: beyond its grace; skipped: a later one stands for it
    reason: str


class Fire(NamedTuple):
    """A tick that becomes a job."""

    schedule: int
    tick: int
    state: str  # of the job: available, or blocked by that of an earlier tick
    outcome: str


class Step(NamedTuple):
    """What to do with a schedule, if it still is as it was read."""

    id: int
    name: str
    revision: int
    seen: int | None
    next_tick_at: int | None
    fires_at: int | None
    awaiting: bool  # the next tick counts from the end of this one's job
    boot: str | None
    fire: tuple[Due, ...]
    past: tuple[Past, ...]
