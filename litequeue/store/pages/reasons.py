"""Why somebody should look at the file: judged from what its pages have read. Pure.

Owns what is worth a sentence, and which of it is worst. The words are the page's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ...base.alertkinds import meaning
from ...base.checks import aware
from ...base.records import WorkerInfo
from .. import waiting
from ..alerts import Firing
from ..inspection import Condition
from .parts import Reason

LATE: Final = 60.0  # seconds that a tick may be
LITTLE_DISK: Final = 1 << 30  # bytes
FIRST: Final = 4  # that are shown: of each kind one before a second
MOST: Final = 50

_WORST_FIRST: Final = ("alert", "disk", "no-worker", "dead", "frozen", "stuck", "no-code", "late", "missed", "disabled", "failures", "untold", "paused")
_SAME: Final = {"no-worker": "no-worker", "worker-frozen": "frozen", "disk": "disk", "untold": "untold"}  # what an alert says is no second thing
MANY: Final = 10  # jobs that were discarded in the last hour,
SHARE: Final = 0.05  # if so much of what ended was


class Facts(NamedTuple):
    """What is known."""

    now: int  # microseconds
    waiting: int  # available; where there are none, scheduled and retrying
    ended: int  # in the last hour
    discarded: int  # of them
    coming: int  # schedules with a next tick
    paused: Sequence[tuple[str, int, int]]  # queue, since when, how many jobs wait in it
    workers: Sequence[WorkerInfo]  # that have not signed off
    conditions: Mapping[int, Condition]
    without_code: Sequence[tuple[str, int, str]]  # task, how many jobs wait for it, why
    late: Sequence[tuple[str, int]]  # schedule, and when it was to fire
    missed: Sequence[tuple[str, int, str]]  # schedule, its last tick, which nobody fired, and why
    disabled: Sequence[tuple[str, str]]  # schedule, and why
    untold: int
    last_untold: int | None
    disk_free: int | None  # bytes; None: not asked
    alerts: Sequence[Firing] = ()


def judged(facts: Facts) -> tuple[Reason, ...]:
    """The worst first; among the first few no kind twice while there is another."""
    found = [
        *map(_alert, facts.alerts), *_disk(facts), *_workers(facts), *(Reason("no-code", task, jobs, None, why) for task, jobs, why in facts.without_code),
        *(Reason("late", name, since=aware(at)) for name, at in facts.late), *(Reason("missed", name, 0, aware(at), why) for name, at, why in facts.missed),
        *(Reason("disabled", name, text=why) for name, why in facts.disabled),
        *([Reason("failures", jobs=facts.discarded)] if facts.discarded >= max(MANY, SHARE * facts.ended) else ()),
        *([Reason("untold", jobs=facts.untold, id=facts.last_untold)] if facts.untold else ()),
        *(Reason("paused", queue, jobs, aware(since)) for queue, since, jobs in facts.paused if jobs),
    ]  # fmt: skip
    said = {_SAME.get(fires.condition.partition(" ")[0]) for fires in facts.alerts}
    found = [reason for reason in found if reason.kind not in said]
    ranks: dict[str, int] = {}
    ranked = []
    for reason in found:
        ranks[reason.kind] = ranks.get(reason.kind, 0) + 1
        ranked.append((ranks[reason.kind], _severity(reason), reason))
    ranked.sort(key=lambda each: each[:2])
    chosen = [reason for _, _, reason in ranked]
    return tuple(sorted(chosen[:FIRST], key=_severity) + sorted(chosen[FIRST:], key=_severity))[:MOST]


def _severity(reason: Reason) -> int:
    return _WORST_FIRST.index(reason.kind)


def _alert(fires: Firing) -> Reason:
    return Reason("alert", fires.name, 0, aware(fires.since), f"{meaning(fires.condition)} ({fires.shown})" if fires.shown else meaning(fires.condition))


def _disk(facts: Facts) -> list[Reason]:
    return [Reason("disk", jobs=facts.disk_free)] if facts.disk_free is not None and facts.disk_free < LITTLE_DISK else []


def _workers(facts: Facts) -> list[Reason]:
    found = [] if waiting.alive(facts.workers, facts.conditions) or not facts.waiting and not facts.coming else [Reason("no-worker", jobs=facts.waiting)]
    for worker in facts.workers:
        condition = facts.conditions.get(worker.id)
        if condition is None:
            continue
        beat: datetime = aware(condition.beat_at)
        if condition.dead and (condition.held or not condition.leaving):
            found.append(Reason("dead", worker.name, condition.held, beat, id=worker.id))
        elif condition.stopped:
            found.append(Reason("frozen", worker.name, condition.held, beat, id=worker.id))
        if any(map(worker.is_stuck, worker.slots)):
            found.append(Reason("stuck", worker.name, id=worker.id))
    return found


def without_code(waits: Mapping[tuple[str, str, str], int], workers: Sequence[WorkerInfo]) -> list[tuple[str, int, str]]:
    """``waits``: by queue, pool and task how many jobs are available. Of tasks that none of those that serve them can run: how many, and why the first cannot."""
    found: dict[str, tuple[int, str]] = {}
    for (queue, pool, task), jobs in waits.items():
        serving = [worker for worker in workers if (worker.queues is None or queue in worker.queues) and worker.slots.get(pool)]
        if serving and all(task in worker.unknown_tasks for worker in serving):
            found[task] = (found.get(task, (0, ""))[0] + jobs, serving[0].unknown_tasks[task])
    return [(task, jobs, why) for task, (jobs, why) in found.items()]
