"""The queues, and one of them: what waits in it, how fast it goes, and whether it is paused.

Owns both pages.
"""

from __future__ import annotations

from ...store.pages.parts import QueueRow
from ...store.pages.records import Frame, QueuePage, QueuesPage
from .. import icons, words
from ..addresses import named, to
from ..charts import series
from ..frame import crumbs, page, ranges
from ..html import Child, Markup, el, join, value
from ..messages import Request, Response
from ..values import (
    button,
    command,
    empty,
    facts,
    form,
    head,
    hidden,
    link,
    moment,
    panel,
    search_link,
    strip,
    table,
    tag,
)
from . import rows


def queues(view: QueuesPage, frame: Frame, request: Request) -> Response:
    return page(request, frame, "Queues", panel("All queues", rows.queues(view.rows, request, frame), live="queues"), at="queues")


def queue(view: QueuePage, frame: Frame, request: Request) -> Response:
    row, now, over = view.row, frame.now, series.RANGES[view.series.range]
    title = el("div", el("h1", value(row.name)), tag("paused", "warn") if row.paused_at is not None else None, class_="title")
    way = crumbs(("Queues", to(request, "queues")), (row.name, to(request, "queues", row.name)))
    ended = panel(f"Ended {series.PER[view.series.range]}", series.charts(view.series, now), series.table(view.series, now), right=series.keys(), live="chart")
    query = f"{named('queue', row.name)} state:available"
    next_up = panel(
        "Next to run", rows.jobs(view.next_up, request, now, "Due", order="ascending") if view.next_up else empty("Nothing waits here."),
        right=search_link(request, "all that wait", query, class_="link small"), live="next",
    )  # fmt: skip
    failures = panel("Failures", rows.failures(view.failures, request, now, over), live="failures")
    left = el("div", ended, next_up, failures, class_="stack")
    right = el("div", _facts(view, frame, request), _tasks(view, request), _move(row, frame, request), class_="stack")
    main = (el("div", title, class_="jobhead"), _paused(row, frame, request), el("div", left, right, class_="cols"))
    actions = (_switch(row, request), ranges(request, view.series.range))
    return page(request, frame, f"queue {row.name}", *main, top=way, at="queues", right=actions)


def _switch(row: QueueRow, request: Request) -> Markup | None:
    if not request.may_act:
        return None
    verb, icon = ("resume", "play") if row.paused_at is not None else ("pause", "pause")
    return form(request, to(request, "queues", row.name, verb), button(verb.capitalize(), icon, ask=f"{verb.capitalize()} queue {row.name}?"))


def _move(row: QueueRow, frame: Frame, request: Request) -> Markup:
    """What waits here is counted first, on a page of its own."""
    query = named("queue", row.name)
    if not request.may_act:
        return panel("Move what waits", strip(command(frame, "move", "--to", "QUEUE", query), "move what waits"))
    field = el("div", el("input", name="to", maxlength=200, required=True, autocomplete="off", aria_label="Move what waits to this queue"), class_="filter")
    inside = (hidden("all", "move"), hidden("q", query), field, button("Move ...", "retrying"))
    return panel("Move what waits to another queue", form(request, to(request, "jobs", "act"), *inside))


def _paused(row: QueueRow, frame: Frame, request: Request) -> Markup:
    """What a paused queue means for what is in it."""
    if row.paused_at is None:
        return el("div", data_live="paused")
    text = (el("b", "Paused since ", moment(row.paused_at, frame.now, form="minute"), "."), el("p", f"{rows.counted(row.waiting, 'job')} wait{'s' if row.waiting == (1, False) else ''} here until it is resumed."))
    return el("section", icons.icon("pause"), el("div", text), class_="callout warn", aria_label="Paused", data_live="paused")


def _facts(view: QueuePage, frame: Frame, request: Request) -> Markup:
    row, now = view.row, frame.now
    served = [part for number, (id_, name) in enumerate(view.served_by) for part in (", " if number else "", link(value(name), to(request, "workers", id_)))]
    oldest: Child = None
    if row.oldest is not None:
        oldest = el("span", f"due for {words.age(words.since(row.oldest, now))}", class_="up" if words.since(row.oldest, now) > 60 else None)
    body = facts(
        ("Waiting", words.count(row.waiting)),
        ("Oldest", oldest),
        ("Running", words.number(row.running)),
        ("Due later", words.count(row.delayed)),
        ("Rate", None if row.rate is None else f"{words.rate(row.rate)} a minute"),
        ("Failed", None if row.failed_share is None else f"{words.percent(row.failed_share)} of the attempts"),
        ("Served by", join(*served) if served else el("span", "no worker", class_="up")),
    )
    verb = "pause" if row.paused_at is None else "resume"
    return panel("Facts", body, strip(command(frame, verb, row.name), f"{verb} it"), live="facts")


def _tasks(view: QueuePage, request: Request) -> Markup | None:
    if not view.tasks:
        return None
    lines = (
        el(
            "tr",
            el("th", search_link(request, value(task), f"{named('queue', view.row.name)} {named('task', task)} state:available", class_="name"), scope="row", class_="grow"),
            el("td", words.count(count), class_="num"),
        )
        for task, count in view.tasks
    )
    return panel("What waits", table(head(("Task", "grow"), ("Jobs", "num")), lines), live="tasks")
