"""``celery-migrate``: what waits in a file goes to Celery, without loss.

Owns the order of steps. Jobs are leased as a worker leases them, twenty at a time, sent under ids that follow from theirs, and then settled; what may run only once is ended first. Who does
this is a worker that has said that it leaves: where it is killed, its jobs are free again, nothing is charged, and who goes on sends them under the same ids. Celery's worker drops the second
copy of a job whose result is there; two copies that run at the same moment are the one thing that this cannot see (of 3,000 jobs under twenty kill -9 none: tests/peers/celery/test_moving.py).
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from celery import Celery

from ..app import LiteQueue
from ..base.checks import aware
from ..base.clock import SystemClock
from ..base.errors import (
    CannotOpen,
    PayloadCorrupt,
    PayloadError,
    PayloadTooLarge,
    UnknownTask,
)
from ..base.log import Log
from ..store import Store
from ..store.moving import CAME_SINCE, Leaving
from ..tasks import TaskCode
from ..worker.config import WorkerConfig
from ..worker.discovery import Catalogue
from ..worker.inbox import Inbox
from ..worker.services.clockwork import Clockwork
from ..worker.services.heartbeat import Heartbeat
from ..worker.services.maintenance import Maintenance
from ..worker.services.service import Service
from .bookkeeping import MOST_CHARACTERS, MOST_ERRORS, Bookkeeping
from .carried import Broker, routed
from .exporting import broker_of
from .wire import wire

log = Log("litequeue.celery")

WHERE: Final = "Celery"
BATCH: Final = 20
LOOK_SECONDS: Final = 0.25  # between two looks of one that follows


class Mover:
    """Moves jobs of one file to a Celery app. ``id`` is that of its place among the file's workers."""

    def __init__(self, store: Store, celery: Celery, broker: Broker, tasks: dict[str, TaskCode], worker: int, lease: int) -> None:
        self._store, self._celery, self._broker, self.tasks = store, celery, broker, tasks
        self._worker, self._lease = worker, lease
        self._clock = SystemClock()
        self._file = store.moving.file_id()
        self._stay: set[int] = set()  # looked at in this round
        self.unreadable: set[int] = set()  # the log has said why
        self.once = {name for name, code in tasks.items() if code.columns.at_most_once}
        self.moved = 0

    def move_all(self, stop: Callable[[], bool]) -> None:
        """What may go now, until nothing more comes of it. Raises what the broker's connection raises; then what was taken is given back."""
        self._stay.clear()
        while (ids := [job for job in self._store.moving.candidates(self._worker, self._clock.now()) if job not in self._stay and job not in self.unreadable]) and not stop():
            for batch in (ids[start : start + BATCH] for start in range(0, len(ids), BATCH)):
                if stop():
                    return
                now = self._clock.now()
                jobs = self._store.moving.take(self._worker, now, now + self._lease, batch, self.tasks, self.once)
                self._stay |= {*batch} - {job.id for job in jobs}
                if jobs:
                    self._move(jobs)

    def _move(self, jobs: Sequence[Leaving]) -> None:
        """What cannot be said in a message stays, and is given back with what was not sent."""
        left = [job for job in jobs if not job.at_most_once]
        sent: list[tuple[Leaving, str]] = []
        try:
            messages = [(job, self._id_of(job), message) for job in jobs if (message := self._storable(job)) is not None]
            with self._celery.producer_or_acquire() as producer:
                producer.connection.ensure_connection(max_retries=1)
                _ = producer.connection.default_channel  # now, and not once something was settled for it
                for job, new, message in messages:
                    if job.at_most_once and not self._store.moving.take_for_good(self._worker, self._clock.now(), job, new, WHERE):
                        continue
                    try:
                        self._celery.tasks[job.task].apply_async(task_id=new, producer=producer, **message)
                    except BaseException:
                        if job.at_most_once:
                            log.error("job %d %s runs at most once, and whether Celery has it is not known: it is not sent again", job.id, job.task)
                        raise
                    if job.at_most_once:
                        self.moved += 1
                    else:
                        left.remove(job)
                        sent.append((job, new))
        finally:
            if sent:
                self._settle(sent)
            if left:
                self._store.moving.give_back(self._worker, self._clock.now(), left)

    def _settle(self, sent: Sequence[tuple[Leaving, str]]) -> None:
        lost, asked = self._store.moving.settle(self._worker, self._clock.now(), sent, WHERE)
        self.moved += len(sent) - len(lost)
        for gone in lost:
            log.error("job %d was taken by another worker meanwhile, and may run there as well as in Celery", gone)
        for job, new in sent:
            if job.id in asked:  # while we held it
                self._celery.control.revoke(new)

    def _id_of(self, job: Leaving) -> str:
        """The same, whoever sends it; and another for a job of this id in a file that was restored from its backup."""
        return f"lq-{self._file}-{job.id}-{job.created_at:x}"

    def _storable(self, job: Leaving) -> dict[str, Any] | None:
        """The message, if it is one that Celery's worker can read."""
        try:
            message = self._message(job)
            wire.dumps((message["args"], message["kwargs"]))
            return message
        except (PayloadCorrupt, PayloadError, PayloadTooLarge, CannotOpen, UnknownTask) as error:
            self.unreadable.add(job.id)
            log.error("job %d %s stays: %s", job.id, job.task, error)
            return None

    def _message(self, job: Leaving) -> dict[str, Any]:
        """What the row says. Raises PayloadCorrupt."""
        code = self.tasks[job.task]
        args, kwargs = code.codec.decode_call(job.args, job.kwargs)
        errors = [(number, kind, str(text)[:MOST_CHARACTERS]) for number, kind, text in json.loads(job.errors or "[]")[-MOST_ERRORS:]]
        book = Bookkeeping(
            job.failures, job.attempt - job.releases - 1, job.max_attempts, job.created_at, tuple(errors), job.headers, job.schedule, moved=True,
        )  # fmt: skip
        timeout = code.columns.timeout if job.timeout is None else job.timeout
        soft = code.columns.soft_timeout if job.soft_timeout is None else job.soft_timeout
        said = routed(self._broker, job.queue, job.priority, timeout, soft)
        return {**said, "args": args, "kwargs": kwargs, "headers": book.as_headers(), "expires": None if job.expires_at is None else aware(job.expires_at)}

    def stays(self) -> list[tuple[str, int]]:
        """What has not gone, by why."""
        states = Counter[str]()
        for _, state, count in self._store.reports.still_to_do():
            states[state] += count
        free = [(why, count - len(self.unreadable) if why == CAME_SINCE else count) for why, count in self._store.moving.still_here(self.tasks, self.once)]
        unreadable = [("that cannot be sent, as the log says", len(self.unreadable))] if self.unreadable else []
        return [*sorted((state, count) for state, count in states.items() if state != "available"), *((why, count) for why, count in free if count > 0), *unreadable]


@contextmanager
def mover(store: Store, app: LiteQueue, celery: Celery, *, is_clock: bool) -> Iterator[tuple[Mover, Callable[[], float]]]:
    """In a block, with its heartbeat; and what keeps the file meanwhile: it puts back the jobs of workers that died, and, where it is the clock, fires schedules' ticks. That says in
    how many seconds it wants to be called again."""
    clock, config = SystemClock(), WorkerConfig()
    broker = broker_of(celery)
    if broker.driver == "amqp":  # a message counts as sent once RabbitMQ has it
        celery.conf.broker_transport_options = {**celery.conf.broker_transport_options, "confirm_publish": True}
    tasks = dict(app._tasks)
    with ExitStack() as stack:
        registration = store.workers.register(
            name=f"{socket.gethostname()}-{os.getpid()}-to-celery", host=socket.gethostname(), wake_port=None, queues=None,
            slots={"thread": 0, "process": 0, "async": 0}, now=clock.now(),
        )  # fmt: skip
        stack.callback(registration.close)
        stack.callback(lambda: store.workers.stopped(registration.id, clock.now()))
        store.workers.leave(registration.id, clock.now())
        inbox = Inbox()
        died: list[BaseException] = []
        catalogue = Catalogue(tasks, path=store.path, origin=None, monotonic=clock.monotonic, declared=app._declared, sources=None, trusts_anyone=store.trusts_anyone)
        clockwork = Clockwork(store, catalogue, clock, config, lambda fires: None)
        maintenance = Maintenance(store, registration.id, clock, config.lease_micros, inbox)
        heartbeat = Heartbeat(store, registration.id, clock, config.lease_micros, inbox)
        service = Service("heartbeat", heartbeat.tick, lambda name, error: died.append(error))
        stack.callback(service.stop)
        service.start()

        def keep() -> float:
            if died:
                raise died[0]
            inbox.drain(0)
            maintenance.look_for_peers()
            return min(maintenance.tick(), clockwork.tick() if is_clock else LOOK_SECONDS, LOOK_SECONDS)

        yield Mover(store, celery, broker, tasks, registration.id, config.lease_micros), keep
