"""The addresses that only show: each reads its record and hands it to its page.

Owns what of a query each of them understands. Changes nothing.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from typing import TypeVar, get_args

from ..base.clock import monotonic
from ..base.errors import InvalidArgument
from ..base.search import parse
from ..doctor.examining import examine
from ..exposition import OPENMETRICS, TEXT, exposition
from ..store.pages import Pages
from ..store.pages.parts import Finding, Range
from ..store.pages.records import DoctorPage, Frame
from .addresses import to
from .messages import Request, Response
from .pages import texts, trouble
from .pages.doctor import doctor as doctor_page
from .pages.failures import failures as failures_page
from .pages.flows import flow as flow_page
from .pages.flows import flows as flows_page
from .pages.job import job as job_page
from .pages.jobs import jobs as jobs_page
from .pages.overview import overview as overview_page
from .pages.queues import queue as queue_page
from .pages.queues import queues as queues_page
from .pages.schedules import schedule as schedule_page
from .pages.schedules import schedules as schedules_page
from .pages.tasks import task as task_page
from .pages.tasks import tasks as tasks_page
from .pages.workers import worker as worker_page
from .pages.workers import workers as workers_page
from .place import Place

View = TypeVar("View")
Render = Callable[[View, Frame, Request], Response]


def shown(request: Request, place: Place, render: Render[View], read: Callable[[Pages, int], View | None], missing: str = "") -> Response:
    """A page with what is around it; where ``read`` finds nothing, the page that says so."""
    began, now = monotonic(), place.clock.now()
    pages = place.client.store.pages
    view = read(pages, now)
    frame = dataclasses.replace(pages.frame(now), took=monotonic() - began)
    return trouble.missing(frame, request, missing) if view is None else render(view, frame, request)


def _range(request: Request) -> Range:
    """An hour, unless it says another one that there is."""
    said = request.query.get("range")
    return next((range_ for range_ in get_args(Range) if range_ == said), "1h")


def _number(request: Request, name: str) -> int | None:
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def overview(request: Request, place: Place) -> Response:
    free = shutil.disk_usage(place.path).free
    return shown(request, place, overview_page, lambda pages, now: pages.overview(_range(request), now, disk_free=free))


def jobs(request: Request, place: Place) -> Response:
    text = request.query.get("q", "")
    try:
        query = parse(text)
        if query.job is not None and "before" not in request.query:
            return Response(303, location=to(request, "jobs", query.job))
        before = request.query.get("before") or None
        return shown(request, place, jobs_page, lambda pages, now: pages.jobs(query, before, now, _number(request, "seen")))
    except InvalidArgument as error:
        return trouble.wrong_query(str(error), text, place.client.store.pages.frame(place.clock.now()), request)


def job(request: Request, place: Place, job: int) -> Response:
    attempt = _number(request, "attempt")
    return shown(request, place, job_page, lambda pages, now: pages.job(job, now, attempt), f"There is no job {job} in this file: it never was, or it was pruned.")


def job_text(request: Request, place: Place, job: int, name: str) -> Response:
    """A job's arguments, its result, or what it printed, whole."""
    store = place.client.store
    info = store.reports.job(job)
    if info is None or name not in ("args.txt", "result.txt", "log.txt"):
        return trouble.missing(store.pages.frame(place.clock.now()), request)
    if name == "log.txt":
        return texts.log(store.shown.output(job, 0, 0))
    return texts.args(info) if name == "args.txt" else texts.result(info)


def failures(request: Request, place: Place) -> Response:
    return shown(request, place, failures_page, lambda pages, now: pages.failures(_range(request), now))


def queues(request: Request, place: Place) -> Response:
    return shown(request, place, queues_page, lambda pages, now: pages.queues(now))


def queue(request: Request, place: Place, name: str) -> Response:
    return shown(request, place, queue_page, lambda pages, now: pages.queue(name, _range(request), now), f"There is no queue {name:.200} in this file.")


def tasks(request: Request, place: Place) -> Response:
    return shown(request, place, tasks_page, lambda pages, now: pages.tasks(_range(request), now))


def task(request: Request, place: Place, name: str) -> Response:
    return shown(request, place, task_page, lambda pages, now: pages.task(name, _range(request), now), f"Nothing is known of a task {name:.200} in this file.")


def workers(request: Request, place: Place) -> Response:
    return shown(request, place, workers_page, lambda pages, now: pages.workers(now))


def worker(request: Request, place: Place, worker: int) -> Response:
    return shown(request, place, worker_page, lambda pages, now: pages.worker(worker, now), f"There is no worker {worker} in this file: it never was, or it stopped long ago.")


def schedules(request: Request, place: Place) -> Response:
    return shown(request, place, schedules_page, lambda pages, now: pages.schedules())


def schedule(request: Request, place: Place, name: str) -> Response:
    return shown(request, place, schedule_page, lambda pages, now: pages.schedule(name, now), f"There is no schedule {name:.200} in this file.")


def flows(request: Request, place: Place) -> Response:
    return shown(request, place, flows_page, lambda pages, now: pages.flows(before=_number(request, "before")))


def flow(request: Request, place: Place, flow: int) -> Response:
    return shown(request, place, flow_page, lambda pages, now: pages.flow(flow), f"There is no workflow {flow} in this file.")


def doctor(request: Request, place: Place) -> Response:
    found = DoctorPage(tuple(Finding(*finding) for finding in examine(place.path, full=False, touches=False)))
    return shown(request, place, doctor_page, lambda pages, now: found)


def metrics(request: Request, place: Place) -> Response:
    asked = "application/openmetrics-text" in request.accept
    text = exposition(place.client.store, place.clock.now(), openmetrics=asked)
    return Response(200, text.encode(), OPENMETRICS if asked else TEXT)
