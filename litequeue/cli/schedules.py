"""The commands about schedules: ``schedule add`` and its like, ``schedules`` and ``ticks``. Thin, over ``app.schedules``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ..app import LiteQueue
from ..base.errors import InvalidArgument
from ..base.records import ScheduleInfo, TickInfo, as_dict
from ..commands.command import NAME as COMMAND
from ..options.kinds import moment_typed
from ..options.schedules import ScheduleOptions
from . import render
from .acts import acting
from .calls import (
    about_command,
    command_in,
    command_line,
    command_of,
    options_given,
    parse_call,
    refuse_command_options,
    typed,
)
from .jobs import existing
from .notes import note_command, note_mail, note_unknown_task
from .printing import complain, say

NO_WORKER = "litequeue: no worker serves this file, so none of them fires until one does"

def add(arguments: argparse.Namespace) -> int:
    options = _given(arguments)
    if not options.keys() & {"cron", "every", "at"}:
        raise InvalidArgument("say when: give one of --cron, --every and --at")
    task, call = _what(arguments)
    # A schedule may be the first thing that a file holds.
    with LiteQueue(arguments.db) as app:
        note_unknown_task(task, app._client.store.jobs.origins)
        try:
            info = app.schedules.add(
                arguments.name, task, **call, **options, paused=arguments.paused, replace=arguments.replace
            )
        except InvalidArgument as error:
            raise InvalidArgument(typed(error)) from None
    _say([info])
    if task == COMMAND:
        note_command(arguments.db, call["kwargs"])
    return 0


def update(arguments: argparse.Namespace) -> int:
    changes = _given(arguments, removable=True)
    with existing(arguments.db) as app:
        changes |= _changed_call(arguments, app.schedules.get(arguments.name))
        if not changes:
            raise InvalidArgument("say what to change, such as --cron or --retries")
        info = app.schedules.update(arguments.name, **changes)
    _say([info])
    if info.task == COMMAND and "kwargs" in changes:
        note_command(arguments.db, changes["kwargs"])
    return 0


def _changed_call(arguments: argparse.Namespace, info: ScheduleInfo) -> dict[str, Any]:
    """What is said anew of the call."""
    if arguments.task is None and info.task == COMMAND:
        if not (arguments.words or about_command(arguments)):
            return {}
        return {"kwargs": command_of(arguments, command_in(info))}
    if arguments.task is None and not arguments.words:
        refuse_command_options(arguments, f"{info.name} runs the task {info.task}")
        return {}
    task, call = _what(arguments)
    if task != info.task:
        if task == COMMAND:
            raise InvalidArgument(f"{info.name} runs the task {info.task}: for other arguments give --task {info.task} as well")
        raise InvalidArgument(f"{info.name} runs another task, {info.task}: remove it and add it anew")
    return call


def _given(arguments: argparse.Namespace, *, removable: bool = False) -> dict[str, Any]:
    found = options_given(arguments, ScheduleOptions, removable=removable)
    times = [f"--{key}" for key in ("cron", "every", "at") if key in found]
    if len(times) > 1:
        raise InvalidArgument(f"{' and '.join(times)} cannot go together: give one of --cron, --every and --at")
    if times not in ([], ["--cron"]) and found.keys() & {"timezone", "seconds"}:
        raise InvalidArgument(f"--timezone and --seconds go with --cron, not with {times[0]}")
    return found


def _what(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The task and its call: a command's, or a task's by name."""
    if arguments.task is not None:
        refuse_command_options(arguments, "what follows -- is one unless there is a --task")
        args, kwargs = parse_call(arguments.words)
        return arguments.task, {"args": args, "kwargs": kwargs}
    if not arguments.words:
        raise InvalidArgument("give the command after --, as in: -- pg_dump -Fc mydb; or a task with --task TASK")
    return COMMAND, {"kwargs": command_of(arguments)}


def _moment(text: str) -> datetime:
    try:
        return moment_typed(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"--before {error}") from None


def remove(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        app.schedules.remove(arguments.name)
    say(f"schedule {arguments.name} is removed")
    return 0


def pause(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        for name in _named(arguments, app, ("active", "running")):
            app.schedules.pause(name)
            acting(app).note("pause", f"schedule {name}", 0)
            say(f"schedule {name} is paused")
    return 0


def resume(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        if arguments.all and arguments.name is None and app._client.store.marks.read().paused_at is not None:
            _resume_copy(app)
        else:
            _say(_resumed(app, name) for name in _named(arguments, app, ("paused",)))
    return 0


def _resume_copy(app: LiteQueue) -> None:
    """Of a copy that was to fire none: those that were not paused before it was made. The mark last: killed before, all can be done again."""
    copies = app._client.store.copies
    _say(_resumed(app, name) for name in copies.paused_by_copy())
    copies.go_live()
    left = sum(info.state == "paused" for info in app.schedules.list())
    say(f"this copy is a queue like any other now{f'; paused before it was made, and still: {left}, which --all resumes now' if left else ''}")


def _named(arguments: argparse.Namespace, app: LiteQueue, states: tuple[str, ...]) -> list[str]:
    """The schedule that is named; with ``--all`` every one in these states."""
    if not arguments.all:
        return [arguments.name]
    if arguments.name is not None:
        raise InvalidArgument(f"give a NAME or --all, not both {arguments.name!r:.60} and --all")
    found = [info.name for info in app.schedules.list() if info.state in states]
    if not found:
        complain(f"no schedule is {' or '.join(states)}")
    return found


def _resumed(app: LiteQueue, name: str) -> ScheduleInfo:
    app.schedules.resume(name)
    acting(app).note("resume", f"schedule {name}", 0)
    return app.schedules.get(name)


def run(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        job = app.schedules.run_now(arguments.name)
        acting(app).note("run", f"schedule {arguments.name}", 1)
    say(job.id)
    return 0


def _say(changed: Iterable[ScheduleInfo]) -> None:
    mail_to = None
    for info in changed:
        coming = f"next {render.when(info.next_tick)}, {until(info)}" if info.next_tick else info.state
        say(f"schedule {info.name}: {info.trigger}; {coming}")
        mail_to = mail_to or info.mail_to
    note_mail(mail_to)


def schedules(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        found, served = app.schedules.list(), app._client.store.reports.workers()
    if arguments.json:
        render.print_json([as_dict(info) for info in found])
        return 0
    render.print_listing(
        ("NAME", "STATE", "LAST TICK", "OUTCOME", "NEXT TICK", "DUE", "TRIGGER", "RUNS"),
        [
            (
                info.name, info.state, render.when(info.last_tick), outcome(info), render.when(info.next_tick),
                until(info), info.trigger + (f"; {info.why}" if info.why else ""), what(info),
            )
            for info in found
        ],
        "there is no schedule",
    )  # fmt: skip
    if found and not served:
        say(NO_WORKER, to=sys.stderr)
    return 0


def what(info: ScheduleInfo) -> str:
    """What a schedule runs, in short; of a system crontab's line with whom as."""
    if info.task != COMMAND:
        return info.task
    try:
        command = command_in(info)
    except InvalidArgument as error:
        return str(error)
    text = (f"as {command['user']}: " if "user" in command else "") + command_line(command)
    return render.cut(text, 60)


def outcome(info: ScheduleInfo) -> str:
    """What became of the last tick, in a few words."""
    if info.last_job_state is not None and info.last_job is not None:
        return f"job {info.last_job} {info.last_job_state}" + (" (by hand)" if info.last_outcome == "manual" else "")
    return info.last_outcome or ""


def until(info: ScheduleInfo) -> str:
    """How long until the next tick."""
    if info.next_tick is None:
        return ""
    seconds = (info.next_tick - datetime.now(UTC)).total_seconds()
    return f"in {render.duration(seconds)}" if seconds > 0 else f"{render.duration(-seconds)} late"


def ticks(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        before = None if arguments.before is None else _moment(arguments.before)
        found = app.schedules.ticks(arguments.name, before=before, limit=arguments.limit)
        full = len(found) == arguments.limit
        more = full and app.schedules.ticks(arguments.name, before=found[-1].at, limit=1)
    if arguments.json:
        render.print_json([as_dict(tick) for tick in found])
        return 0
    none = f"no tick of {arguments.name} has come{'' if before is None else f' before {arguments.before}'}"
    head = ("TICK", "OUTCOME", "DECIDED", "JOB", "STATE", "TOOK", "NOTE")
    render.print_listing(head, [_tick_row(tick) for tick in found], none)
    if more:
        say(f"more: --before '{found[-1].at.isoformat(sep=' ')}'")
    return 0


def _tick_row(tick: TickInfo) -> tuple[str, ...]:
    through = f" to {render.when(tick.through)}" if tick.through else ""
    took = ""
    if tick.started_at is not None and tick.finished_at is not None:
        took = render.duration(max((tick.finished_at - tick.started_at).total_seconds(), 0.0))
    return (
        render.when(tick.at) + through, tick.outcome, render.when(tick.decided_at), str(tick.job_id or ""),
        tick.job_state or ("gone" if tick.job_id else ""), took, (tick.reason or tick.error or "")[:120],
    )  # fmt: skip
