"""Every page there is, of a lively queue: path -> what makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from litequeue.base.search import Query, parse
from litequeue.store.pages.records import Frame
from litequeue.web.messages import Request, Response
from litequeue.web.pages.acting import act
from litequeue.web.pages.doctor import doctor
from litequeue.web.pages.failures import failures
from litequeue.web.pages.flows import flow, flows
from litequeue.web.pages.job import job
from litequeue.web.pages.jobs import jobs
from litequeue.web.pages.overview import overview
from litequeue.web.pages.queues import queue, queues
from litequeue.web.pages.schedules import schedule, schedules
from litequeue.web.pages.tasks import task, tasks
from litequeue.web.pages.trouble import failed, missing, wrong_query
from litequeue.web.pages.workers import worker, workers

from . import samples

Maker = Callable[[Any, Frame, Request], Response]

EMPTY_JOBS = samples.jobs_page("", rows=(), matching=None, next=None, newer=0)
QUIET = samples.overview(reasons=(), queues=(), workers=(), schedules=(), failures=(), actions=(), states=())

# Path, function, what it is of.
PAGES: dict[str, tuple[Maker, Any]] = {
    "/": (overview, samples.overview()),
    "/?range=24h": (overview, samples.overview("24h")),
    "/?range=30d": (overview, samples.overview("30d")),
    "/?quiet": (overview, QUIET),
    "/jobs": (jobs, samples.jobs_page()),
    "/jobs?q=x": (jobs, samples.jobs_page("task:shop.* -queue:mail args.user.id:123", looked_from=1_000_000, looked_down_to=941_200, matching=None)),
    "/jobs?none": (jobs, EMPTY_JOBS),
    "/jobs/482071": (job, samples.job_page()),
    "/jobs/468100": (job, samples.running_job_page()),
    "/jobs/482300": (job, samples.waiting_job_page()),
    "/failures": (failures, samples.failures_page()),
    "/queues": (queues, samples.queues_page()),
    "/queues/mail": (queue, samples.queue_page()),
    "/tasks": (tasks, samples.tasks_page()),
    "/tasks/images.thumbnail": (task, samples.task_page()),
    "/workers": (workers, samples.workers_page()),
    "/workers/4": (worker, samples.worker_page()),
    "/schedules": (schedules, samples.schedules_page()),
    "/schedules/nightly-backup": (schedule, samples.schedule_page()),
    "/schedules/month-report": (schedule, dataclasses.replace(samples.schedule_page(), row=samples.schedules()[3], next_ticks=(), run_times=None)),
    "/flows": (flows, samples.flows_page()),
    "/flows/7": (flow, samples.flow_page()),
    "/flows/8": (flow, samples.large_flow_page()),
    "/doctor": (doctor, samples.doctor_page()),
    "/jobs/act": (act, samples.act_page()),
    "/jobs/act?ids": (act, samples.act_page(query=None, ids=(1, 2, 3), op="purge")),
    "/jobs/act?done": (act, samples.act_page(done=50, stopped="there are 80 of them now")),
    "/missing": (lambda what, frame, request: missing(frame, request, what), "There is no job 12 in this file."),
    "/wrong": (lambda why, frame, request: wrong_query(why, "foo:1", frame, request), "there is no 'foo' to search by"),
    "/failed": (lambda why, frame, request: failed(why, frame, request), "the file is busy"),
}


def request(path: str = "/", *, may_act: bool = False, **query: str) -> Request:
    return Request("GET", path.partition("?")[0], query, form_token="token-of-the-form", may_act=may_act, who="127.0.0.1")


def made(path: str, *, may_act: bool = False, part: bool = False) -> Response:
    maker, view = PAGES[path]
    return maker(view, samples.frame(), request(path, may_act=may_act, **({"part": "main"} if part else {})))


def filled(record: Any, text: str, but: frozenset[str] = frozenset()) -> Any:
    """The same record, with another text in each of its texts, however deep; those of a few words that the code chooses from stay."""
    if isinstance(record, str):
        return text
    if isinstance(record, Query):
        return parse("error:x")._replace(terms=(parse("error:x").terms[0]._replace(values=(parse("error:x").terms[0].values[0]._replace(text=text),)),))
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        found = {each.name: getattr(record, each.name) for each in dataclasses.fields(record)}
        return dataclasses.replace(record, **{name: None if name == "secret" else _kept(name, value, text, but) for name, value in found.items()})
    if isinstance(record, tuple):
        fields = getattr(record, "_fields", None)
        if fields is not None:
            return type(record)(*(_kept(name, value, text, but) for name, value in zip(fields, record, strict=True)))
        return tuple(filled(each, text, but) for each in record)
    if isinstance(record, dict):
        return {text if isinstance(key, str) and number == 0 else key: filled(value, text, but) for number, (key, value) in enumerate(record.items())}
    return record


# Words that no row of the file can have another of, by its CHECKs, or that are the code's own.
CHOSEN = frozenset({"kind", "range", "order", "op"})


def _kept(name: str, value: Any, text: str, but: frozenset[str]) -> Any:
    return value if name in CHOSEN or name in but else filled(value, text, but)
