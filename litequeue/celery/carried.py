"""What a task's options and an enqueue become on Celery, and what cannot be carried over.

Owns that table (the guide's chapter celery has it in words): pure, but for the warnings. Refused is what would come to something else than was asked for, at the enqueue; warned of, where
the app is exported, what Celery has no counterpart for.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from ..base.checks import MICROS, aware
from ..base.errors import InvalidArgument
from ..given import expires_at_of, run_at_of
from ..options import EnqueueOptions, checked, stored
from ..tasks import TaskCode, Template, columns_of
from .bookkeeping import Bookkeeping
from .wire import NAME

HARD_AFTER: Final = 5.0  # seconds between a timeout, which is raised in the task, and the end of its process
MARGIN: Final = 60.0  # seconds between the latest start of a job and the moment at which the broker hands it out again
# Brokers that hand a message out again which nobody has acknowledged for so long: also one that waits in a worker for its time.
VISIBILITY: Final = {"redis": 3600.0, "sqs": 1800.0, "slmq": 1800.0, "pgmq": 1800.0}
_NO_CALLBACKS: Final = "Celery's own link= and link_error= are said where a Celery task is called"
_REFUSED: Final = {
    "after": "a chain of Celery's own (celery.chain) says what follows what",
    "on_success": _NO_CALLBACKS,
    "on_failure": _NO_CALLBACKS,
    "unique": "Celery has no jobs that are there only once",
}


class NotCarried(UserWarning):
    """Something that the app's tasks or schedules say, and Celery does not do."""


class Broker(NamedTuple):
    """What matters of it here."""

    driver: str  # "redis", "amqp", ...
    visibility: float | None  # seconds

    @classmethod
    def of(cls, driver: str, options: Mapping[str, Any]) -> Broker:
        usual = VISIBILITY.get(driver)
        return cls(driver, None if usual is None else float(options.get("visibility_timeout") or usual))

    @property
    def longest(self) -> float | None:
        """Seconds for which a message may wait for its time in a worker; None: as long as it likes."""
        return None if self.visibility is None else max(self.visibility - MARGIN, 1.0)

    def rank(self, priority: int) -> int:
        """Of ours, higher first, any integer: RabbitMQ's 0 to 9, higher first; else Redis' four steps of those, lower first."""
        if self.driver == "amqp":
            return min(max(4 + priority, 0), 9)
        return 6 if priority == 0 else 9 if priority < 0 else 3 if priority == 1 else 0


def message_options(broker: Broker, task: Template, options: Mapping[str, Any] | None, now: int) -> dict[str, Any]:
    """The options of Celery's ``apply_async`` for an enqueue with ours. Raises InvalidArgument or InvalidType for what it cannot take, and for what
    Celery cannot do."""
    given = checked(EnqueueOptions, options or {}, "an enqueue")
    for name, instead in _REFUSED.items():
        if given.get(name) is not None and not (name == "unique" and given[name] is False):
            raise InvalidArgument(f"{name} has no counterpart in Celery, where the jobs of this app are: {instead}")
    if given.get("at_most_once") and not task.columns.at_most_once:
        raise InvalidArgument(f"on Celery a task says itself that it runs at most once: @app.task(at_most_once=True) for {task.task}, or leave it out here")
    if given.get("tags"):
        warnings.warn(NotCarried(f"tags of a job of {task.task} say nothing on Celery, which has no counterpart"), stacklevel=2)
    columns = columns_of(task, stored(EnqueueOptions, given))
    run_at = run_at_of(given, now)
    expires_at = expires_at_of(given, task.expires, now, run_at)
    _refuse_too_late(broker, (run_at - now) / MICROS)
    found = routed(broker, columns.queue, columns.priority, columns.timeout, columns.soft_timeout)
    if run_at > now:
        found["eta"] = aware(run_at)
    if expires_at is not None:
        found["expires"] = aware(expires_at)
    found["headers"] = Bookkeeping(max_attempts=columns.max_attempts, created_at=now, headers=columns.headers).as_headers()
    return found


def routed(broker: Broker, queue: str, priority: int, timeout: int | None, soft_timeout: int | None) -> dict[str, Any]:
    """What every message of a job says, whoever makes it; ``default`` is the Celery app's own default queue."""
    said = {**limits_of(timeout, soft_timeout), "priority": broker.rank(priority), "serializer": NAME}
    return said if queue == "default" else {**said, "queue": queue}


def limits_of(timeout: int | None, soft_timeout: int | None) -> dict[str, float | None]:
    """A timeout is raised in the task, as that of a thread here, so that the attempt can be retried; who does not heed it is killed a little later."""
    hard = None if timeout is None else timeout / MICROS
    if soft_timeout is not None:
        return {"soft_time_limit": soft_timeout / MICROS, "time_limit": hard}
    return {"soft_time_limit": hard, "time_limit": None if hard is None else hard + HARD_AFTER}


def _refuse_too_late(broker: Broker, seconds: float) -> None:
    if broker.longest is not None and seconds > broker.longest:
        raise InvalidArgument(
            f"a job that waits for {seconds:g} s in a Celery worker would be handed out again and again: {broker.driver} does so after its visibility_timeout of "
            f"{broker.visibility:g} s. Raise broker_transport_options[\"visibility_timeout\"], or leave such jobs in the file, and run "
            "`python -m litequeue celery-migrate DB -A ... --follow`, which moves them when they are due"
        )


def warn_of_tasks(tasks: Iterable[TaskCode], discarded: Iterable[Any]) -> None:
    """Once for each option that tasks use and Celery has no counterpart for."""
    found: dict[str, list[str]] = defaultdict(list)
    for code in tasks:
        for option in _not_carried(code):
            found[option].append(code.name)
    if list(discarded):
        found["@app.on_discarded"].append("the app")
    for option, names in found.items():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        warnings.warn(NotCarried(f"{option} of {', '.join(names[:5])}{more} does nothing on Celery, which has no counterpart"), stacklevel=3)


def _not_carried(code: TaskCode) -> Iterable[str]:
    template = code.template
    if template.unique is not None:
        yield "unique"
    if code.limit_name is not None:
        yield "max_running, rate or limit"
    if code.bounds is not None:
        yield "memory, cpu_time or nice"
    if template.callbacks:
        yield "on_success or on_failure"
    if code.columns.tags is not None:
        yield "tags"
    if code.codec.writes is not None:
        yield "codec"
    if not code.keeps:
        yield "output"
    if code.result_ttl is not None:
        yield "result_ttl (result_expires is the Celery app's)"

