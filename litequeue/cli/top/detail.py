"""One job: how it stands and why, its attempts, what it was called with, what it printed last. Pure.

Owns the order of these. Everything is masked, as the store or the record does it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from ...base.records import JobInfo
from ...base.stored import shown
from ...store.pages.parts import Lane, Related
from ...store.pages.records import JobPage
from ...store.rules import waits_for_ever
from ...web import words
from ...web.pages.rows import attempt
from ...web.values import task_of
from . import paint
from .charts import bar
from .paint import Signs
from .table import Column, Row, table, text
from .text import Line, Piece, wrapped

ATTEMPTS: Final = 10  # the last
PRINTED: Final = 200  # lines, the last
MOST: Final = 4_000  # characters of a call
TRACEBACK: Final = 60  # lines, the last
_LABEL: Final = 11


def job(view: JobPage, now: datetime, width: int, signs: Signs) -> list[Line]:
    info = view.job.masked()
    lines = [*_head(info, view, now, width, signs), *_facts(info, view, now, width)]
    lines += _attempts(view.lanes[-ATTEMPTS:], now, width, signs)
    lines += _error(info, width)
    lines += _printed(view, width)
    lines += _others(view, now, width, signs)
    return lines


def _head(info: JobInfo, view: JobPage, now: datetime, width: int, signs: Signs) -> list[Line]:
    lines: list[Line] = [(Piece(" "), paint.state(info.state, signs), Piece(f"  {task_of(info)[:200]}", "bold"), Piece(f"  #{info.id:,}", "dim"))]
    why = view.why_waiting and f"It waits: {view.why_waiting}"
    if not why and info.last_error and info.state != "succeeded":
        why = info.last_error.partition("\n")[0]
    if why:
        lines += [(Piece(f"   {part}", "warn" if view.why_waiting else "bad"),) for part in wrapped(why, width - 4, 4, signs.more)]
    if view.progress is not None and view.progress.share is not None:
        done = f" {int(view.progress.share * 100)} %{f'  {view.progress.note}' if view.progress.note else ''}"
        lines.append((Piece("   "), *bar(view.progress.share, 1, max(min(width // 3, 40), 4), signs, "busy"), Piece(done)))
    return [*lines, ()]


def _facts(info: JobInfo, view: JobPage, now: datetime, width: int) -> list[Line]:
    due = None if waits_for_ever(info.run_at) else info.run_at
    call = " ".join(shown(part)[:MOST] for part in (info.args, info.kwargs) if part not in ("[]", "{}"))
    pairs = (
        ("queue", f"{info.queue}, priority {info.priority}, {info.pool} pool"), ("called with", call), ("attempt", attempt(info) or ""), ("enqueued", _moment(info.created_at, now)),
        ("due", _moment(due, now) if info.started_at is None else ""), ("started", _moment(info.started_at, now)), ("ended", _moment(info.finished_at, now)), ("worker", info.worker or ""),
        ("schedule", info.schedule or ""), ("tags", ", ".join(info.tags)), ("key", info.unique_key or ""), ("limit", info.limit_key or ""), ("flow", "" if view.flow is None else str(view.flow)),
        ("timeout", "" if info.timeout is None else words.age(info.timeout)), ("result", "" if info.result is None else shown(info.result)[:MOST]),
    )  # fmt: skip
    lines: list[Line] = []
    for label, said in pairs:
        for number, part in enumerate(wrapped(said, max(width - _LABEL - 4, 8), 6)):
            lines.append((Piece(f" {label if not number else '':<{_LABEL}}  ", "dim"), Piece(part)))
    return lines


def _moment(at: datetime | None, now: datetime) -> str:
    return "" if at is None else f"{words.clock(at, now)}, {words.ago(at, now)}"


def _attempts(lanes: Iterable[Lane], now: datetime, width: int, signs: Signs) -> list[Line]:
    rows: list[Row] = []
    found = list(lanes)
    longest = max((_ran(lane, now) for lane in found), default=0.0)
    for lane in found:
        ran, waited = _ran(lane, now), None
        if lane.due_at is not None and lane.started_at is not None:
            waited = max((lane.started_at - lane.due_at).total_seconds(), 0.0)
        tone = "ok" if lane.outcome == "succeeded" else "busy" if lane.outcome == "running" else "bad" if lane.outcome in ("failed", "discarded") else "warn"
        rows.append((text(str(lane.attempt)), text(lane.outcome, tone), text(None if waited is None else words.took(waited), "dim"), text(words.took(ran) if lane.started_at is not None else None),
                     bar(ran, longest, 20, signs, tone) if longest and lane.started_at is not None else (), text(lane.worker, "dim")))  # fmt: skip
    columns = (Column("attempt", right=True), Column(""), Column("waited", right=True, drop=1), Column("ran", right=True), Column("", drop=2), Column("worker", drop=3))
    return [(), *((Piece(" "), *line) for line in table(columns, rows, width - 1, signs, gutter=False))] if rows else []


def _ran(lane: Lane, now: datetime) -> float:
    return 0.0 if lane.started_at is None else max(((lane.ended_at or now) - lane.started_at).total_seconds(), 0.0)


def _error(info: JobInfo, width: int) -> list[Line]:
    if not info.attempts:
        return []
    last = info.attempts[-1]
    told = (last.traceback or f"{last.error_type}: {last.error_message}").rstrip("\n").split("\n")[-TRACEBACK:]
    return [(), (Piece(f" Error of attempt {last.attempt}", "head"),), *((Piece(f"  {line[:1000]}", "bad" if number == len(told) - 1 else ""),) for number, line in enumerate(told))]


def _printed(view: JobPage, width: int) -> list[Line]:
    pieces = [piece for piece in view.output if piece.stream != "usage"]
    if not pieces:
        return []
    told = "".join(piece.text for piece in pieces).rstrip("\n").split("\n")[-PRINTED:]
    return [(), (Piece(f" Printed and logged by attempt {view.output_attempt}", "head"),), *((Piece(f"  {line.expandtabs()[:1000]}"),) for line in told)]


def _others(view: JobPage, now: datetime, width: int, signs: Signs) -> list[Line]:
    lines: list[Line] = []
    for title, found in (("Waited for", view.parents), ("Wait for it", view.dependants), ("The last of this task", view.same_task)):
        if found:
            lines += [(), (Piece(f" {title}", "head"),), *(_other(other, now, signs) for other in found)]
    return lines


def _other(other: Related, now: datetime, signs: Signs) -> Line:
    when = "" if other.at is None else f"  {words.ago(other.at, now)}"
    return Piece("  "), paint.state(other.state, signs), Piece(f"  {other.task[:120]}  #{other.id:,}"), Piece(when, "dim")
