"""One job: what became of it and why, its life, its errors, what it printed, its call and its facts.

Owns the order of things on that page, its heading and the sentence on how it stands. The panels are in ``job_parts``.
"""

from __future__ import annotations

from typing import Final

from ...base.records import JobInfo
from ...base.states import STATES
from ...store.pages.parts import Lane
from ...store.pages.records import Frame, JobPage
from ...store.rules import waits_for_ever
from .. import icons, words
from ..addresses import named, to
from ..charts import life
from ..frame import crumbs, page
from ..html import Child, Markup, el, join, value
from ..messages import Request, Response
from ..values import (
    as_table,
    button,
    command,
    copied,
    form,
    head,
    hidden,
    link,
    moment,
    panel,
    search_link,
    state,
    table,
    task_of,
)
from . import job_parts
from .jobs import CANCELLED, RETRIED

_TONES: Final = {"discarded": "bad", "expired": "bad", "retrying": "warn", "cancelled": "idle"}


def job(view: JobPage, frame: Frame, request: Request) -> Response:
    info = view.job.masked()
    name = task_of(info)
    way = crumbs(("Jobs", to(request, "jobs")), (name, to(request, "jobs", q=named("task", info.task))))
    parts = job_parts.Parts(view, info, frame, request)
    left = (parts.errors(), parts.output(), parts.run_times(), parts.steps())
    right = (parts.arguments(), parts.result(), parts.progress(), parts.facts(), parts.links(), parts.same_task())
    main = (
        _head(view, frame, name),
        _why(view, info, frame, request),
        _life(view, frame),
        el("div", el("div", left, class_="stack"), el("div", right, class_="stack"), class_="cols"),
    )
    return page(request, frame, f"job {info.id:,}", *main, top=way, at="jobs", right=_actions(view, frame, request))


def _head(view: JobPage, frame: Frame, name: str) -> Markup:
    info, now = view.job, frame.now
    times: list[Child] = [el("span", "enqueued ", el("b", moment(info.created_at, now, form="clock")))]
    if info.finished_at is not None:
        later = words.age(max((info.finished_at - info.created_at).total_seconds(), 0))
        times.append(el("span", "ended ", el("b", moment(info.finished_at, now, form="clock")), f", {later} later"))
    elif info.state == "running" and info.started_at is not None:
        times.append(el("span", "started ", el("b", moment(info.started_at, now))))
    elif not waits_for_ever(info.run_at):
        times.append(el("span", "due ", el("b", moment(info.run_at, now))))
    if info.worker:
        times.append(el("span", "on " if info.state == "running" else "last on ", el("b", value(info.worker))))
    title = el("div", state(info.state, is_pill=True), el("h1", value(name)), el("span", f"#{info.id:,}", class_="muted"), class_="title")
    return el("div", title, el("p", times, class_="meta"), class_="jobhead", data_live="head")


def _actions(view: JobPage, frame: Frame, request: Request) -> Markup:
    """Buttons where one may act; else the command, to be copied."""
    info = view.job
    found: list[Markup] = []
    for op, label, icon, key, states in (("retry", "Run again", "retrying", "r", RETRIED), ("cancel", "Cancel", "cancelled", "c", CANCELLED)):
        if info.state not in states or op == "cancel" and info.cancel_requested_at is not None:
            continue
        if request.may_act:
            pressed = button(label, icon, tone="primary" if op == "retry" else "", key=key, ask=f"{label}: job {info.id:,}?")
            found.append(form(request, to(request, "jobs", "act"), hidden("op", op), hidden("id", info.id), hidden("back", f"jobs/{info.id}"), pressed))
        else:
            found.append(copied(command(frame, op, str(info.id)), f"Copy the command: {label}", key=key, words_=f"Copy: {label.lower()}"))
    return join(*found)


# -- how it stands --------------------------------------------------------------------------------------


def _why(view: JobPage, info: JobInfo, frame: Frame, request: Request) -> Markup | None:
    """Why it ended, or does not start; None where all is well. ``info``: masked."""
    said = _sentence(view, frame, request)
    error = info.last_error.partition("\n")[0] if info.last_error and info.state != "succeeded" else None
    if view.why_waiting is not None:
        first: Child = el("b", "It waits: ", value(view.why_waiting))
    elif error is not None:
        first = el("span", value(error, 400), class_="mono")
    elif info.state in ("cancelled", "expired"):
        first = el("b", "It was cancelled." if info.state == "cancelled" else "Its time was over before it started.")
    else:
        return el("div", data_live="why")
    tone = "warn" if view.why_waiting is not None else _TONES.get(info.state, "warn")
    same = view.same_error
    every = None if same is None or same.jobs < 2 else search_link(request, f"See all {same.jobs:,}", same.query, class_="btn")
    icon = icons.icon("failures" if view.why_waiting is not None or info.state not in STATES else info.state)
    label = "Why it ended" if info.finished_at is not None else "How it stands"
    return el("section", icon, el("div", first, el("p", said) if said else None), every, class_=f"callout {tone}", aria_label=label, data_live="why")


def _sentence(view: JobPage, frame: Frame, request: Request) -> Markup | None:
    info = view.job
    parts: list[Child] = []
    if info.state == "discarded" and info.failures:
        most = "attempts" if info.max_attempts is None else f"{info.max_attempts} attempts"
        again = ", since it was put back" if info.attempt > info.failures + info.interruptions else ""
        parts.append("Its only attempt failed." if info.max_attempts == 1 else f"The {words.ordinal(info.failures)} of {most} failed{again}.")
        if info.max_attempts is not None and info.failures < info.max_attempts:
            parts.append("It was not tried again: its task gives up at such an error.")
    elif info.state == "retrying":
        parts.append(("It is tried again ", moment(info.run_at, frame.now), "."))
    elif info.state == "cancelled" and view.cause is not None:
        parts.append(("It waited for ", link(f"job {view.cause:,}", to(request, "jobs", view.cause)), ", which did not succeed."))
    if view.same_error is not None and view.same_error.jobs > 1:
        parts.append(f"{view.same_error.jobs:,} jobs ended with this error.")
    if view.holder is not None and view.holder != info.id:
        parts.append((link(f"Job {view.holder:,}", to(request, "jobs", view.holder)), " has its key."))
    return join(*(piece for part in parts for piece in (part, " "))) if parts else None


def _life(view: JobPage, frame: Frame) -> Markup | None:
    if not view.lanes:
        return None
    end = view.job.finished_at or max(frame.now, view.lanes[-1].ended_at or frame.now)
    again = view.job.run_at if view.job.state == "retrying" else None
    drawn = life.life(view.lanes, view.job.created_at, end, frame.now, again)
    note = f"the last {life.MOST_LANES} of {len(view.lanes):,} attempts" if len(view.lanes) > life.MOST_LANES else None
    return panel("Life", drawn, _lanes_table(view.lanes, frame), note=note, right=life.keys(view.lanes, again), live="life")


def _lanes_table(lanes: tuple[Lane, ...], frame: Frame) -> Markup:
    """The same as the drawing."""
    body = (
        el(
            "tr",
            el("th", lane.attempt, scope="row"),
            (el("td", moment(at, frame.now, form="clock")) for at in (lane.due_at, lane.started_at, lane.ended_at)),
            el("td", value(lane.outcome)),
            el("td", value(lane.worker) if lane.worker else None),
        )
        for lane in lanes
    )
    return as_table(table(head("Attempt", "Due", "Started", "Ended", "Outcome", "Worker"), body))
