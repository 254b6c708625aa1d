"""Tables that several pages show: failures by their errors, queues, workers, schedules, jobs, other jobs in short.

Owns their columns. Each is one table in a panel's body; an empty one says what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ...base.records import JobInfo, ScheduleInfo
from ...base.stored import shown
from ...store.pages.parts import (
    Count,
    FailureGroup,
    QueueRow,
    Related,
    ScheduleRow,
    WorkerRow,
)
from ...store.pages.records import Frame
from ...store.rules import waits_for_ever
from .. import words
from ..addresses import to
from ..charts import small
from ..html import Child, Markup, el, join, value
from ..messages import Request
from ..values import (
    DEMO,
    LINE,
    TASK,
    command,
    empty,
    error_line,
    head,
    job_link,
    moment,
    search_link,
    state,
    table,
    tag,
    task_of,
)

_TIMES = {"running": "started_at", "available": "run_at", "scheduled": "run_at", "retrying": "run_at", "blocked": "created_at"}


def failures(groups: Sequence[FailureGroup], request: Request, now: datetime, over: str) -> Markup:
    if not groups:
        return empty(f"No job was discarded in {over}.")
    rows = (
        el(
            "tr",
            el("th", search_link(request, value(group.task, TASK), group.query, class_="name"), " ", el("span", error_line(group.error_type, group.message), class_="sub"), scope="row", class_="grow"),
            el("td", words.number(group.jobs), class_="num"),
            el("td", small.mini(group.counts, "bad"), class_="opt"),
            el("td", moment(group.last, now), class_="num muted"),
        )
        for group in groups
    )
    return table(head(("Task and error", "grow"), ("Jobs", "num"), (over.removeprefix("the ").capitalize(), "opt"), ("Last", "num")), rows)


def queues(found: Sequence[QueueRow], request: Request, frame: Frame) -> Markup:
    if not found:
        return empty("No job has been enqueued yet. Try it:", DEMO)
    rows = (
        el(
            "tr",
            el("th", queue_name(row, request), scope="row", class_="grow"),
            el("td", words.count(row.waiting), class_="num"),
            el("td", None if row.oldest is None else words.age(words.since(row.oldest, frame.now)), class_="num"),
            el("td", small.mini(row.ended, "ok"), class_="opt"),
            el("td", None if row.rate is None else words.rate(row.rate), class_="num"),
            el("td", None if row.failed_share is None else words.percent(row.failed_share), class_="num opt"),
        )
        for row in found
    )
    return table(head(("Queue", "grow"), ("Waiting", "num"), ("Oldest", "num"), ("Ended a minute", "opt"), ("Now", "num"), ("Failed", "num opt")), rows)


def queue_name(row: QueueRow, request: Request) -> Markup:
    name = el("a", value(row.name), href=to(request, "queues", row.name), class_="name")
    return join(name, " ", tag("paused", "warn")) if row.paused_at is not None else name


def workers(found: Sequence[WorkerRow], request: Request, frame: Frame) -> Markup:
    if not found:
        return empty("No worker serves this file. Start one:", command(frame, "worker"))
    rows = (
        el(
            "tr",
            el("th", el("span", worker_name(row, request), class_="clip"), el("span", worker_note(row, frame.now), class_="sub"), scope="row", class_="grow"),
            el("td", busy(row)),
            el("td", rate(row.rate), class_="num"),
            class_="two",
        )
        for row in found
    )
    return table(head(("Worker", "grow"), "Busy slots", ("Rate", "num")), rows)


def worker_name(row: WorkerRow, request: Request) -> Markup:
    return el("a", value(row.info.name), href=to(request, "workers", row.info.id), class_="name")


def worker_note(row: WorkerRow, now: datetime) -> Markup:
    """What is odd about it; how long it has been up if nothing is."""
    notes = [row.note] if row.note else []
    notes += [f"all {pool} slots are stuck" for pool in row.info.slots if row.info.is_stuck(pool)]
    if notes:
        return tag(value(", ".join(notes)), "warn")
    if row.info.stopped_at is not None:
        return join("stopped ", moment(row.info.stopped_at, now))
    return join(f"up {words.age(words.since(row.info.started_at, now))}")


def busy(row: WorkerRow) -> Markup:
    part, whole = sum(row.busy.values()), sum(row.info.slots.values())
    return join(small.meter(part, whole, f"{part} of {whole} slots busy"), " ", el("span", f"{part}/{whole}", class_="muted"))


def rate(found: float | None) -> str | None:
    return None if found is None else f"{words.rate(found)}/min"


def schedules(found: Sequence[ScheduleRow], request: Request, frame: Frame) -> Markup:
    if not found:
        return empty("Nothing is scheduled. Such as:", command(frame, "schedule add", "nightly", "--cron", "30 2 * * *", "--", "pg_dump", "mydb"))
    rows = (
        el(
            "tr",
            el("th", el("span", el("a", value(row.info.name), href=to(request, "schedules", row.info.name), class_="name"), class_="clip"), el("span", trigger(row), class_="sub"), scope="row", class_="grow"),
            el("td", small.ticks(row.ticks, frame.now)),
            el("td", next_tick(row, frame.now), class_="num"),
            class_="two",
        )
        for row in found
    )
    return table(head(("Schedule", "grow"), "Ticks", ("Next", "num")), rows)


def trigger(row: ScheduleRow) -> Markup:
    """Its time in words, and short where: ``at 02:30 every day, Berlin``."""
    if row.zone is None:
        return value(row.info.trigger)
    return value(f"{row.info.trigger.removesuffix(f' ({row.zone})')}, {row.zone.rpartition('/')[2].replace('_', ' ')}")


def next_tick(row: ScheduleRow, now: datetime) -> Markup:
    """The stored one: looking computes none."""
    if row.info.state != "active":
        return tag(row.info.state, "bad" if row.info.state == "disabled" else "warn" if row.info.state == "paused" else "")
    return moment(row.info.next_tick, now)


def related(found: Sequence[Related], request: Request, now: datetime, *, has_task: bool = False) -> Markup:
    """Other jobs, a line each."""
    rows = (
        el(
            "tr",
            el("th", job_link(request, other.id), (" ", value(other.task, TASK)) if has_task else None, scope="row", class_="grow"),
            el("td", state(other.state)),
            el("td", "due " if other.state in ("retrying", "scheduled") and other.at is not None else None, moment(other.at, now), class_="num muted"),
        )
        for other in found
    )
    return table(None, rows)


def jobs(found: Sequence[JobInfo], request: Request, now: datetime, when: str = "Time", *, has_boxes: bool = False, order: str | None = None) -> Markup:
    """``when``: the head of the one time that matters; ``order``: if the rows are sorted by that, how."""
    boxes = [("", "box")] if has_boxes else []
    top = head(*boxes, ("Job", "grow"), "State", ("Queue", "opt"), ("Attempt", "num opt"), ("Took", "num opt"), (when, "num"), order=order)
    return table(top, (_job(each.masked(), request, now, has_box=has_boxes) for each in found), class_="cards")


def _job(job: JobInfo, request: Request, now: datetime, *, has_box: bool) -> Markup:
    name = el("span", el("a", value(task_of(job), TASK), href=to(request, "jobs", job.id), class_="name"), " ", el("span", f"#{job.id:,}", class_="muted"), class_="clip")
    box = el("td", el("input", type="checkbox", name="id", value=str(job.id), aria_label=f"Select job {job.id:,}", autocomplete="off"), class_="box")
    return el(
        "tr",
        box if has_box else None,
        el("th", name, el("span", second_line(job), class_="sub"), scope="row", class_="grow"),
        el("td", state(job.state)),
        el("td", tag(value(job.queue, 40)), class_="opt"),
        el("td", attempt(job), class_="num muted opt"),
        el("td", took(job, now), class_="num muted opt"),
        el("td", moment(time_of(job), now), class_="num muted"),
        class_="two", data_row=str(job.id), data_live=f"job-{job.id}",
    )  # fmt: skip


def second_line(job: JobInfo) -> Markup:
    """What went wrong, or what it was called with. ``job`` is masked."""
    if job.last_error and job.state != "succeeded":
        return el("span", value(job.last_error.partition("\n")[0], LINE), class_="up")
    if job.state == "running" and job.cancel_requested_at is not None:
        return el("span", "being cancelled")
    return el("span", value(arguments(job), LINE), class_="mono")


def arguments(job: JobInfo | ScheduleInfo) -> str:
    """Of a call, in one line."""
    return " ".join(shown(text) for text in (job.args, job.kwargs) if text not in ("[]", "{}"))


def attempt(job: JobInfo) -> str | None:
    if not job.attempt:
        return None
    return f"{job.attempt}" if job.max_attempts is None else f"{tries(job)}/{job.max_attempts}"


def tries(job: JobInfo) -> int:
    """Those that count against its most: of one that was put back, since then."""
    return job.failures + (job.state in ("running", "succeeded"))


def took(job: JobInfo, now: datetime) -> str | None:
    """Of the last attempt."""
    end = job.finished_at or (now if job.state == "running" else None)
    return None if job.started_at is None or end is None else words.took(max((end - job.started_at).total_seconds(), 0.0))


def time_of(job: JobInfo) -> datetime | None:
    """The one time that matters for its state."""
    found: datetime | None = getattr(job, _TIMES.get(job.state, "finished_at"))
    return None if found is not None and waits_for_ever(found) else found


def counted(count: Count, noun: str) -> str:
    return f"{words.count(count)} {noun}{'' if count == (1, False) else 's'}"


def more(children: Child) -> Markup:
    """The foot of a table."""
    return el("div", children, class_="more")
