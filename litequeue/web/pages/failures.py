"""What fails: the discarded jobs by their task and error, the largest groups first.

Owns that page.
"""

from __future__ import annotations

from ...store.pages.parts import FailureGroup
from ...store.pages.records import FailuresPage, Frame
from .. import icons, words
from ..addresses import to
from ..charts import series, small
from ..frame import page, ranges
from ..html import Markup, el, value
from ..messages import Request, Response
from ..values import (
    TASK,
    button,
    command,
    copied,
    empty,
    error_line,
    form,
    head,
    hidden,
    job_link,
    link,
    moment,
    panel,
    search_link,
    table,
)
from .rows import counted


def failures(view: FailuresPage, frame: Frame, request: Request) -> Response:
    over = series.RANGES[view.range]
    note = f"{counted(view.jobs, 'job')} discarded in {over}"
    if view.jobs.is_capped:
        note = f"the last {view.jobs.number:,} that were discarded in {over}"
    body = _table(view, frame, request, over) if view.groups else empty(f"No job was discarded in {over}.")
    untold = None
    if view.untold.number:
        untold = el(
            "section", icons.icon("failures"), el("div", el("b", f"{counted(view.untold, 'failure')} could not be told to anybody."), el("p", "The jobs that were to tell of them failed themselves.")),
            link("Doctor", to(request, "doctor"), class_="btn"), class_="callout warn", aria_label="Untold failures", data_live="untold",
        )  # fmt: skip
    return page(request, frame, "Failures", untold, panel("By task and error", body, note=note, live="groups"), at="failures", right=ranges(request, view.range))


def _table(view: FailuresPage, frame: Frame, request: Request, over: str) -> Markup:
    columns = (("Task and error", "grow"), ("Jobs", "num"), (over.removeprefix("the ").capitalize(), "opt"), ("First", "num opt"), ("Last", "num"), ("Run again", "num"))
    return table(head(*columns), (_row(group, frame, request) for group in view.groups))


def _row(group: FailureGroup, frame: Frame, request: Request) -> Markup:
    name = el("span", search_link(request, value(group.task, TASK), group.query, class_="name"), " ", el("span", job_link(request, group.last_job), class_="muted"), class_="clip")
    return el(
        "tr",
        el("th", name, el("span", el("span", error_line(group.error_type, group.message), class_="up"), class_="sub"), scope="row", class_="grow"),
        el("td", words.number(group.jobs), class_="num"),
        el("td", small.mini(group.counts, "bad"), class_="opt"),
        el("td", moment(group.first, frame.now), class_="num muted opt"),
        el("td", moment(group.last, frame.now), class_="num muted"),
        el("td", _again(group, frame, request), class_="num again"),
        class_="two", data_row=str(group.last_job),
    )  # fmt: skip


def _again(group: FailureGroup, frame: Frame, request: Request) -> Markup:
    if not request.may_act:
        return copied(command(frame, "retry", group.query), f"Copy the command that runs all {group.jobs:,} again")
    inside = (hidden("all", "retry"), hidden("q", group.query), button(f"Run {group.jobs:,} again", "retrying"))
    return form(request, to(request, "jobs", "act"), *inside)
