"""Tables for people, JSON for programs, and what they hold of a job and of the file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..base.checks import aware, clean
from ..base.counts import AtLeast
from ..base.durations import about
from ..base.errors import InvalidArgument
from ..base.records import JobInfo, JobProgress, Stats, StepInfo
from ..base.stored import nesting
from ..base.stored import shown as stored_json
from ..commands.command import NAME as COMMAND
from ..store.rules import waits_for_ever
from . import bars
from .calls import command_in, command_line
from .printing import complain, put, say

if TYPE_CHECKING:
    from ..store.alerts import Firing

duration = about

INDENTED = 24  # levels; a job's own are three at most, and people read no more
_NOTHING: dict[str, int] = {}
_COLOURS = {
    "succeeded": "32", "running": "36", "retrying": "33", "discarded": "31", "cancelled": "35",
    "expired": "35",
}  # fmt: skip


def print_json(value: Any) -> None:
    """JSON, one value a line; in one line where it is nested so deeply that the indents would be most of it."""
    text = json.dumps(value, default=lambda v: v.isoformat())
    # Back again, since Python writes and reads Infinity and NaN, which JSON has not (1e999 in a planted row): they become text.
    value = json.loads(text, parse_constant=str)
    put(json.dumps(value, indent=None if nesting(text) > INDENTED else 2) + "\n")


def colour(text: str, state: str) -> str:
    """The text in the state's colour, on a terminal that wants it."""
    code = _COLOURS.get(state)
    if code is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; the last one is cut at the terminal's width."""
    cells = [tuple(clean(str(cell)) for cell in row) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = shutil.get_terminal_size((160, 24)).columns if sys.stdout.isatty() else 10_000
    for number, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        line = cut(line, room)
        if number and len(row) > 1 and row[1] in _COLOURS:
            line = line.replace(row[1], colour(row[1], row[1]), 1)
        put(f"{line}\n")


def cut(text: str, most: int) -> str:
    """So many characters of it, the last of which says that there were more."""
    return text if len(text) <= most else text[: most - 1] + "…"


def print_listing(head: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> None:
    """A table of what was asked for; where that is nothing, ``none`` says so to people, and not into a pipe."""
    print_table(head, rows)
    if not rows:
        sys.stdout.flush()
        complain(none)


def when(moment: datetime | None) -> str:
    """A time in the local zone, short."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _zoned(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def took(info: JobInfo) -> str:
    if info.started_at is None:
        return ""
    end = info.finished_at or (datetime.now(UTC) if info.state == "running" else None)
    return "" if end is None else duration(max((end - info.started_at).total_seconds(), 0.0))


def note(info: JobInfo) -> str:
    """The one thing to know about a job beyond its columns."""
    if info.state == "running" and overdue(info):
        return "overdue: still running past its timeout"
    if info.state == "scheduled" and waits_for_ever(info.run_at):
        return "waits for an event"
    if info.state in ("scheduled", "retrying"):
        return f"due {when(info.run_at)}" + (f"; {info.last_error}" if info.last_error else "")
    if info.state == "running" and info.cancel_requested_at is not None:
        return "cancel requested"
    if info.state == "succeeded":
        return info.last_error or f"= {None if info.result is None else stored_json(info.result)}"
    return info.last_error or ""


def overdue(info: JobInfo) -> bool:
    if info.state != "running" or info.timeout is None or info.started_at is None:
        return False
    return (datetime.now(UTC) - info.started_at).total_seconds() > info.timeout


def _task(info: JobInfo) -> str:
    """What a job runs: for a command its first word says more than the task."""
    if info.schedule:
        return f"{info.task} ({info.schedule})"
    if info.task == COMMAND:
        with contextlib.suppress(InvalidArgument):  # it may be planted
            first = command_line(command_in(info)).split(maxsplit=1)[0]
            return f"{info.task} ({first[:40]})"
    return info.task


def job_row(info: JobInfo) -> tuple[str, ...]:
    text = cut(note(info.masked()), 120)
    return (
        str(info.id), info.state, _task(info), info.queue, str(info.attempt), when(info.created_at),
        took(info), text,
    )  # fmt: skip


def print_job(info: JobInfo, waits: str | None, flow: int | None, parents: Sequence[int], holder: int | None = None) -> None:
    """Everything about one job; ``waits``: why it does not start; ``flow``: of which it is a part; ``parents``: whom it waited for;
    ``holder``: who has its key in its place."""
    info = info.masked()
    lines = [
        ("job", str(info.id)),
        ("task", info.task),
        ("state", info.state),
        ("schedule", "" if info.schedule is None else f"{info.schedule}, tick {_zoned(info.scheduled_for)}"),
        ("flow", "" if flow is None else str(flow)),
        ("parents", "" if not parents else ", ".join(map(str, parents[:5])) + (f" and {len(parents) - 5:,} others" if len(parents) > 5 else "")),
        ("key", (info.unique_key or "") + (f", which job {holder} has" if holder else "")),
        ("limit", info.limit_key or ""),
        ("tags", ", ".join(info.tags)),
        ("headers", info.headers or ""),
        ("queue", f"{info.queue}, priority {info.priority}, {info.pool} pool"),
        ("args", stored_json(info.args)),
        ("kwargs", stored_json(info.kwargs)),
        ("attempts", _attempts(info)),
        ("timeout", "" if info.timeout is None else duration(info.timeout)),
        ("worker", info.worker or ""),
        ("created", _zoned(info.created_at)),
        ("due", "" if waits_for_ever(info.run_at) else _zoned(info.run_at)),
        ("started", _zoned(info.started_at)),
        ("finished", _zoned(info.finished_at)),
        ("took", took(info)),
        ("used", ", ".join(used(info.max_rss_bytes, info.cpu_seconds))),
        ("expires", _zoned(info.expires_at)),
        ("cancel asked", _zoned(info.cancel_requested_at)),
        ("result", "" if info.result is None else stored_json(info.result)),
        ("last error", info.last_error or ""),
        ("waits", waits or ""),
    ]
    for label, text in lines:
        if text:
            shown = clean(text)
            put(f"{label:<12}  {colour(shown, shown) if label == 'state' else shown}\n")
    if overdue(info):
        say(f"{'note':<12}  {note(info)}")
    for attempt in info.attempts:
        say()
        who = f" on {attempt.worker}" if attempt.worker else ""
        say(", ".join([f"attempt {attempt.attempt} {attempt.outcome}{who}", _zoned(attempt.finished_at), *used(attempt.max_rss_bytes, attempt.cpu_seconds)]))
        text = attempt.traceback or f"{attempt.error_type}: {attempt.error_message}"
        for line in text.rstrip("\n").split("\n"):
            say("    " + line)


def amount(progress: JobProgress) -> str:
    """How much is done."""
    done = f"{progress.done:,.10g}"
    return f"{done} done" if progress.total is None else f"{done} of {progress.total:,.10g}"


def print_progress(progress: JobProgress | None, meta: str | None) -> None:
    """What a job shows of itself."""
    if progress is not None:
        say(f"{'progress':<12}  {amount(progress)}{f', {progress.note}' if progress.note else ''}, at {_zoned(progress.at)}")
    if meta is not None:
        say(f"{'meta':<12}  {stored_json(meta)}")


def print_steps(steps: Sequence[StepInfo], info: JobInfo) -> None:
    """What a job has done for good, or waits for."""
    if steps:
        say()
    for step in steps:
        if step.value is not None:
            what = f"= {stored_json(step.value)}" + (f", of the event {step.event}" if step.event and len(step.event) < 100 else "")
        else:
            # One that is over lies before what the job waits for now, if it does.
            is_past = step.until is not None and (step.until < info.run_at or step.until == info.run_at and info.state != "scheduled")
            is_over = info.finished_at is not None or is_past
            until = f" until {_zoned(step.until)}" if step.until else ""
            what = f"{'waited' if is_over else 'waits'}{until}"
        say(f"step {step.name}, attempt {step.attempt}, {_zoned(step.at)}: {what if len(what) <= 200 else what[:199] + '...'}")


def used(max_rss_bytes: int | None, cpu_seconds: float | None) -> list[str]:
    """What was measured."""
    words = [f"{duration(cpu_seconds)} of CPU"] if cpu_seconds is not None else []
    return [*words, f"peak {size(max_rss_bytes)}"] if max_rss_bytes else words


def _attempts(info: JobInfo) -> str:
    most = "; the task says how many may" if info.max_attempts is None else f" of at most {info.max_attempts}"
    text = f"{info.attempt} so far, {info.failures} failed{most}"
    return text + (f", {info.interruptions} interrupted" if info.interruptions else "")


def size(number: int) -> str:
    """Bytes, short."""
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.0f} KB"


def print_stats(stats: Stats, notes: Mapping[int, str], sizes: tuple[int, int]) -> None:
    """``notes``: what is odd about a worker, by its id; ``sizes``: of the file and of its log."""
    states = sorted(stats.states)
    queues = sorted({**dict.fromkeys(stats.paused, _NOTHING), **stats.queues}.items())
    # Where not all jobs were counted, those of a state together are told more exactly than by queue.
    is_whole = not any(isinstance(count, AtLeast) for count in stats.states.values())
    rows = [*queues, *[("all", stats.states)] * (not is_whole)]
    drawn = bars.bars([counts for _, counts in queues]) if sys.stdout.isatty() else []  # in a pipe the table stays what programs have learnt to read
    print_table(
        ("QUEUE", *(state.upper() for state in states), *([bars.head()] if drawn else [])),
        [
            (f"{queue} (paused)" if queue in stats.paused else queue, *(_count(counts, state, is_whole) for state in states), *([bar] if drawn else []))
            for (queue, counts), bar in zip(rows, [*drawn, *[""] * (len(rows) - len(drawn))], strict=True)
        ],
    )
    say()
    _print_workers(stats, notes)
    if stats.oldest_available is not None:
        age = (datetime.now(UTC) - stats.oldest_available).total_seconds()
        say(f"oldest available job: has waited for {duration(max(age, 0))}")
    if stats.next_due is not None:
        say(f"next due: {when(stats.next_due)}")
    say(f"file: {size(sizes[0])}, and {size(sizes[1])} in its log (-wal)")


def print_firing(alerts: Sequence[Firing]) -> None:
    """The alerts that fire, a line each."""
    if alerts:
        from ..base.alertkinds import meaning  # few files have any

        for alert in alerts:
            say(f"alert {alert.name} fires since {when(aware(alert.since))}: {meaning(alert.condition)} ({alert.shown})")


def _count(counts: Mapping[str, int], state: str, is_whole: bool) -> str:
    """Of a large file what is available and what runs is known of each queue, and else only what there is at least."""
    return str(counts.get(state, 0)) if state in counts or is_whole or state in ("available", "running") else ""


def _print_workers(stats: Stats, notes: Mapping[int, str]) -> None:
    print_table(
        ("WORKER", "PID", "NOTE", "QUEUES", "SLOTS", "SINCE", "LAST BEAT"),  # what is odd is seen in 80 columns
        [
            (
                worker.name,
                str(worker.pid),
                notes.get(worker.id, ""),
                "all" if worker.queues is None else ",".join(worker.queues),
                " ".join(f"{n} {kind}" + (f" ({worker.range_of(kind)})" if worker.range_of(kind) else "") for kind, n in worker.slots.items() if n),
                when(worker.started_at),
                when(worker.heartbeat_at),
            )
            for worker in stats.workers
        ],
    )
    for worker in stats.workers:
        for pool in filter(worker.is_stuck, worker.slots):
            say(f"worker {worker.name}: all {pool} slots are held by jobs that run on past their timeout; restart it")
        for task, why in worker.unknown_tasks.items():
            say(f"worker {worker.name} cannot run {task}: {why}")
    if not stats.workers:
        say("no worker serves this file")
