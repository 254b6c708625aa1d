"""Why a job does not start, or one that runs does not end: what a person who waits in vain wants to know; and in a word how a worker is.

Pure functions from what the file says to one clause. Read nothing themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ..base.checks import MICROS, aware, counted
from ..base.counts import capped
from ..base.durations import rate_text
from .rules import MAX_INTERRUPTIONS

if TYPE_CHECKING:
    from ..base.exact import Limit
    from ..base.records import JobInfo, WorkerInfo
    from .inspection import Condition
    from .limits import Count

MOST_COUNTED: Final = 1_000  # of jobs that one waits for
QUIET: Final = 30.0  # seconds without a beat, of which a worker owes six a lease: the default lease is 60 s


def alive(workers: Sequence[WorkerInfo], conditions: Mapping[int, Condition]) -> list[WorkerInfo]:
    """Without those that are dead, and that nobody has struck off yet."""
    return [w for w in workers if w.id not in conditions or not conditions[w.id].dead]


def awake(workers: Sequence[WorkerInfo], conditions: Mapping[int, Condition]) -> list[WorkerInfo]:
    """Of those that live, without the frozen, which take up nothing until somebody wakes them."""
    return [w for w in workers if w.id not in conditions or not conditions[w.id].stopped]


def why(
    job: JobInfo, workers: Sequence[WorkerInfo], conditions: Mapping[int, Condition], now: datetime, paused: Collection[str], path: str
) -> str | None:
    """What keeps an available job from being claimed; None if nothing but work ahead of it does. ``workers``: all, also the dead.
    """
    if job.state == "blocked":
        return f"a job of an earlier tick of {job.schedule} has not ended" if job.schedule else None
    if job.state != "available":
        return None
    if job.queue in paused:
        return f"its queue {job.queue} is paused"
    workers = alive(workers, conditions)
    if not workers:
        return f"no worker serves this file: {start_one(path)}"
    workers = [w for w in workers if w.queues is None or job.queue in w.queues]
    if not workers:
        return f"no worker serves its queue {job.queue}"
    workers = [w for w in workers if w.slots.get(job.pool)]
    if not workers:
        return f"no worker of its queue has slots for the {job.pool} pool"
    able = [w for w in workers if job.task not in w.unknown_tasks]
    if not able:
        return f"worker {workers[0].name} cannot run it: {workers[0].unknown_tasks[job.task]}"
    going = awake(able, conditions)
    if not going:
        first, beat = able[0], (now - able[0].heartbeat_at).total_seconds()
        return (
            f"worker {first.name} (process {first.pid}) is frozen, and its last beat was {beat:.0f} s ago: "
            f"{wake_or_end(conditions[first.id])}, or start another: {start_one(path)}"
        )
    if all(worker.is_stuck(job.pool) for worker in going):
        return (
            f"all {going[0].slots[job.pool]} {job.pool} slots of worker {going[0].name} are held by jobs that run on past their "
            "timeout, and a thread cannot be killed: restart that worker, and run such tasks with pool=\"process\""
        )
    return None


def limited(limit: Limit | None, count: Count, holders: Sequence[tuple[int, str]], is_paused: bool) -> str | None:
    """What keeps a job in its limit's line, None if nothing but that a worker has yet to look; ``holders``: a few of those that have slots."""
    if is_paused:
        return "its queue is paused"
    if limit is not None and limit.max_running is not None and count.running + count.available >= limit.max_running:
        who = ", ".join(f"job {job}" + ("" if state == "running" else f", which is {state}") for job, state in holders)
        more = f" and {count.running + count.available - len(holders)} more" if count.running + count.available > len(holders) else ""
        return f"its limit {count.key} is full, at {limit.max_running} at once: {who}{more}"
    if limit is not None and limit.rate is not None and limit.per is not None and count.started + count.available >= limit.rate:
        again = "" if not count.asks_at else f"; the next may start at {aware(count.asks_at).astimezone():%H:%M:%S}"
        return f"its limit {count.key} lets {rate_text(limit.rate, limit.per)} start, and {count.started} have{again}"
    return None


def held_up(job: JobInfo, condition: Condition | None, now: datetime, path: str) -> str | None:
    """What keeps a running job from ending: its worker is dead, gone (None) or frozen. Else None."""
    lapses = "its lease has run out"
    if job.lease_expires_at is not None and job.lease_expires_at > now:
        lapses = f"its lease runs out in {(job.lease_expires_at - now).total_seconds():.0f} s"
    if condition is None:
        return f"its worker is gone, and has left it behind: another worker {_fate(job)} when {lapses}: {start_one(path)}"
    worker = f"its worker {job.worker} (process {condition.pid})"
    if condition.dead:
        what = "has left while it ran on" if condition.leaving else "is dead"
        return f"{worker} {what}: the next worker {_fate(job, charged=not condition.leaving)}: {start_one(path)}"
    if condition.stopped:
        return (
            f"{worker} is frozen: {wake_or_end(condition)}; otherwise another worker {_fate(job)} when {lapses}"
        )
    return None


def wake_or_end(condition: Condition) -> str:
    """What to do about a frozen worker."""
    if not condition.is_process:
        return f"wake it or end it where it runs (its row has {condition.pid}, which is no process here)"
    return f"wake it (kill -CONT {condition.pid}) or end it (kill -9 {condition.pid})"


def start_one(path: str) -> str:
    """The command that starts a worker."""
    import shlex  # for the few who wait in vain

    return f"python -m litequeue worker {shlex.quote(path)}"


def _fate(job: JobInfo, *, charged: bool = True) -> str:
    """What who takes it over does with it; ``charged``: its worker's end counts as one under the job."""
    if job.at_most_once:
        return "discards it, as it is to run at most once"
    if charged and job.interruptions + 1 >= MAX_INTERRUPTIONS:
        return f"discards it, as {job.interruptions + 1} workers have died while it ran"
    return "runs it again"


def waits_for(awaited: Sequence[tuple[int, str, str]], events: Sequence[str]) -> str | None:
    """What keeps a job from starting that waits for others, as id, task and state, or from going on that waits for events."""
    if events:
        return f"it waits for the event {' or '.join(map(repr, events))}"
    if not awaited:
        return None
    job, task, state = awaited[0]
    others = f", and {counted(capped(len(awaited) - 1, MOST_COUNTED), 'other job')}" if len(awaited) > 1 else ""
    return f"it waits for job {job} ({task}), which is {state}{others}"


# -- a worker, from the outside ----------------------------------------------------------------------------


def silence(condition: Condition, now: int) -> float:
    """Seconds since the last beat."""
    return max((now - condition.beat_at) / MICROS, 0.0)


def is_late(condition: Condition, now: int) -> bool:
    """Half a lease without a beat; of a worker that holds nothing its lease is not known."""
    until, quiet = condition.lease_until, QUIET
    if until is not None:
        quiet = (until - condition.beat_at) / MICROS / 2
    return condition.lapsed > 0 or silence(condition, now) > quiet


def word(condition: Condition, now: int) -> str:
    """What sets a worker apart from one that is well; empty for that."""
    if condition.dead:
        return "has left" if condition.leaving else "dead"
    if condition.stopped:
        return f"frozen: no beat for {silence(condition, now):.0f} s"
    if is_late(condition, now):
        return f"no beat for {silence(condition, now):.0f} s"
    if condition.kept_by is not None:
        return f"by its beat; its lock is for uid {condition.kept_by} to see"
    if condition.dead is None:
        return "its lock file is gone" if condition.refused is None else "its lock file is refused"
    return "leaving" if condition.leaving else ""
