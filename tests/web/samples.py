"""A lively queue as records: what the pages are tested with, and what one looks at while mending them."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from litequeue.base.masking import Secrets
from litequeue.base.records import (
    AttemptInfo,
    JobInfo,
    JobProgress,
    OutputPiece,
    ScheduleInfo,
    StepInfo,
    TickInfo,
    WorkerInfo,
)
from litequeue.base.search import parse
from litequeue.base.states import STATES, JobState
from litequeue.store.pages.parts import (
    RANGES,
    ActionRow,
    Count,
    FailureGroup,
    Finding,
    FlowGroup,
    FlowNode,
    FlowRow,
    Histogram,
    Lane,
    LiveState,
    Point,
    QueueRow,
    Range,
    Reason,
    Related,
    ScheduleRow,
    Series,
    Spread,
    TaskRow,
    Totals,
    WorkerRow,
)
from litequeue.store.pages.records import (
    ActPage,
    DoctorPage,
    FailuresPage,
    FlowPage,
    FlowsPage,
    Frame,
    JobPage,
    JobsPage,
    Overview,
    QueuePage,
    QueuesPage,
    SchedulePage,
    SchedulesPage,
    TaskPage,
    TasksPage,
    WorkerPage,
    WorkersPage,
)

NOW = datetime(2026, 11, 25, 14, 28, 30, tzinfo=UTC)
TIMEOUT = "cdn-2.example: read timed out"
TRACEBACK = f'''Traceback (most recent call last):
  File "/opt/shop/lib/python3.11/site-packages/litequeue/pools/call.py", line 88, in run
    return call.function(*args, **kwargs)
  File "/srv/shop/images.py", line 41, in thumbnail
    data = fetch(cdn, path)
           ^^^^^^^^^^^^^^^^
  File "/srv/shop/images.py", line 17, in fetch
    with urlopen(url, timeout=30) as reply:
         ^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/urllib/request.py", line 216, in urlopen
    return opener.open(url, data, timeout)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/urllib/request.py", line 519, in open
    response = self._open(req, data)
  File "/usr/lib/python3.11/http/client.py", line 1395, in getresponse
    response.begin()
TimeoutError: {TIMEOUT}
'''


def before(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def job(id_: int = 482_071, state: JobState = "discarded", task: str = "images.thumbnail", **given: Any) -> JobInfo:
    is_over = state in ("succeeded", "discarded", "cancelled", "expired")
    fields: dict[str, Any] = {
        "queue": "images", "pool": "thread", "priority": 0, "args": "[]",
        "kwargs": json.dumps({"path": "uploads/2026/11/25/IMG_4821.heic", "sizes": [160, 480, 1280], "cdn": "cdn-2.example", "api_key": "sk_live_1"}),
        "attempt": 3, "failures": 3, "interruptions": 0, "max_attempts": 3, "timeout": 30.0, "at_most_once": False, "worker": "web1-2211",
        "created_at": before(1579), "run_at": before(853), "started_at": before(853), "finished_at": before(825) if is_over else None,
        "expires_at": None, "lease_expires_at": None, "cancel_requested_at": None, "result": None,
        "last_error": f"TimeoutError: {TIMEOUT}", "attempts": attempts(), "secret": Secrets(frozenset({"api_key"})), "tags": ("import", "autumn"),
    }  # fmt: skip
    return JobInfo(id=id_, task=task, state=state, **{**fields, **given})


def attempts() -> tuple[AttemptInfo, ...]:
    spans = ((1537, 1507, "web1-2210", "failed"), (1429, 1399, "web1-2212", "failed"), (853, 825, "web1-2211", "discarded"))
    return tuple(
        AttemptInfo(number, outcome, worker, before(start), before(end), "TimeoutError", TIMEOUT, TRACEBACK, 0.41, 48_000_000)
        for number, (start, end, worker, outcome) in enumerate(spans, 1)
    )


def lanes() -> tuple[Lane, ...]:
    return (
        Lane(1, "failed", "web1-2210", before(1579), before(1537), before(1507)),
        Lane(2, "failed", "web1-2212", before(1435), before(1429), before(1399)),
        Lane(3, "discarded", "web1-2211", before(857), before(853), before(825)),
    )


def series(range_: Range = "1h") -> Series:
    rng = random.Random(7)
    count, span = RANGES[range_]
    points = []
    for number in range(count):
        share = number / count
        is_bad = 0.6 < share < 0.76
        level = 1260 + 120 * math.sin(share * 5) + rng.uniform(-50, 50) - (700 if is_bad else 0)
        peak = math.exp(-((share - 0.74) ** 2) / 0.004)
        is_served = range_ == "1h" or number not in (20, 21, 22)
        points.append(
            Point(
                int(level) if is_served else 0, int(rng.uniform(0, 40)) + (280 if is_bad else 0), int(rng.uniform(20, 90)) if is_bad else 0, at=NOW - timedelta(seconds=span * (count - number)),
                wait=Spread(0.05 + 0.4 * peak, 0.22 + 1.3 * peak) if is_served else None, run=Spread(0.2, 1.4), waiting=int(30 + 3400 * max(share - 0.6, 0) * 2.5),
                running=int(rng.uniform(6, 12)), oldest=max(share - 0.76, 0) * 3500, was_served=is_served,
            )
        )
    totals = Totals(72_240, 1_420, 74, 3, 1, Spread(0.048, 0.61), Spread(0.21, 1.4))
    return Series(range_, span, tuple(points), totals, Totals(80_100, 540, 20, 1, 0, Spread(0.044, 0.31), Spread(0.2, 1.2)))


def group(task: str = "images.thumbnail", kind: str = "TimeoutError", message: str = TIMEOUT, jobs: int = 61, ago: float = 120) -> FailureGroup:
    rng = random.Random(jobs)
    counts = tuple(int(rng.uniform(0, 9)) if 28 < n < 48 else 0 for n in range(60))
    return FailureGroup(task, kind, message, jobs, before(3100), before(ago), 482_119, counts, f'state:discarded task:{task} error:"{message}"')


def groups() -> tuple[FailureGroup, ...]:
    return (
        group(),
        group("shop.charge", "CardDeclined", "insufficient_funds", 9, 360),
        group("litequeue.command", "CommandFailed", "exit code 23: some files could not be transferred", 3, 1700),
    )


def queues() -> tuple[QueueRow, ...]:
    rng = random.Random(3)

    def ended(level: float) -> tuple[int, ...]:
        return tuple(int(rng.uniform(level * 0.7, level)) for _ in range(60))

    return (
        QueueRow("default", Count(31), Count(1880), 4, before(0.2), None, ended(900), 812.0, 0.003),
        QueueRow("mail", Count(3380), Count(0), 0, before(840), before(1580), (*ended(400)[:46], *([0] * 14)), 0.0, None),
        QueueRow("images", Count(1), Count(41), 5, before(0.1), None, ended(420), 388.0, 0.064),
        QueueRow("reports", Count(10_000, True), Count(0), 0, None, None, ended(8), 4.0, 0.0),
    )


def workers() -> tuple[WorkerRow, ...]:
    def row(id_: int, note: str, busy: int, rate: float, **given: Any) -> WorkerRow:
        info = WorkerInfo(id_, f"web1-{2207 + id_}", 2207 + id_, "web1", None, {"thread": 8, "process": 2}, before(3 * 86_400 + 60), before(4), None, **given)
        runs = tuple(Related(482_100 + n, "images.thumbnail", "running", before(12 + n)) for n in range(min(busy, 3)))
        return WorkerRow(info, note, {"thread": busy}, rate, 84_000_000, runs)

    return (
        row(3, "", 4, 512.0),
        row(4, "", 3, 488.0, unknown_tasks={"reports.monthly": "No module named 'reports'"}),
        row(5, "no beat for 21 s", 2, 204.0, stuck={"thread": 1}),
    )


def schedule(name: str = "stock-sync", trigger: str = "every hour", state: str = "active", **given: Any) -> ScheduleInfo:
    fields: dict[str, Any] = {
        "why": None, "task": "shop.stock_sync", "args": "[]", "kwargs": "{}", "queue": "default", "priority": 0, "retries": None, "timeout": None,
        "at_most_once": False, "expires": None, "catch_up": "last", "grace": 60.0, "overlap": "skip", "jitter": 0.0, "on_failure": None, "mail_to": "ops@example.org",
        "declared_in": "shop", "next_tick": NOW + timedelta(minutes=24), "last_tick": before(1700), "last_outcome": "missed", "last_reason": "nobody with its code ran",
        "last_job": 480_001, "last_job_state": "succeeded", "ticks": 812, "created_at": before(40 * 86_400), "spec": '{"every": 3600}',
    }  # fmt: skip
    return ScheduleInfo(name=name, trigger=trigger, state=state, **{**fields, **given})


def ticks(kinds: str, seconds: float = 3600) -> tuple[TickInfo, ...]:
    """A letter each: f(ired), l(ate), b(ad), m(issed), s(kipped), r(unning)."""
    outcomes = {"f": "fired", "l": "late", "b": "fired", "m": "missed", "s": "skipped", "r": "fired"}
    found = []
    for number, kind in enumerate(kinds):
        at = before(seconds * (len(kinds) - number))
        state = {"b": "discarded", "r": "running"}.get(kind, "succeeded") if kind not in "ms" else None
        reason = {"m": "nobody with its code ran", "s": "the last one still ran"}.get(kind)
        ended = at + timedelta(seconds=41) if state and kind != "r" else None
        found.append(TickInfo(at, None, at, outcomes[kind], reason, 480_000 + number if state else None, state, at if state else None, ended, TIMEOUT if kind == "b" else None))
    return tuple(found)


def schedules() -> tuple[ScheduleRow, ...]:
    return (
        ScheduleRow(schedule("refresh-feeds", "every 15 minutes", next_tick=NOW + timedelta(minutes=4)), None, ticks("ffffffffff" + "lfffffffff", 900)),
        ScheduleRow(schedule(), None, ticks("ffffffbfff" + "fffffffffm")),
        ScheduleRow(schedule("nightly-backup", "at 02:30", next_tick=NOW + timedelta(hours=11)), "Europe/Berlin", ticks("fffffffffffffff" + "llfff", 86_400)),
        ScheduleRow(schedule("month-report", "at 09:00 on the 1st", "paused", next_tick=None), None, ticks("ffffffffsffb", 2_600_000)),
    )


def histogram() -> Histogram:
    return Histogram((2, 5, 10, 22, 120, 640, 5200, 4100, 1900, 700, 160, 30, 10, 4, 1), Spread(1.4, 6.2))


def frame(**given: Any) -> Frame:
    fields: dict[str, Any] = {
        "now": NOW, "path": "/srv/shop/db.sqlite", "version": "0.9", "file_bytes": 214_000_000, "log_bytes": 3_100_000, "jobs": 1_204_332, "failures": Count(23),
        "queues": 4, "tasks": 11, "workers": 3, "schedules": 9, "flows": 2, "queue_names": ("default", "mail", "images", "reports"), "task_names": ("images.thumbnail", "shop.charge"),
    }  # fmt: skip
    return Frame(**{**fields, **given})


def overview(range_: Range = "1h", **given: Any) -> Overview:
    states = (
        LiveState("available", Count(3412), before(840)),
        LiveState("running", Count(9), before(120)),
        LiveState("scheduled", Count(1880), NOW + timedelta(seconds=12)),
        LiveState("retrying", Count(41), NOW + timedelta(minutes=3)),
        LiveState("blocked", Count(12), None),
    )
    reasons = (
        Reason("paused", "mail", 3380, before(1580)),
        Reason("missed", "stock-sync", 0, before(1700), "nobody with its code ran"),
    )
    fields: dict[str, Any] = {
        "series": series(range_), "states": states, "succeeded_day": 1_204_332, "slots": 24, "busy": 9, "failures": groups(), "failure_groups": Count(23), "queues": queues(),
        "workers": workers(), "schedules": schedules(), "reasons": reasons, "actions": (ActionRow(before(1580), "anna (web)", "pause", "queue mail", 0), ActionRow(before(90), "127.0.0.1", "retry", "state:discarded task:shop.*", 9)),
    }  # fmt: skip
    return Overview(**{**fields, **given})


def jobs_page(text: str = "state:discarded age:<1d", **given: Any) -> JobsPage:
    rows = (
        job(482_119, finished_at=before(120)),
        job(),
        job(481_977, finished_at=before(960)),
        job(481_204, task="images.resize_all", attempt=5, max_attempts=5, last_error="OSError: [Errno 28] No space left on device", finished_at=before(1080)),
        job(480_880, task="shop.charge", queue="default", attempt=1, max_attempts=1, last_error="CardDeclined: insufficient_funds", finished_at=before(1300)),
        job(479_012, task="litequeue.command", queue="default", kwargs='{"argv": ["rsync", "-a", "x", "y"]}', last_error="exit code 23: some files could not be transferred", secret=None),
        job(470_554, task="reports.monthly", queue="reports", attempt=1, max_attempts=1, last_error="Interrupted: 3 workers died while it ran; it is the likely cause", finished_at=before(3700)),
        job(468_100, "running", "shop.charge", last_error=None, finished_at=None, started_at=before(31), attempt=1, max_attempts=None),
        job(455_871, "scheduled", last_error=None, finished_at=None, started_at=None, run_at=NOW + timedelta(minutes=3), attempt=0),
        job(455_870, "succeeded", last_error=None, result="42"),
    )  # fmt: skip
    counts = {"running": Count(9), "available": Count(10_000, True), "scheduled": Count(1880), "retrying": Count(41), "blocked": Count(12), "discarded": Count(308), "cancelled": Count(17), "expired": Count(0)}
    fields: dict[str, Any] = {
        "query": parse(text), "rows": rows, "tabs": tuple((state, counts.get(state)) for state in STATES), "order": "ended", "matching": Count(308), "next": "1700000000000000.455871",
        "newest": 482_119, "newer": 2, "took": 0.002,
    }  # fmt: skip
    return JobsPage(**{**fields, **given})


def pieces() -> tuple[OutputPiece, ...]:
    said = (
        (853.2, "INFO images: fetching https://cdn-2.example/uploads/2026/11/25/IMG_4821.heic"),
        (852.6, "WARNING images: slow, first byte after 571 ms"),
        (842.5, "WARNING images: slow, 10 s, 1.2 of 4.8 MB"),
        (825.1, "ERROR images: read timed out"),
    )
    found = tuple(OutputPiece(3, number, "stderr", before(ago), f"{text}\n") for number, (ago, text) in enumerate(said, 1))
    return (*found, OutputPiece(3, 5, "usage", before(825), '{"exit_code": null, "seconds": 28.0}'))


def job_page(info: JobInfo | None = None, **given: Any) -> JobPage:
    info = info or job()
    same = (Related(482_119, info.task, "discarded", before(120)), Related(482_090, info.task, "succeeded", before(130)), Related(482_031, info.task, "retrying", NOW + timedelta(minutes=3)), Related(481_977, info.task, "discarded", before(360)))  # fmt: skip
    fields: dict[str, Any] = {
        "lanes": lanes(), "why_waiting": None, "holder": None, "cause": None, "kept_until": NOW + timedelta(days=30), "output_attempt": 3, "output": pieces(), "output_before": False,
        "progress": None, "meta": None, "steps": (), "flow": None, "parents": (), "parent_count": 0, "dependants": (), "dependant_count": 0, "run_times": histogram(),
        "same_error": group(), "same_task": same,
    }  # fmt: skip
    return JobPage(job=info, **{**fields, **given})


def running_job_page() -> JobPage:
    """One in the middle of things, with all that a job can have."""
    info = job(
        468_100, "running", "shop.order", args='[8812, {"express": true}]', started_at=before(31), last_error=f"TimeoutError: {TIMEOUT}", attempts=attempts()[:1], attempt=2, failures=1, max_attempts=None,
        unique_key="order:8812", limit_key="stripe:eu", schedule="nightly-backup", scheduled_for=before(1600), headers='{"trace": "00-4bf9"}', at_most_once=True,
        expires_at=NOW + timedelta(hours=2), result='{"ok": true, "total": 12.5}', cancel_requested_at=before(3), cpu_seconds=0.4, max_rss_bytes=48_000_000,
    )  # fmt: skip
    return job_page(
        info, lanes=(lanes()[0], Lane(2, "running", "web1-2211", before(40), before(31), None)), progress=JobProgress(1200, 4800, "sending mails", 40.0, 2, before(1)), meta='{"customer": "Müller"}',
        steps=(StepInfo("charge", '"ch_19"', None, 1, before(1500)), StepInfo("sleep-1", None, before(20), 2, before(30)), StepInfo("paid", None, None, 2, before(10), "order-paid")),
        flow=7, parents=(Related(468_001, "shop.basket", "succeeded", before(1700)),), parent_count=3, dependants=(Related(468_101, "shop.mail", "blocked"),), dependant_count=1,
        same_error=None, holder=468_099, cause=None, output_before=True,
    )  # fmt: skip


def waiting_job_page() -> JobPage:
    info = job(482_300, "available", "mail.send", queue="mail", started_at=None, attempts=(), attempt=0, failures=0, last_error=None, run_at=before(840), worker=None)
    why = "its queue mail is paused"
    return job_page(info, lanes=(), why_waiting=why, output_attempt=None, output=(), same_error=None, run_times=None, same_task=(), kept_until=None)


def failures_page() -> FailuresPage:
    return FailuresPage("1h", groups(), Count(73), Count(2))


def queue_page() -> QueuePage:
    return QueuePage(queues()[1], series(), (("mail.send", Count(3300)), ("mail.digest", Count(80))), jobs_page().rows[-3:], groups()[:1], ((3, "web1-2210"), (4, "web1-2211")))


def task_rows() -> tuple[TaskRow, ...]:
    totals = series().totals
    return (
        TaskRow("images.thumbnail", "shop.images", "/srv/shop", before(86_400), totals, queues()[2].ended, 388.0),
        TaskRow("shop.charge", "shop.pay", "/srv/shop", before(86_400), Totals(300, 2, 9), queues()[0].ended, 5.2, 1),
        TaskRow("reports.monthly", None, None, None, Totals(), (), None, 3),
    )


def task_page() -> TaskPage:
    return TaskPage(task_rows()[0], series(), histogram(), histogram(), jobs_page().rows, ((5, "web1-2212", "No module named 'images'"),), groups()[:1], ("refresh-feeds",))


def worker_page() -> WorkerPage:
    return WorkerPage(workers()[1], jobs_page().rows[-3:-2], jobs_page().rows[:-3])


def workers_page() -> WorkersPage:
    gone = workers()[0]
    return WorkersPage(workers(), (dataclasses.replace(gone, info=dataclasses.replace(gone.info, id=2, stopped_at=before(7200))),))


def schedule_page() -> SchedulePage:
    row = dataclasses.replace(schedules()[2], ticks=ticks("f" * 30 + "lbmsf" * 5 + "fffff", 86_400))
    return SchedulePage(row, tuple(NOW + timedelta(hours=11 + 24 * n) for n in range(5)), histogram())


def flow_page() -> FlowPage:
    rows: list[tuple[int, str, JobState, int]] = [
        (101, "shop.fetch_orders", "succeeded", 0), (102, "shop.invoice", "succeeded", 1), (103, "shop.invoice", "running", 1), (104, "shop.invoice", "discarded", 1),
        (105, "shop.pack", "available", 2), (106, "shop.pack", "cancelled", 2), (107, "shop.report", "blocked", 3),
    ]  # fmt: skip
    nodes = tuple(FlowNode(id_, task, state, layer, before(100), before(60) if layer < 2 else None, TIMEOUT if state == "discarded" else None) for id_, task, state, layer in rows)
    edges = ((101, 102), (101, 103), (101, 104), (102, 105), (103, 105), (104, 106), (105, 107), (106, 107), (101, 107))
    return FlowPage(FlowRow(7, "shop.report", before(200), None, 2, 1, 7), nodes, edges, ())


def large_flow_page() -> FlowPage:
    fans: dict[JobState, int] = {"succeeded": 4000, "running": 8, "blocked": 990, "discarded": 2}
    return FlowPage(FlowRow(8, "shop.report", before(900), None, 4001, 2, 5002), (), (), (FlowGroup("shop.split", 0, {"succeeded": 1}), FlowGroup("shop.part", 1, fans), FlowGroup("shop.report", 2, {"blocked": 1})))


def flows_page() -> FlowsPage:
    return FlowsPage((flow_page().row, large_flow_page().row, FlowRow(6, "shop.done", before(9000), before(8000), 5, 0, 5)), 6)


def doctor_page() -> DoctorPage:
    return DoctorPage((
        Finding("file", "ok", "SQLite finds no damage"),
        Finding("queues", "note", "queue mail is paused, and 3,380 jobs wait in it", "litequeue resume /srv/shop/db.sqlite mail"),
        Finding("workers", "wrong", "web1-2212 (process 2212) is frozen: its last beat was 21 s ago; wake it (kill -CONT 2212) or end it (kill -9 2212)", "kill -CONT 2212"),
    ))  # fmt: skip


def act_page(**given: Any) -> ActPage:
    return ActPage(**{"op": "retry", "query": "state:discarded task:images.thumbnail", "ids": (), "count": Count(61), "rows": jobs_page().rows[:3], **given})


def queues_page() -> QueuesPage:
    return QueuesPage(queues())


def tasks_page() -> TasksPage:
    return TasksPage(task_rows())


def schedules_page() -> SchedulesPage:
    return SchedulesPage(schedules())
