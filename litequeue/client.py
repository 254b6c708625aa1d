"""What an app, its tasks and its job handles share: the file, the codec, the clock and the bell.

Owns opening the store at first use (never at import), turning a call and its options into a NewJob, and
ringing the workers after a commit. The faces that users see are ``app``, ``task`` and ``job``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .base import checks
from .base.bell import LOOK, Bell
from .base.clock import Clock
from .base.errors import (
    InvalidArgument,
    InvalidType,
    PayloadError,
    PayloadTooLarge,
    SignatureMismatch,
)
from .base.models import NewJob, TaskOrigin
from .payload import MAX_BYTES, Codec
from .store import Store
from .tasks import MAX_PRIORITY, MAX_RETRIES, TaskCode, check_timeouts

Seconds = float | timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueOptions:
    """The options of one enqueue; None: as the task says."""

    countdown: Seconds | None = None
    eta: datetime | None = None
    expires: Seconds | datetime | None = None
    priority: int | None = None
    queue: str | None = None
    retries: int | None = None
    timeout: Seconds | None = None
    soft_timeout: Seconds | None = None


_NO_OPTIONS = EnqueueOptions()
_NO_KWARGS: Mapping[str, Any] = {}


def database_path(path: object) -> str:
    """The absolute path; made absolute now, so that a later chdir changes nothing."""
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidType(f"the database must be a path, not {type(path).__name__}: {path!r:.100}")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise InvalidType(f"the database's path must be a string, not bytes: {text!r:.100}")
    if not text or text == ":memory:" or "\0" in text:
        raise InvalidArgument(
            f"the database must be a file on disk, since worker processes open it too; not {text!r}"
        )
    return os.path.abspath(text)


def call(args: object, kwargs: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The ``args`` and ``kwargs`` of an enqueue, checked: a list or tuple, and a dict with names."""
    if isinstance(args, (str, bytes)) or not isinstance(args, Iterable):
        raise InvalidType(
            f"args must be a tuple or list of arguments, not {type(args).__name__}: {args!r:.100}; "
            "for one argument write (x,)"
        )
    if kwargs is None:
        return tuple(args), {}
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        raise InvalidType(
            f"kwargs must be a dict of keyword arguments, not {type(kwargs).__name__}: {kwargs!r:.100}"
        )
    return tuple(args), dict(kwargs)


class Client:
    """One file as an app sees it. Safe in any thread and after a fork."""

    def __init__(self, path: object, *, durability: str, clock: Clock) -> None:
        self.path = database_path(path)
        self.durability = checks.one_of(durability, "durability", ("full", "normal"))
        self.clock = clock
        self.codec = Codec()
        self._bell = Bell()
        self._store: Store | None = None
        self._recorded: set[str] = set()
        self.handlers: list[TaskCode] = []  # tasks that are told of discarded jobs

    @property
    def store(self) -> Store:
        """The store; the file is opened, and created if need be, when it is first used."""
        # No lock, which a fork could copy while it is taken: a Store opens nothing until it is used, so
        # two threads that both make one do no harm.
        store = self._store
        if store is None:
            store = self._store = Store(self.path, durability=self.durability)
        return store

    def bind(self, path: str) -> None:
        """Work on the file that the worker serves.

        A worker in another directory imports the module that said ``LiteQueue("db.sqlite")``: what its
        tasks enqueue belongs into the worker's file, not into one beside wherever the worker stands.
        """
        if os.path.realpath(self.path) != os.path.realpath(path):
            self.close()
            self.path = path

    def close(self) -> None:
        store, self._store = self._store, None
        self._recorded.clear()
        if store is not None:
            store.close()
        self._bell.close()

    def ring(self, ports: Iterable[int], byte: bytes = LOOK) -> None:
        self._bell.ring(ports, byte)

    # -- enqueue -----------------------------------------------------------------------------

    def encode_call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        """A call's arguments as stored. Raises PayloadError naming the argument, or PayloadTooLarge."""
        encoded = self.codec.encode(list(args), f"{name}: args") if args else "[]"
        named = self.codec.encode(dict(kwargs), f"{name}: kwargs") if kwargs else "{}"
        if len(encoded) + len(named) > MAX_BYTES:
            raise PayloadTooLarge(
                f"{name}: the arguments take {len(encoded) + len(named):,} bytes when stored; the "
                f"limit is {MAX_BYTES:,}. Store the data elsewhere and pass its path or key"
            )
        return encoded, named

    def enqueue(
        self, code: TaskCode, args: Sequence[Any], kwargs: Mapping[str, Any], options: EnqueueOptions | None
    ) -> int:
        """Store one job of a known task; its id. It is on disk when this returns."""
        code.check_call(args, kwargs)
        texts = self.encode_call(code.name, args, kwargs)
        job = self._new_job(code, texts, options or _NO_OPTIONS)
        job_id, ports = self.store.jobs.enqueue(job, self._origin_of(code))
        self._recorded.add(code.name)
        self._bell.ring(ports)
        return job_id

    def enqueue_many(
        self, code: TaskCode, calls: Iterable[Any], options: EnqueueOptions | None
    ) -> range:
        """Store one job per call, all or none, in one transaction; their ids."""
        template = self._new_job(code, ("", ""), options or _NO_OPTIONS)
        payloads = self._payloads(code, calls)
        ids, ports = self.store.jobs.enqueue_many(template, payloads, self._origin_of(code))
        self._recorded.add(code.name)
        self._bell.ring(ports)
        return ids

    def _payloads(self, code: TaskCode, calls: Iterable[Any]) -> Iterator[tuple[str, str]]:
        position = 0
        try:
            for position, item in enumerate(calls):
                yield self._payload(code, item)
        except (InvalidType, SignatureMismatch, PayloadError, PayloadTooLarge) as error:
            raise type(error)(f"delay_many: item {position}: {error}") from None

    def _payload(self, code: TaskCode, call: Any) -> tuple[str, str]:
        if type(call) is tuple:
            code.check_call(call, _NO_KWARGS)
            text = self.codec.encode_plain(list(call))
            if text is not None:
                return text, "{}"
            return self.encode_call(code.name, call, _NO_KWARGS)
        if type(call) is dict:
            if not all(isinstance(key, str) for key in call):
                raise InvalidType("it has a keyword that is no string")
            code.check_call((), call)
            return self.encode_call(code.name, (), call)
        raise InvalidType(
            f"it must be a tuple of arguments or a dict of keyword arguments, not "
            f"{type(call).__name__}; for one argument write (x,)"
        )

    def enqueue_by_name(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: EnqueueOptions
    ) -> int:
        """Store a job of a task whose code is not here."""
        checks.name(name, "the task's name")
        job_id, ports = self.store.jobs.enqueue(self._job_by_name(name, self.encode_call(name, args, kwargs), options))
        self._bell.ring(ports)
        return job_id

    @staticmethod
    def builtin(name: str) -> TaskCode | None:
        """The code of a task that litequeue brings itself."""
        if not name.startswith("litequeue."):
            return None
        from .commands.command import (  # most programs enqueue none of its jobs
            NAME,
            TASK,
        )

        return TASK if name == NAME else None

    def template(self, task: TaskCode | str, texts: tuple[str, str], options: EnqueueOptions) -> NewJob:
        """A job of a task, known or by its name, that is not enqueued: for schedules, which copy it."""
        return self._job_by_name(task, texts, options) if isinstance(task, str) else self._new_job(task, texts, options)

    def _job_by_name(self, name: str, texts: tuple[str, str], options: EnqueueOptions) -> NewJob:
        """Its options come from what other producers recorded, else from the worker that claims it."""
        origin = self.store.jobs.origin(name)
        defaults = json.loads(origin.options) if origin is not None else {}
        now = self.clock.now()
        run_at = self._run_at(options, now)
        job = NewJob(
            queue=self._queue(options, defaults.get("queue", "default")),
            task=name,
            args=texts[0],
            kwargs=texts[1],
            state="scheduled" if run_at > now else "available",
            pool=defaults.get("pool", "thread"),
            priority=self._priority(options, defaults.get("priority", 0)),
            run_at=run_at,
            max_attempts=self._attempts(options, defaults.get("max_attempts")),
            timeout=_duration(options.timeout, "timeout", defaults.get("timeout")),
            soft_timeout=_duration(options.soft_timeout, "soft_timeout", defaults.get("soft_timeout")),
            at_most_once=defaults.get("at_most_once", 0),
            created_at=now,
            expires_at=self._expires_at(options, now, run_at, defaults.get("expires")),
        )
        check_timeouts(job.timeout, job.soft_timeout)
        if job.at_most_once and job.max_attempts != 1:
            raise InvalidArgument(f"{name} runs at most once, so it takes no retries")
        return job

    def _new_job(self, code: TaskCode, texts: tuple[str, str], options: EnqueueOptions) -> NewJob:
        now = self.clock.now()
        o = code.options
        if options is _NO_OPTIONS:
            expires_at = None if o.expires is None else now + o.expires
            return NewJob(
                o.queue, code.name, *texts, "available", o.pool, o.priority, now, o.max_attempts,
                o.timeout, o.soft_timeout, int(o.at_most_once), now, expires_at,
            )  # fmt: skip
        run_at = self._run_at(options, now)
        timeout = _duration(options.timeout, "timeout", o.timeout)
        soft_timeout = _duration(options.soft_timeout, "soft_timeout", o.soft_timeout)
        check_timeouts(timeout, soft_timeout)
        attempts = self._attempts(options, o.max_attempts)
        if o.at_most_once and attempts != 1:
            raise InvalidArgument(f"{code.name} runs at most once, so it takes no retries")
        return NewJob(
            queue=self._queue(options, o.queue),
            task=code.name,
            args=texts[0],
            kwargs=texts[1],
            state="scheduled" if run_at > now else "available",
            pool=o.pool,
            priority=self._priority(options, o.priority),
            run_at=run_at,
            max_attempts=attempts,
            timeout=timeout,
            soft_timeout=soft_timeout,
            at_most_once=int(o.at_most_once),
            created_at=now,
            expires_at=self._expires_at(options, now, run_at, o.expires),
        )

    def _origin_of(self, code: TaskCode) -> TaskOrigin | None:
        """Where the code is, for the first enqueue of each task by this process."""
        return None if code.name in self._recorded else code.origin

    @staticmethod
    def _run_at(options: EnqueueOptions, now: int) -> int:
        if options.countdown is not None and options.eta is not None:
            raise InvalidArgument("give countdown or eta, not both")
        if options.countdown is not None:
            return now + checks.micros(options.countdown, "countdown")
        if options.eta is not None:
            return max(checks.moment(options.eta, "eta"), 0)
        return now

    @staticmethod
    def _queue(options: EnqueueOptions, default: str) -> str:
        return default if options.queue is None else checks.name(options.queue, "queue")

    @staticmethod
    def _priority(options: EnqueueOptions, default: int) -> int:
        if options.priority is None:
            return default
        return checks.integer(options.priority, "priority", -MAX_PRIORITY, MAX_PRIORITY)

    @staticmethod
    def _attempts(options: EnqueueOptions, default: int | None) -> int | None:
        if options.retries is None:
            return default
        return checks.integer(options.retries, "retries", 0, MAX_RETRIES) + 1

    @staticmethod
    def _expires_at(options: EnqueueOptions, now: int, run_at: int, default: int | None) -> int | None:
        if options.expires is not None:
            expires_at = checks.deadline(options.expires, "expires", now)
        elif default is not None:
            expires_at = now + default
        else:
            return None
        if now < expires_at <= run_at:
            raise InvalidArgument(
                f"the job would expire {(run_at - expires_at) / checks.MICROS:g} s before it is due: expires "
                "counts from the enqueue, not from countdown or eta"
            )
        return expires_at


def _duration(value: object, what: str, default: int | None) -> int | None:
    return default if value is None else checks.micros(value, what, zero=False)
