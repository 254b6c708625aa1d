"""The overview: whether all is well, five numbers, what ended and how long it waited, and what there is now.

Owns the order of things on it, and its sentence.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ...base.checks import counted
from ...store.pages.parts import ActionRow, LiveState, Series
from ...store.pages.records import Frame, Overview
from .. import icons, words
from ..addresses import to
from ..charts import series, small
from ..frame import page, ranges
from ..html import Child, Markup, el, value
from ..messages import Request, Response
from ..values import head, link, moment, panel, search_link, state, table
from . import reasons, rows

_ORDER: Final = {state: place for place, state in enumerate(("available", "running", "scheduled", "retrying", "blocked"))}
LATE: Final = 60.0  # seconds for which a job is due, from which on that stands out


def overview(view: Overview, frame: Frame, request: Request) -> Response:
    now, over = frame.now, series.RANGES[view.series.range]
    charts = panel(f"Ended {series.PER[view.series.range]}", series.charts(view.series, now), series.table(view.series, now), right=series.keys(), live="chart")
    all_groups = link(f"all {words.count(view.failure_groups)} groups" if view.failure_groups.number > len(view.failures) else "all of them", to(request, "failures"), class_="link small")
    failures = panel(
        "Failures", rows.failures(view.failures, request, now, over), live="failures",
        note=el("span", f"discarded in {over}, by task and error", class_="opt"), right=all_groups if view.failures else None,
    )  # fmt: skip
    left = (charts, failures, panel("Queues", rows.queues(view.queues, request, frame), live="queues"))
    right = (
        panel("Now", _states(view, request, now), right=_succeeded(view), live="now"),
        panel("Workers", rows.workers(view.workers, request, frame), live="workers"),
        panel("Schedules", rows.schedules(view.schedules, request, frame), note=None, right=_last_ticks(view), live="schedules"),
        panel("Actions", _actions(view.actions, now), live="actions") if view.actions else None,
    )
    columns = el("div", el("div", left, class_="stack"), el("div", right, class_="stack"), class_="cols")
    main = (_health(view, request, now), _numbers(view, now), columns)
    return page(request, frame, "Overview", *main, at="overview", right=ranges(request, view.series.range))


# -- the sentence ---------------------------------------------------------------------------------------


def sentence(view: Overview, now: datetime) -> str:
    count = len(view.reasons)
    if count:
        return f"{words.spelled(count)} thing{' wants' if count == 1 else 's want'} a look. Everything else is well."
    if not view.workers:
        return "No worker runs, and no job waits for one."
    parts = [counted(len(view.workers), "worker"), f"{words.rate(per_minute(view.series))} jobs a minute"]
    since = oldest(view)
    parts.append("none waits" if since is None else f"none waits longer than {words.age(words.since(since, now))}")
    return f"All is well: {', '.join(parts)}."


def _health(view: Overview, request: Request, now: datetime) -> Markup:
    found = view.reasons[: reasons.MOST]
    items = el("ul", (el("li", reasons.said(reason, request, now)) for reason in found)) if found else None
    more = len(view.reasons) - len(found)
    text = el("div", el("b", sentence(view, now)), items, el("span", f"and {more} more", class_="muted") if more else None)
    badge = el("span", icons.icon("failures" if found else "succeeded"), class_="badge")
    doctor = el("a", "Doctor", href=to(request, "doctor"), class_="btn")
    return el("section", badge, text, doctor, class_=f"health {'warn' if found else 'ok'}", aria_label="Health", data_live="health")


# -- five numbers ---------------------------------------------------------------------------------------


def _numbers(view: Overview, now: datetime) -> Markup:
    return el("dl", _throughput(view), _wait(view), _failed(view), _waiting(view, now), _busy(view), class_="kpis", aria_label=series.RANGES[view.series.range], data_live="numbers")


def _number(name: str, shown: Child, unit: str, below: Child, line: Markup) -> Markup:
    return el("div", el("dt", name), el("dd", shown, el("small", unit), class_="v"), el("dd", below, class_="s"), el("dd", line, class_="g"), class_="kpi")


def _throughput(view: Overview) -> Markup:
    points = view.series.points
    line = small.spark([point.ended if point.was_served else None for point in points], "ok")
    return _number("Throughput", words.rate(per_minute(view.series)), "jobs/min", f"{words.number(view.series.totals.ended)} in {series.RANGES[view.series.range]}", line)


def per_minute(found: Series) -> float:
    """While there were workers: of a file that is three minutes old an hour says nothing."""
    served = sum(point.was_served for point in found.points)
    return found.totals.ended / max(found.span * served / 60, 1)


def _wait(view: Overview) -> Markup:
    wait = view.series.totals.wait
    line = small.spark([None if point.wait is None else point.wait.p95 for point in view.series.points], "")
    if wait is None:
        return _number("Wait", "", "no job started", None, line)
    shown, _, unit = words.took(wait.median).partition(" ")
    return _number("Wait", shown, f"{unit} median", f"95 % within {words.took(wait.p95)}", line)


def _failed(view: Overview) -> Markup:
    share, before = view.series.totals.failed_share, view.series.before.failed_share
    line = small.spark([point.failed_share if point.was_served else None for point in view.series.points], "bad")
    if share is None:
        return _number("Failed attempts", "", "no attempt ended", None, line)
    below: Child = None
    if before is not None:
        was, change = words.percent(before), share - before
        if words.percent(share) == was:
            below = f"as {series.BEFORE[view.series.range]}"
        else:
            turn = el("span", f"{'↑' if change > 0 else '↓'} from {was}", class_="up" if change > 0 else "down")
            below = (turn, f" {series.BEFORE[view.series.range]}")
    return _number("Failed attempts", words.percent(share).removesuffix(" %"), "%", below, line)


def _waiting(view: Overview, now: datetime) -> Markup:
    count = next((each.jobs for each in view.states if each.state == "available"), None)
    since = oldest(view)
    below = None if since is None else ("oldest due for ", _due_for(since, now))
    return _number("Waiting", "0" if count is None else words.count(count), "jobs", below, small.spark([point.waiting for point in view.series.points], "wait"))


def oldest(view: Overview) -> datetime | None:
    """Since when the job that waits longest could run."""
    return next((each.at for each in view.states if each.state == "available"), None)


def _due_for(since: datetime, now: datetime) -> Markup:
    seconds = words.since(since, now)
    return el("span", words.age(seconds), class_="up" if seconds > LATE else None)


def _busy(view: Overview) -> Markup:
    line = small.spark([None if point.running is None else min(point.running, view.slots) for point in view.series.points], "")
    return _number("Busy slots", words.number(view.busy), f"of {words.number(view.slots)}", counted(len(view.workers), "worker"), line)


# -- panels ---------------------------------------------------------------------------------------------


def _states(view: Overview, request: Request, now: datetime) -> Markup:
    return table(None, (_state(each, request, now) for each in sorted(view.states, key=lambda each: _ORDER.get(each.state, len(_ORDER)))))


def _state(each: LiveState, request: Request, now: datetime) -> Markup:
    said: Child = None
    if each.at is not None and each.state == "available":
        said = (el("span", "oldest ", class_="opt"), "due for ", _due_for(each.at, now))
    elif each.at is not None and each.state == "running":
        said = ("longest ", words.age(words.since(each.at, now)))
    elif each.at is not None:
        said = ("next ", moment(each.at, now)) if each.at > now else ("due for ", _due_for(each.at, now))
    return el(
        "tr",
        el("th", search_link(request, state(each.state), f"state:{each.state}", class_=""), scope="row"),
        el("td", said, class_="num muted grow"),
        el("td", el("b", words.count(each.jobs)), class_="num"),
    )


def _succeeded(view: Overview) -> Markup:
    return el("span", f"{words.number(view.succeeded_day)} succeeded in 24 h", class_="muted small")


def _last_ticks(view: Overview) -> Markup | None:
    most = max((len(row.ticks) for row in view.schedules), default=0)
    return el("span", f"last {most} ticks", class_="muted small") if most else None


def _actions(found: tuple[ActionRow, ...], now: datetime) -> Markup:
    lines = (
        el(
            "tr",
            el("th", el("span", value(each.what), " ", value(each.target, 80), class_="clip"), el("span", "by ", value(each.who, 60), class_="sub"), scope="row", class_="grow"),
            el("td", words.jobs(each.jobs) if each.jobs else None, class_="num"),
            el("td", moment(each.at, now), class_="num muted"),
            class_="two",
        )
        for each in found
    )
    return table(head(("What", "grow"), ("Jobs", "num"), ("When", "num")), lines)


