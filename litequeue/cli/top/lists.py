"""The lists: jobs, queues, workers, schedules, each a table of which a part is seen, with the chosen row in it. Pure.

Owns their columns, and what is said in the place of an empty one.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ...base.records import JobInfo, TickInfo
from ...base.search import Span
from ...base.states import STATES
from ...store.pages.parts import QueueRow, ScheduleRow, WorkerRow
from ...store.pages.records import JobsPage, QueuesPage, SchedulesPage, WorkersPage
from ...web import words
from ...web.charts.small import kind
from ...web.pages.rows import arguments, attempt, time_of, took
from ...web.values import task_of
from . import paint
from .charts import bar, spark
from .paint import Signs
from .state import Chosen, State, chosen
from .table import Column, Row, table, text
from .text import Line, Piece, line_width, wrapped

LINE: Final = 400  # characters of an error or of arguments that are looked at
LATE: Final = 60.0  # seconds that a job is due, from which on that stands out
_WHEN: Final = {"id": "time", "started": "started", "due": "due", "ended": "ended"}
_TICKS: Final = {"ok": "ok", "late": "warn", "bad": "bad", "run": "busy", "wait": "accent", "miss": "bad", "skip": "dim"}
_NARROW: Final = 14  # columns of a bar in a table


class Listed(NamedTuple):
    """Lines; ``is_fixed``: cut to the height already, around the chosen row."""

    lines: list[Line]
    is_fixed: bool = False


def _window(place: int, count: int, room: int) -> int:
    """The first row that is seen, of so many, with the chosen one about in the middle."""
    return max(min(place - room // 2, count - room), 0)


def _list(above: list[Line], columns: Sequence[Column], rows: Sequence[Row], row: Chosen | None, width: int, height: int | None, signs: Signs, marked: Sequence[int] = ()) -> Listed:
    """All rows have a say in how wide the columns are, so that these stay where they are while one moves."""
    if height is None:
        return Listed([*above, *table(columns, rows, width, signs, marked=marked)])
    room = max(height - len(above) - 1, 0)
    first = 0 if row is None else _window(row.place, len(rows), room)
    seen = range(first, min(first + room, len(rows)))
    return Listed([*above, *table(columns, rows, width, signs, chosen=None if row is None else row.place, marked=marked, seen=seen)], is_fixed=True)


def _empty(said: str, width: int, command: str = "") -> Listed:
    """What to do next."""
    lines: list[Line] = [(Piece(f" {part}"),) for part in wrapped(said, max(width - 2, 8), 4)]
    return Listed([*lines, *([(Piece(f"   {command}", "dim"),)] if command else [])])


def times(at: datetime | None, now: datetime) -> str:
    return "" if at is None else words.ago(at, now)



# -- jobs ------------------------------------------------------------------------------------------------


def jobs(state: State, page: JobsPage, now: datetime, width: int, height: int | None, signs: Signs) -> Listed:
    above = _tabs(state, page, width, signs)
    if state.query or state.typed is not None or page.looked_down_to is not None or state.before:
        above.append(_found(state, page))
    if height is None or height > 12:
        above.append(())
    if not page.rows:
        said = "None of these so far." if page.looked_down_to is not None else "No job matches." if state.query else "No job has been enqueued yet. Try it:"
        return Listed([*above, *_empty(said, width, "" if state.query else "litequeue demo").lines])
    rows = [_job(each.masked(), now, signs) for each in page.rows]
    marked = [place for place, each in enumerate(page.rows) if each.id in state.marked]
    columns = (
        Column("id", right=True), Column("state"), Column("task", grows=True, least=14), Column("queue", drop=4), Column("try", right=True, drop=5),
        Column("took", right=True, drop=3), Column(_WHEN[page.order], right=True, drop=2), Column("error or arguments", grows=True, least=10, drop=1),
    )  # fmt: skip
    return _list(above, columns, rows, chosen(state, page), width, height, signs, marked)


def _job(job: JobInfo, now: datetime, signs: Signs) -> Row:
    """``job``: masked."""
    return (
        text(str(job.id)), (paint.state(job.state, signs),), text(task_of(job)[:200]), text(job.queue[:60], "dim"), text(attempt(job), "dim"), text(took(job, now), "dim"),
        text(times(time_of(job), now), "dim"), note(job),
    )  # fmt: skip


def note(job: JobInfo) -> Line:
    """What went wrong, or what it was called with."""
    if job.last_error and job.state != "succeeded":
        return text(job.last_error.partition("\n")[0][:LINE], "bad" if paint.is_final(job.state) else "warn")
    if job.state == "running" and job.cancel_requested_at is not None:
        return text("being cancelled", "warn")
    return text(arguments(job)[:LINE], "dim")


def _tabs(state: State, page: JobsPage, width: int, signs: Signs) -> list[Line]:
    """The states of which there are jobs, with how many; those that are searched for in their place stand out."""
    counts = dict(page.tabs)
    said = {str(value.text) for term in page.query.terms if term.key == "state" and not term.is_not for value in term.values if not isinstance(value, Span)}
    found: list[Piece] = [Piece(" ")]
    for name in STATES:
        count = counts.get(name)
        if count is None or not count.number and name not in said:
            continue
        its = paint.state(name, signs)
        more = (Piece(its.text, f"{its.style} bold" if name in said else its.style), Piece(f" {words.count(count)}   ", "bold"))
        if line_width((*found, *more)) > width and len(found) > 1:
            break
        found += more
    return [tuple(found)]


def _found(state: State, page: JobsPage) -> Line:
    count = len(page.rows)
    left = (Piece(" /", "key"), Piece(state.query), Piece("  ")) if state.query else (Piece(" "),)
    if page.looked_down_to is not None:
        first = f" {page.looked_from:,}" if page.looked_from is not None else ""
        said = f"looked at jobs{first} to {page.looked_down_to:,}: {count} found; n looks further"
    elif page.matching is not None and page.matching.number > count:
        said = f"{count} of {words.count(page.matching)}{'; n for older ones' if page.next else ''}"
    else:
        said = f"{words.jobs(count)}{'; n for older ones' if page.next else ''}"
    place = f"page {len(state.before) + 1}, " if state.before else ""
    return (*left, Piece(f"{place}{said}", "dim"))


# -- queues ----------------------------------------------------------------------------------------------


def queues(state: State, page: QueuesPage, now: datetime, width: int, height: int | None, signs: Signs) -> Listed:
    if not page.rows:
        return _empty("No job has been enqueued yet. Try it:", width, "litequeue demo")
    columns, rows = _queues(page.rows, now, signs)
    return _list([], columns, rows, chosen(state, page), width, height, signs)


def queue_table(found: Sequence[QueueRow], now: datetime, width: int, signs: Signs) -> list[Line]:
    columns, rows = _queues(found, now, signs)
    return table((columns[0]._replace(head="Queues"), *columns[1:]), rows, width, signs, gutter=False)


def _queues(found: Sequence[QueueRow], now: datetime, signs: Signs) -> tuple[Sequence[Column], list[Row]]:
    columns = (
        Column("queue", grows=True, least=12), Column(""), Column("waiting", right=True), Column("", drop=3), Column("oldest", right=True, drop=1), Column("running", right=True), Column("delayed", right=True, drop=5),
        Column("a minute", right=True, drop=2), Column("failed", right=True, drop=4), Column("the last hour", drop=6),
    )  # fmt: skip
    most = max((row.waiting.number + row.running for row in found), default=0)
    return columns, [_queue(row, most, now, signs) for row in found]


def _queue(row: QueueRow, most: int, now: datetime, signs: Signs) -> Row:
    due = 0.0 if row.oldest is None else words.since(row.oldest, now)
    return (
        text(row.name[:80]), text("paused" if row.paused_at is not None else None, "warn bold"), text(words.count(row.waiting)), load(row.waiting.number, row.running, most, signs), text(None if row.oldest is None else words.age(due), "bad" if due > LATE else "dim"),
        text(words.number(row.running) if row.running else None, "busy"), text(words.count(row.delayed) if row.delayed.number else None, "dim"),
        text(None if row.rate is None else words.rate(row.rate)), text(None if row.failed_share is None else words.percent(row.failed_share), "bad" if row.failed_share else "dim"),
        spark(row.ended, 20, signs, "ok") if any(row.ended) else (),
    )  # fmt: skip


def load(waiting: int, running: int, most: int, signs: Signs, room: int = _NARROW) -> Line:
    """A queue's running and waiting jobs beside those of the fullest."""
    if most <= 0 or not waiting + running:
        return ()
    whole = max(round((waiting + running) / most * room), 1)
    ran = min(max(round(running / most * room), 1 if running else 0), whole - (1 if waiting and whole > 1 else 0))
    return Piece(signs.full * ran, "busy"), Piece(signs.full * (whole - ran), "accent")


# -- workers ---------------------------------------------------------------------------------------------


def workers(state: State, page: WorkersPage, now: datetime, width: int, height: int | None, signs: Signs) -> Listed:
    found = (*page.live, *page.stopped)
    if not found:
        return _empty("No worker serves this file. Start one:", width, "litequeue worker DB")
    columns, rows = _workers(found, now, signs)
    return _list([], columns, rows, chosen(state, page), width, height, signs)


def worker_table(found: Sequence[WorkerRow], now: datetime, width: int, signs: Signs) -> list[Line]:
    columns, rows = _workers(found, now, signs)
    return table((columns[0]._replace(head="Workers"), *columns[1:]), rows, width, signs, gutter=False)


def _workers(found: Sequence[WorkerRow], now: datetime, signs: Signs) -> tuple[Sequence[Column], list[Row]]:
    columns = (
        Column("worker", grows=True, least=14), Column("slots"), Column("busy", right=True), Column("a minute", right=True, drop=3), Column("memory", right=True, drop=4),
        Column("how it is", grows=True, least=10, drop=1), Column("queues", drop=5, grows=True), Column("runs", grows=True, least=12, drop=2),
    )  # fmt: skip
    return columns, [_worker(row, now, signs) for row in found]


def _worker(row: WorkerRow, now: datetime, signs: Signs) -> Row:
    part, whole = sum(row.busy.values()), sum(row.info.slots.values())
    has_stopped = row.info.stopped_at is not None
    notes = [row.note] if row.note else []
    notes += [f"all {pool} slots are stuck" for pool in row.info.slots if row.info.is_stuck(pool)]
    up = f"stopped {times(row.info.stopped_at, now)}" if has_stopped else f"up {words.age(words.since(row.info.started_at, now))}"
    ranges = " ".join(filter(None, map(row.info.range_of, row.info.slots)))  # within which its slots move
    runs = ", ".join(f"{other.task[:60]} #{other.id}" for other in row.runs)
    return (
        text(row.info.name[:80], "dim" if has_stopped else ""), () if has_stopped else bar(part, whole, 10, signs, "busy"), text(None if has_stopped else f"{part}/{whole}{f' ({ranges})' if ranges else ''}"),
        text(None if row.rate is None else words.rate(row.rate)), text(None if row.memory_bytes is None else words.size(row.memory_bytes), "dim"),
        text(", ".join(notes), "warn bold") if notes else text(up, "dim"), text("all" if row.info.queues is None else ",".join(row.info.queues)[:80], "dim"), text(runs, "dim"),
    )  # fmt: skip


# -- schedules -------------------------------------------------------------------------------------------


def schedules(state: State, page: SchedulesPage, now: datetime, width: int, height: int | None, signs: Signs) -> Listed:
    if not page.rows:
        return _empty("Nothing is scheduled. Such as:", width, f"litequeue schedule add DB nightly --cron {shlex.quote('30 2 * * *')} -- pg_dump mydb")
    columns, rows = _schedules(page.rows, now, signs)
    return _list([], columns, rows, chosen(state, page), width, height, signs)


def schedule_table(found: Sequence[ScheduleRow], now: datetime, width: int, signs: Signs) -> list[Line]:
    columns, rows = _schedules(found, now, signs)
    return table((columns[0]._replace(head="Schedules"), *columns[1:]), rows, width, signs, gutter=False)


def _schedules(found: Sequence[ScheduleRow], now: datetime, signs: Signs) -> tuple[Sequence[Column], list[Row]]:
    columns = (
        Column("schedule", grows=True, least=14), Column("next", right=True), Column("ticks", drop=2), Column("when", grows=True, least=12, drop=3), Column("last", right=True, drop=4),
        Column("what became of it", grows=True, least=10, drop=5),
    )  # fmt: skip
    return columns, [_schedule(row, now, signs) for row in found]


def _schedule(row: ScheduleRow, now: datetime, signs: Signs) -> Row:
    info = row.info
    coming = text(times(info.next_tick, now)) if info.state == "active" else text(info.state, "bad bold" if info.state == "disabled" else "warn bold" if info.state == "paused" else "dim")
    when = info.trigger if row.zone is None else f"{info.trigger.removesuffix(f' ({row.zone})')}, {row.zone.rpartition('/')[2].replace('_', ' ')}"
    if info.state == "disabled" and info.why:
        what = text(info.why[:LINE], "bad")
    elif info.last_job_state in STATES and info.last_job is not None:
        its = paint.state(info.last_job_state, signs)
        what = (its, Piece(f" #{info.last_job}", "dim"))
    else:
        what = text(f"{info.last_outcome or ''}{f': {info.last_reason}' if info.last_reason else ''}"[:LINE], "dim")
    return text(info.name[:120]), coming, ticks(row.ticks, signs), text(when[:120], "dim"), text(times(info.last_tick, now), "dim"), what


def ticks(found: Sequence[TickInfo], signs: Signs) -> Line:
    """One sign a tick, the oldest first: high where it went well, low where it was late or failed, hollow where nobody fired."""
    shapes = {"ok": signs.blocks[7], "late": signs.blocks[4], "bad": signs.states["discarded"], "run": signs.states["running"], "wait": signs.states["available"], "miss": signs.states["cancelled"], "skip": signs.blocks[1]}
    return tuple(Piece(shapes[each], _TICKS[each]) for each in map(kind, found))
