"""What is said of an alert, and the jobs that say it: a command, a mail, a task.

Owns these words, what a command and a task are given (``event``), and in which queue the jobs lie: one that somebody serves. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from ..base.alerting import Message
from ..base.alertkinds import meaning
from ..base.checks import aware, is_name
from ..base.durations import about
from ..base.models import JobColumns, NewJob
from ..base.records import WorkerInfo
from ..base.stored import loads_as
from ..commands.notices import Listeners, of_alert
from ..store.alerts import Alert
from ..store.rules import QUEUE_OF_ALERTS
from ..tasks import Template

POOLS: Final = ("thread", "process", "async")


def line(alert: Alert, message: Message | None, seen: str) -> str:
    """What is said in one line; ``message``: None for a test."""
    what = meaning(alert.condition)
    if message is None:
        return f"alert {alert.name}, a test: {what}"
    if message.event == "over":
        return f"alert {alert.name} is over, after {about(message.seconds)}: {what}; now {seen}"
    if message.event == "reminder":
        return f"alert {alert.name}, for {about(message.seconds)} so far: {what} ({seen})"
    again = f" again, the {_ordinal(message.times)} time since {aware(message.first_at):%H:%M} UTC" if message.times > 1 else ""
    return f"alert {alert.name}{again}: {what} ({seen})"


def event(alert: Alert, message: Message | None, seen: str, now: int, path: str) -> dict[str, Any]:
    """What a command and a task are given."""
    return {
        "event": "alert", "alert": alert.name, "what": "test" if message is None else message.event, "condition": alert.condition,
        "meaning": meaning(alert.condition), "seen": seen, "at": aware(now).isoformat(), "since": aware(now if message is None else message.since).isoformat(),
        "seconds": 0.0 if message is None else message.seconds, "times": 1 if message is None else message.times, "database": path,
    }  # fmt: skip


def jobs(
    alert: Alert, message: Message | None, seen: str, workers: Sequence[WorkerInfo], paused: Collection[str], host: str, now: int, path: str
) -> list[NewJob]:
    """Those that tell of it; ``workers``: that could run them; ``paused``: queues from which they claim nothing."""
    listeners = Listeners.of((alert.run,), (alert.mail_to,))
    task = None
    if alert.task is not None and is_name(alert.task):
        columns = task_columns(alert.job)
        queue = served(columns.queue, columns.pool, workers, paused)
        task = NewJob(alert.task, "[]", "{}", "available", now, now, None, columns._replace(queue=queue))
    return of_alert(event(alert, message, seen, now, path), line(alert, message, seen), listeners, task, host, served(QUEUE_OF_ALERTS, "async", workers, paused), now)


def served(wanted: str, pool: str, workers: Iterable[WorkerInfo], paused: Collection[str] = ()) -> str:
    """The queue for a job: the one that is wanted, if somebody serves it, else one that somebody does. Where nobody does, that of alerts, which ``alert check`` serves.
    One that is paused is served by nobody, but that of alerts, which who pauses it wants to be silent."""
    able = [worker.queues for worker in workers if worker.slots.get(pool)]
    if any(queues is None or wanted in queues for queues in able) and (wanted == QUEUE_OF_ALERTS or wanted not in paused):
        return wanted
    return next((queue for queues in able for queue in queues or () if is_name(queue) and queue not in paused), QUEUE_OF_ALERTS)


def job_of(template: Template) -> str:
    """What is kept of a task's jobs. All else the worker fills in that claims one, as of a job that is enqueued by name."""
    columns = template.columns
    return json.dumps({"queue": columns.queue, "pool": columns.pool, "priority": columns.priority})


def task_columns(job: str | None) -> JobColumns:
    """The same read again; the defaults where somebody has planted something else."""
    found = loads_as(job, dict)
    queue, pool, priority = found.get("queue"), found.get("pool"), found.get("priority")
    columns = JobColumns()
    return columns._replace(
        queue=queue if isinstance(queue, str) and is_name(queue) else columns.queue, pool=pool if pool in POOLS else columns.pool,
        priority=priority if isinstance(priority, int) and abs(priority) < 2**31 else columns.priority,
    )  # fmt: skip


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
