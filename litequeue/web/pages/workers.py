"""The workers, and one of them: its slots, what it runs, how it is.

Owns both pages.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...store.pages.parts import WorkerRow
from ...store.pages.records import Frame, WorkerPage, WorkersPage
from .. import icons, words
from ..addresses import named, to
from ..charts import small
from ..frame import crumbs, page
from ..html import Child, Markup, el, value
from ..messages import Request, Response
from ..values import empty, facts, head, job_link, moment, panel, search_link, table
from . import rows


def workers(view: WorkersPage, frame: Frame, request: Request) -> Response:
    live = panel("Live", _table(view.live, frame, request) if view.live else rows.workers((), request, frame), live="live")
    stopped = panel("Stopped in the last day", _stopped(view.stopped, frame, request), live="stopped") if view.stopped else None
    return page(request, frame, "Workers", live, stopped, at="workers")


def _table(found: Sequence[WorkerRow], frame: Frame, request: Request) -> Markup:
    columns = (("Worker", "grow"), "Busy slots", ("Runs", "far"), ("Memory", "num opt"), ("Last beat", "num opt"), ("Rate", "num"))
    return table(head(*columns), (_row(row, frame, request) for row in found))


def _row(row: WorkerRow, frame: Frame, request: Request) -> Markup:
    info = row.info
    runs = [part for number, other in enumerate(row.runs) for part in (", " if number else "", job_link(request, other.id))]
    return el(
        "tr",
        el("th", el("span", rows.worker_name(row, request), class_="clip"), el("span", rows.worker_note(row, frame.now), class_="sub"), scope="row", class_="grow"),
        el("td", rows.busy(row)),
        el("td", runs, class_="far"),
        el("td", None if row.memory_bytes is None else words.size(row.memory_bytes), class_="num opt"),
        el("td", moment(info.heartbeat_at, frame.now), class_="num muted opt"),
        el("td", rows.rate(row.rate), class_="num"),
        class_="two",
    )  # fmt: skip


def _stopped(found: Sequence[WorkerRow], frame: Frame, request: Request) -> Markup:
    """Those that are no more: how long each was there, and when it left."""
    lines = (
        el(
            "tr",
            el("th", el("span", rows.worker_name(row, request), class_="clip"), scope="row", class_="grow"),
            el("td", moment(row.info.started_at, frame.now, form="clock"), class_="num muted opt"),
            el("td", words.age(words.since(row.info.started_at, row.info.stopped_at or frame.now)), class_="num"),
            el("td", moment(row.info.stopped_at, frame.now), class_="num muted"),
        )
        for row in found
    )
    return table(head(("Worker", "grow"), ("Started", "num opt"), ("Was up", "num"), ("Stopped", "num")), lines)


def worker(view: WorkerPage, frame: Frame, request: Request) -> Response:
    row, info, now = view.row, view.row.info, frame.now
    way = crumbs(("Workers", to(request, "workers")), (info.name, to(request, "workers", info.id)))
    title = el("div", el("h1", value(info.name)), el("span", f"process {info.pid} on ", value(info.host), class_="muted"), class_="title")
    running = panel("Runs now", rows.jobs(view.running, request, now, "Started", order="ascending") if view.running else empty("Nothing."), live="running")
    every = search_link(request, "all of them", named("worker", info.name), class_="link small")
    last = panel("Ended last", rows.jobs(view.last, request, now, "Ended", order="descending") if view.last else empty("Nothing yet."), right=every)
    left = el("div", running, last, class_="stack")
    right = el("div", _slots(row), _facts(row, frame), _unknown(row, request), class_="stack")
    main = (el("div", title, class_="jobhead"), _note(row), el("div", left, right, class_="cols"))
    return page(request, frame, f"worker {info.name}", *main, top=way, at="workers")


def _note(row: WorkerRow) -> Markup:
    """What is odd about it."""
    stuck = [pool for pool in row.info.slots if row.info.is_stuck(pool)]
    notes = [row.note] if row.note else []
    notes += [f"all {pool} slots are held by jobs that run on past their timeout: restart it" for pool in stuck]
    if not notes:
        return el("div", data_live="note")
    return el("section", icons.icon("failures"), el("div", (el("p", value(note)) for note in notes)), class_="callout warn", aria_label="How it is", data_live="note")


def _slots(row: WorkerRow) -> Markup:
    lines = (
        el(
            "tr",
            el("th", value(pool), scope="row"),
            el("td", small.meter(row.busy.get(pool, 0), count, f"{row.busy.get(pool, 0)} of {count} {pool} slots busy", "wide"), class_="grow"),
            el("td", f"{row.busy.get(pool, 0)} of {count}", el("span", f" ({row.info.range_of(pool)})", class_="muted") if row.info.range_of(pool) else None, el("span", f", {row.info.stuck[pool]} stuck", class_="up") if row.info.stuck.get(pool) else None, class_="num"),
        )
        for pool, count in row.info.slots.items()
        if count
    )
    return panel("Slots", table(None, lines), live="slots")


def _facts(row: WorkerRow, frame: Frame) -> Markup:
    info, now = row.info, frame.now
    queues: Child = "all" if info.queues is None else value(", ".join(info.queues))
    body = facts(
        ("Queues", queues),
        ("Up since" if info.stopped_at is None else "Was up from", (moment(info.started_at, now, form="clock"), " · ", words.age(words.since(info.started_at, info.stopped_at or now)))),
        ("Last beat", moment(info.heartbeat_at, now)),
        ("Stopped", moment(info.stopped_at, now)),
        ("Rate", rows.rate(row.rate)),
        ("Memory", None if row.memory_bytes is None else words.size(row.memory_bytes)),
    )
    return panel("Facts", body, live="facts")


def _unknown(row: WorkerRow, request: Request) -> Markup | None:
    if not row.info.unknown_tasks:
        return None
    lines = (
        el("tr", el("th", el("span", el("a", value(task), href=to(request, "tasks", task), class_="name"), class_="clip"), el("span", value(why, 200), class_="sub"), scope="row", class_="grow"), class_="two")
        for task, why in row.info.unknown_tasks.items()
    )
    return panel("Cannot run", table(None, lines), live="unknown")


