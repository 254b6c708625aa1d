"""The tasks, and one of them: how often it runs, how long it takes, how often it fails, where its code is and who lacks it.

Owns both pages.
"""

from __future__ import annotations

from ...base.checks import counted
from ...store.pages.parts import Histogram, Spread, TaskRow
from ...store.pages.records import Frame, TaskPage, TasksPage
from .. import words
from ..addresses import named, to
from ..charts import series, small, spread
from ..frame import crumbs, page, ranges
from ..html import Child, Markup, el, join, value
from ..messages import Request, Response
from ..values import (
    DEMO,
    command,
    empty,
    facts,
    head,
    link,
    moment,
    panel,
    search_link,
    strip,
    table,
    tag,
)
from . import rows


def tasks(view: TasksPage, frame: Frame, request: Request) -> Response:
    columns = (("Task", "grow"), ("Wait", "num opt"), ("Run", "num opt"), ("95 %", "num opt"), ("Ended a minute", "opt"), ("Now", "num"), ("Failed", "num"))
    body = table(head(*columns), (_row(row, request) for row in view.rows)) if view.rows else empty("No producer has recorded a task yet. Try it:", DEMO)
    return page(request, frame, "Tasks", panel("All tasks", body, note="in the last hour; wait and run are medians", live="tasks"), at="tasks")


def _row(row: TaskRow, request: Request) -> Markup:
    name = el("span", el("a", value(row.name), href=to(request, "tasks", row.name), class_="name"), class_="clip")
    share, wait, run = row.totals.failed_share, row.totals.wait, row.totals.run
    return el(
        "tr",
        el("th", name, el("span", _where(row), class_="sub"), scope="row", class_="grow"),
        (el("td", None if seconds is None else words.took(seconds), class_="num opt") for seconds in (wait and wait.median, run and run.median, run and run.p95)),
        el("td", small.mini(row.ended, "ok"), class_="opt"),
        el("td", None if row.rate is None else words.rate(row.rate), class_="num"),
        el("td", None if share is None else words.percent(share), class_="num"),
        class_="two",
    )


def _where(row: TaskRow) -> Markup:
    if row.lacking:
        return tag(f"{counted(row.lacking, 'worker')} cannot run it", "warn")
    return value(row.module) if row.module else join(el("span", "no producer has recorded where its code is", class_="faint"))


def task(view: TaskPage, frame: Frame, request: Request) -> Response:
    row, now, over = view.row, frame.now, series.RANGES[view.series.range]
    way = crumbs(("Tasks", to(request, "tasks")), (row.name, to(request, "tasks", row.name)))
    ended = panel(f"Ended {series.PER[view.series.range]}", series.charts(view.series, now), series.table(view.series, now), right=series.keys(), live="chart")
    every = search_link(request, "all of them", named("task", row.name), class_="link small")
    last = panel("Last jobs", rows.jobs(view.last, request, now) if view.last else empty("None yet."), right=every)
    failures = panel("Failures", rows.failures(view.failures, request, now, over), live="failures")
    times = (_histogram("Run times", "How long it runs", view.run_times, "run"), _histogram("Wait times", "How long it waits", view.wait_times, "wait"))
    left = el("div", ended, failures, last, class_="stack")
    right = el("div", _lacking(view, request), _facts(view, frame, request), times, class_="stack")
    main = (el("div", el("div", el("h1", value(row.name)), class_="title"), class_="jobhead"), el("div", left, right, class_="cols"))
    return page(request, frame, f"task {row.name}", *main, top=way, at="tasks", right=ranges(request, view.series.range))


def _histogram(what: str, title: str, found: Histogram, live: str) -> Markup | None:
    return panel(title, spread.histogram(found, None, what), note=f"{words.attempts(found.total)} in {words.age(found.seconds)}", live=live) if found.total else None


def _lacking(view: TaskPage, request: Request) -> Markup | None:
    if not view.lacking:
        return None
    lines = (
        el("tr", el("th", el("span", link(value(name), to(request, "workers", id_), class_="name"), class_="clip"), el("span", value(why, 200), class_="sub"), scope="row", class_="grow"), class_="two")
        for id_, name, why in view.lacking
    )
    return panel("Cannot run it", table(None, lines), live="lacking")


def _facts(view: TaskPage, frame: Frame, request: Request) -> Markup:
    row, totals = view.row, view.series.totals
    made_by = [part for number, name in enumerate(view.schedules) for part in (", " if number else "", link(value(name), to(request, "schedules", name)))]
    body = facts(
        ("Module", None if not row.module else el("span", value(row.module), class_="mono")),
        ("Directory", None if not row.directory else el("span", value(row.directory), class_="mono")),
        ("Recorded", moment(row.recorded_at, frame.now)),
        ("Succeeded", words.number(totals.succeeded)),
        ("Failed", f"{words.number(totals.failed)}, and {words.number(totals.discarded)} discarded"),
        ("Wait", _spread(totals.wait)),
        ("Run", _spread(totals.run)),
        ("Scheduled by", made_by or None),
    )
    return panel("Facts", body, strip(command(frame, "enqueue", row.name), "enqueue one"), live="facts")


def _spread(found: Spread | None) -> Child:
    return None if found is None else f"median {words.took(found.median)}, 95 % within {words.took(found.p95)}"
