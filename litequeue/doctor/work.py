"""Who serves the file, and whether it is served: in a word for ``stats``, in a line for the doctor.

Owns the judgement of a worker from the outside, and what to do about it. Why a job waits is ``waiting``'s.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..base.checks import MICROS, aware, clean, counted
from ..base.counts import total
from ..base.durations import about
from ..base.errors import LitequeueError
from ..base.records import WorkerInfo
from ..base.trust import is_anyone
from ..commands.command import NAME as COMMAND
from ..store import Store, waiting
from ..store.inspection import Condition, Inspection
from ..store.schedules import stuck
from ..store.waiting import is_late, silence
from ..tasks.modules import why_not_imported
from .finding import NOTE, OK, WRONG, Finding

OVERDUE = 60.0  # seconds that a tick may be late
UNSEEN = 300.0  # seconds in which nobody looked at what is watched
SILENT = 120.0  # seconds without a beat, after which a worker that holds nothing is not merely late


def workers(store: Store, inspection: Inspection, now: int) -> Iterator[Finding]:
    conditions = inspection.conditions(now)
    found = store.reports.workers(now)
    for worker in found:
        if worker.id in conditions:
            level, text = judged(conditions[worker.id], now)
            yield Finding("workers", level, f"{worker.name} (process {worker.pid}) {text}")
        for pool in filter(worker.is_stuck, worker.slots):
            stuck = f"all {worker.slots[pool]} {pool} slots of {worker.name} are held by jobs that run on past their timeout"
            yield Finding("workers", WRONG, f"{stuck}: restart it (process {worker.pid})")
    refused = inspection.refused_locks()
    if refused is not None and inspection.locks_kept_by() is not None:
        yield Finding("workers", NOTE, f"no worker of yours starts, since {refused}")
    elif refused is not None:
        yield Finding("workers", WRONG, f"no worker starts, since {refused}")
    orphans = inspection.orphaned(now)
    if orphans:
        yield Finding("workers", WRONG, f"{counted(orphans, 'lease')} of a worker that is not there any more ran out")
    if not found:
        yield Finding("workers", NOTE, "no worker serves this file")


def lives(store: Store, inspection: Inspection, host: str, now: int) -> Iterator[Finding]:
    """Whether a worker of this host goes on with its work, whatever else may be wrong: a restart of it would mend nothing of that."""
    conditions, wrong = inspection.conditions(now), []
    for worker in store.reports.workers(now):
        if worker.host == host and worker.id in conditions:
            said = f"{worker.name} (process {worker.pid}) {judged(conditions[worker.id], now)[1]}"
            if goes_on(conditions[worker.id], now):
                yield Finding("workers", OK, said)
                return
            wrong.append(Finding("workers", WRONG, said))
    yield from wrong or [Finding("workers", WRONG, f"no worker of this host, {clean(host)}, serves this file")]


def goes_on(condition: Condition, now: int) -> bool:
    """Neither dead nor frozen nor without a beat for as long as only one is that will not move again. One that is merely late may be in a task
    that holds the GIL, or wait for a file that is busy."""
    return not condition.dead and not condition.stopped and silence(condition, now) <= SILENT


def judged(condition: Condition, now: int) -> tuple[str, str]:
    """The level, and what goes on after the worker's name."""
    held = f"{condition.held} job{'' if condition.held == 1 else 's'}"
    beat = f"its last beat was {about(silence(condition, now))} ago"
    if condition.dead and condition.leaving:
        return NOTE, f"has left while {held} of it still ran in threads; the next worker takes them up"
    if condition.dead:
        return WRONG, f"is dead, and held {held}; any live worker takes them up within a second: start one"
    if condition.stopped:
        return WRONG, f"is frozen: {beat}; it holds {held}{_when_taken(condition, now)}"
    if condition.lapsed and condition.stopped is None:
        return WRONG, f"is late: {beat}; it holds {held}{_when_taken(condition, now)}"
    if condition.lapsed:
        return WRONG, f"is late: {beat}; its process runs, and so it keeps its {held}; a task may hold the GIL, or a debugger the process"
    if condition.refused is not None and condition.kept_by is None:
        return WRONG, f"may live or be dead: {condition.refused}"
    if condition.dead is None and condition.kept_by is None:
        return WRONG, "has no lock file: somebody deleted it; restart that worker"
    if is_late(condition, now):
        level = WRONG if silence(condition, now) > SILENT else NOTE
        return level, f"is late: {beat}; it holds {held}, and starts none: its log says what holds it up"
    if condition.leaving:
        return OK, f"is leaving; {beat}, and it holds {held}"
    if condition.kept_by is not None:
        return OK, f"seems to live: {beat}; whether it does is for uid {condition.kept_by} to see, whose its lock is"
    return OK, f"lives; {beat}"


def _when_taken(condition: Condition, now: int) -> str:
    wake = waiting.wake_or_end(condition)
    if not condition.held or condition.lease_until is None:
        return f"; {wake}"
    left = (condition.lease_until - now) / MICROS
    if left > 0:
        when = f"any live worker takes over in {about(left)}, when the last lease has run out"
    else:
        when = "the leases have run out: any live worker takes over within seconds"
    return f"; {when}. To have it sooner, {wake}"


def tasks(store: Store, inspection: Inspection, now: int) -> Iterator[Finding]:
    """Whether the available jobs can start, judged as ``why_waiting`` judges."""
    found, conditions = store.reports.workers(now), inspection.conditions(now)
    waits = inspection.waiting()
    if not waits:
        yield Finding("tasks", OK, "no job is available")
    elif not waiting.alive(found, conditions):
        yield from _unserved(store, waits)
    else:
        yield from _held_up(store, waits, found, conditions, now)


def _unserved(store: Store, waits: list[tuple[int, int]]) -> Iterator[Finding]:
    """Of jobs that no worker has tried to find the code for. Whether it would be refused can be told all the same."""
    of_code, count = False, total(count for _, count in waits)
    for job_id, jobs in waits:
        job = store.reports.job(job_id)
        if job is None or job.task == COMMAND:
            continue
        of_code, origin = True, store.jobs.origin(job.task)
        if origin is not None and origin.is_loadable and not is_anyone(None):
            why = why_not_imported(origin.module, origin.directory, os.stat(store.path).st_uid)
            if why is not None:
                yield Finding("tasks", WRONG, f"{counted(jobs, 'job')} of {job.task} in queue {job.queue} cannot start: {why}")
    unknown = "; whether one finds their code is not known before it has tried" if of_code else ""
    wait = f"{counted(count, 'available job')} wait{'s' if count == 1 else ''} for a worker, and none serves this file"
    yield Finding("tasks", NOTE, f"{wait}{unknown}: {waiting.start_one(store.path)}")


def _held_up(
    store: Store, waits: list[tuple[int, int]], found: list[WorkerInfo], conditions: dict[int, Condition], now: int
) -> Iterator[Finding]:
    paused, free, of_code = store.reports.paused(), 0, False
    for job_id, count in waits:
        job = store.reports.job(job_id)
        why = None if job is None else waiting.why(job, found, conditions, aware(now), paused, store.path)
        if job is None or why is None:
            free = total((free, count))
            of_code = of_code or job is not None and job.task != COMMAND
            continue
        level = NOTE if job.queue in paused else WRONG
        yield Finding("tasks", level, f"{counted(count, 'job')} of {job.task} in queue {job.queue} cannot start: {why}")
    if free:
        known = "; no worker says that it cannot run them" if of_code else ""
        yield Finding("tasks", OK, f"{counted(free, 'available job')} wait{'s' if free == 1 else ''} for a free slot{known}")


def alerts(store: Store, now: int) -> Iterator[Finding]:
    """Those that fire; and whether somebody looks."""
    found = [alert for alert in store.alerts.all() if alert.paused_at is None]
    if not found:
        return
    from ..base.alertkinds import meaning  # few files have any

    firing = [alert for alert in found if alert.standing.state == "firing"]
    for alert in firing:
        since = about((now - (alert.standing.since or now)) / MICROS)
        yield Finding("alerts", WRONG, f"{alert.name} fires, for {since} so far: {meaning(alert.condition)} ({alert.shown})")
    last = max(alert.checked_at or alert.created_at for alert in found)
    if now - last > UNSEEN * MICROS:
        yield Finding("alerts", WRONG, f"nobody has looked at the {counted(len(found), 'alert')} for {about((now - last) / MICROS)}: a worker does, and so does litequeue alert check, by cron say")
    elif not firing:
        yield Finding("alerts", OK, f"{counted(len(found), 'alert')}, none of which fires")


def notices(store: Store, inspection: Inspection) -> Iterator[Finding]:
    count, last = inspection.untold()
    job = None if last is None else store.reports.job(last)
    if job is None:
        yield Finding("notices", OK, "whoever asked was told of failures")
        return
    so_far = " so far" if job.state == "retrying" else ""
    text = f"{counted(count, 'failure')} could not be told{so_far} to somebody who asked, the last by job {job.id}: {job.last_error}"
    yield Finding("notices", WRONG, text)


def _stuck(store: Store, now: int) -> list[Finding]:
    """By a job that does not end."""
    findings = []
    for found in (found for found in stuck.unended(store.database, now) if found.runs):  # of what waits others say why
        from ..triggers import (
            firing,  # time zones and cron, for the few who have schedules at work
        )

        with contextlib.suppress(LitequeueError):  # a planted trigger, or one that only code can work out
            if firing.is_stuck(firing.trigger_of(found.schedule.trigger, found.schedule.anchor_at), found.tick, now):
                since = about((now - found.tick) / MICROS)
                text = f"{found.schedule.name} does not go on: its job {found.job} has not ended since its tick {since} ago"
                findings.append(Finding("schedules", WRONG, text))
    return findings


def schedules(store: Store, inspection: Inspection, now: int) -> Iterator[Finding]:
    found = inspection.schedules(now - int(OVERDUE * MICROS))
    held_up, conditions = _stuck(store, now), inspection.conditions(now)
    serving = waiting.alive(store.reports.workers(), conditions)
    nobody = None if waiting.awake(serving, conditions) else "no worker is awake" if serving else "no worker serves this file"
    yield from held_up
    for name, why in found.disabled:
        yield Finding("schedules", WRONG, f"{name} is disabled: {why}")
    if found.overdue_since is not None:
        late = about((now - found.overdue_since) / MICROS)
        text = f"{counted(found.overdue, 'schedule')} with a tick that nobody fired, one of them since {late}"
        why = nobody or "only a worker that has the code can fire those of own triggers, and none does"
        yield Finding("schedules", WRONG, f"{text}; {why}")
    elif found.coming and nobody:
        yield Finding("schedules", WRONG, f"{counted(found.coming, 'schedule')} with a next tick, and {nobody}, so none fires")
    elif not found.disabled and not held_up:
        paused = f", {found.paused} paused" if found.paused else ""
        yield Finding("schedules", OK, f"{counted(found.total, 'schedule')}{paused}")
