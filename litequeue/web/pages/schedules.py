"""The schedules, and one of them: its time in words, its ticks as bars, when it comes next.

Owns both pages. The next time is the stored one: to look at a schedule computes none.
"""

from __future__ import annotations

import zoneinfo
from datetime import datetime

from ...base.records import ScheduleInfo, TickInfo
from ...store.pages.parts import ScheduleRow
from ...store.pages.records import Frame, SchedulePage, SchedulesPage
from .. import icons, words
from ..addresses import named, to
from ..charts import small, spread
from ..frame import crumbs, page
from ..html import Child, Markup, el, join, value
from ..messages import Request, Response
from ..values import (
    button,
    command,
    empty,
    facts,
    form,
    head,
    job_link,
    link,
    moment,
    panel,
    search_link,
    state,
    strip,
    table,
)
from . import rows

_KEYS = (("ok", "well"), ("retry", "late"), ("bad", "failed or missed"))
_OUTCOMES = {"fired": "succeeded", "late": "retrying", "manual": "succeeded", "skipped": "cancelled", "missed": "discarded"}  # whose shape each has


def schedules(view: SchedulesPage, frame: Frame, request: Request) -> Response:
    body = rows.schedules(view.rows, request, frame)
    columns = (("Schedule", "grow"), "Ticks", ("Task", "opt"), ("Last", "num opt"), ("Next", "num"))
    if view.rows:
        body = table(head(*columns), (_row(row, frame, request) for row in view.rows))
    return page(request, frame, "Schedules", panel("All schedules", body, right=small.legend(*_KEYS), live="schedules"), at="schedules")


def _row(row: ScheduleRow, frame: Frame, request: Request) -> Markup:
    info = row.info
    name = el("a", value(info.name), href=to(request, "schedules", info.name), class_="name")
    return el(
        "tr",
        el("th", el("span", name, class_="clip"), el("span", rows.trigger(row), class_="sub"), scope="row", class_="grow"),
        el("td", small.ticks(row.ticks, frame.now)),
        el("td", link(value(info.task, 40), to(request, "tasks", info.task)), class_="opt"),
        el("td", moment(info.last_tick, frame.now), class_="num muted opt"),
        el("td", rows.next_tick(row, frame.now), class_="num"),
        class_="two",
    )  # fmt: skip


def schedule(view: SchedulePage, frame: Frame, request: Request) -> Response:
    row, info, now = view.row, view.row.info.masked(), frame.now
    way = crumbs(("Schedules", to(request, "schedules")), (info.name, to(request, "schedules", info.name)))
    ticks = panel("Ticks", empty("None has come yet."), live="ticks")
    if row.ticks:
        bars = el("div", small.ticks(row.ticks, now, is_tall=True), class_="body")
        note = f"the last {len(row.ticks)}" if len(row.ticks) > 1 else "the only one"
        ticks = panel("Ticks", bars, _ticks(row, frame, request), note=note, right=small.legend(*_KEYS), live="ticks")
    found = view.run_times
    times = None
    if found is not None and found.total:
        times = panel("How long it runs", spread.histogram(found, None, "Run times"), note=f"{words.attempts(found.total)} in {words.age(found.seconds)}", live="times")
    left = el("div", ticks, times, class_="stack")
    right = el("div", _next(view, frame), _facts(info, row, frame, request), class_="stack")
    title = el("div", el("h1", value(info.name)), el("span", rows.trigger(row), class_="muted"), class_="title")
    main = (el("div", title, class_="jobhead"), _disabled(info), el("div", left, right, class_="cols"))
    return page(request, frame, f"schedule {info.name}", *main, top=way, at="schedules", right=_actions(info, request))


def _actions(info: ScheduleInfo, request: Request) -> Markup | None:
    if not request.may_act:
        return None
    verb, icon = ("resume", "play") if info.state in ("paused", "disabled") else ("pause", "pause")
    target = ("schedules", info.name)
    pause = form(request, to(request, *target, verb), button(verb.capitalize(), icon, ask=f"{verb.capitalize()} schedule {info.name}?"))
    return join(pause, form(request, to(request, *target, "run"), button("Run now", "play", tone="primary", key="r", ask=f"Run {info.name} now?")))


def _disabled(info: ScheduleInfo) -> Markup:
    if info.state not in ("disabled", "paused"):
        return el("div", data_live="state")
    why = None if info.why is None else el("p", value(info.why, 400))
    tone = "warn" if info.state == "paused" else "bad"
    said = el("b", "It is paused: no tick comes." if info.state == "paused" else "It is disabled: no tick comes until it is mended and resumed.")
    return el("section", icons.icon("pause" if info.state == "paused" else "failures"), el("div", said, why), class_=f"callout {tone}", aria_label="How it stands", data_live="state")


def _ticks(row: ScheduleRow, frame: Frame, request: Request) -> Markup:
    lines = (_tick(tick, row.zone, frame, request) for tick in reversed(row.ticks))
    columns = (("Due", "grow"), "Outcome", "Job", ("Took", "num opt"))
    return el("div", table(head(*columns), lines, class_="cards"), class_="scroll")


def _tick(tick: TickInfo, zone: str | None, frame: Frame, request: Request) -> Markup:
    job: Child = None
    if tick.job_id is not None:
        job = (job_link(request, tick.job_id), " ", state(tick.job_state) if tick.job_state else None)
    took = None if tick.started_at is None or tick.finished_at is None else words.took(max((tick.finished_at - tick.started_at).total_seconds(), 0))
    why = tick.reason or tick.error
    through = None if tick.through is None else (" to ", zoned(tick.through, zone, frame.now))
    return el(
        "tr",
        el("th", el("span", zoned(tick.at, zone, frame.now), through, class_="clip"), el("span", value(why, 200), class_="sub wrap") if why else None, scope="row", class_="grow"),
        el("td", el("span", icons.icon(_OUTCOMES.get(tick.outcome, "available")), value(tick.outcome), class_=f"st {_OUTCOMES.get(tick.outcome, 'available')}")),
        el("td", job),
        el("td", took, class_="num muted opt"),
        class_="two" if why else None,
    )


def zoned(at: datetime, zone: str | None, now: datetime) -> Markup:
    """In the schedule's own zone, which is what its trigger speaks of; the viewer's is in the title."""
    if zone is None:
        return moment(at, now, form="minute")
    try:
        there = at.astimezone(zoneinfo.ZoneInfo(zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return moment(at, now, form="minute")
    return el("time", f"{words.date(there, now)} {there:%H:%M}", datetime=at.isoformat(), title=words.whole(at))


def _next(view: SchedulePage, frame: Frame) -> Markup:
    zone, now = view.row.zone, frame.now
    if not view.next_ticks:
        return panel("Next", empty("None."), live="next")
    lines = (
        el("tr", el("th", zoned(at, zone, now), scope="row", class_="grow"), el("td", moment(at, now, form="left"), class_="num muted"))
        for at in view.next_ticks
    )
    return panel("Next", table(None, lines), note=None if zone is None else ("in the time of ", value(zone)), live="next")


def _facts(info: ScheduleInfo, row: ScheduleRow, frame: Frame, request: Request) -> Markup:
    call = rows.arguments(info)
    body = facts(
        ("Task", link(value(info.task), to(request, "tasks", info.task))),
        ("Arguments", el("span", value(call, 400), class_="mono") if call else None),
        ("Queue", (link(value(info.queue), to(request, "queues", info.queue)), f", priority {info.priority}")),
        ("Zone", None if row.zone is None else value(row.zone)),
        ("Ticks", words.number(info.ticks)),
        ("If missed", value(info.catch_up)),
        ("If it still runs", value(info.overlap)),
        ("Grace", words.age(info.grace) if info.grace else None),
        ("Jitter", f"up to {words.age(info.jitter)}" if info.jitter else None),
        ("Retries", None if info.retries is None else words.number(info.retries)),
        ("Timeout", None if info.timeout is None else words.age(info.timeout)),
        ("Told", None if not info.mail_to else value(info.mail_to)),
        ("On failure", None if not info.on_failure else value(info.on_failure)),
        ("Declared in", None if not info.declared_in else el("span", value(info.declared_in), class_="mono")),
        ("Jobs", search_link(request, "all of them", named("schedule", info.name))),
    )
    verb = "resume" if info.state in ("paused", "disabled") else "pause"
    strips = [strip(command(frame, f"schedule {word}", info.name), said) for word, said in (("run", "run it now"), (verb, f"{verb} it"))]
    return panel("Facts", body, strips, live="facts")
