"""What a job does once, however often it runs: steps whose results are stored, sleep, and waiting for events.

Owns the names under which those are stored, and what a job that runs again is given of them. By name and never by position: code that was
changed, or runs several at once, finds what is its own. The clock is not asked here: when a wait is over is seen by
``run_at`` of the job, which only moves on when the worker's clock has come to it.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Generator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from ..base import checks
from ..base.errors import (
    EventTimeout,
    InvalidArgument,
    InvalidType,
    LeaseLost,
    NotInATask,
    PayloadCorrupt,
)
from ..base.models import ClaimedJob
from ..payload import Codec

if TYPE_CHECKING:
    from ..base.outcomes import Succeeded

MOST: Final = 10_000  # steps of one job
LONGEST: Final = 200  # characters of a name

_inside: ContextVar[str | None] = ContextVar("litequeue_step", default=None)


class Suspend(BaseException):
    """Ends an execution that sleeps or waits. No Exception, so that no task takes it for a failure."""

    def __init__(self, step: str, delay: int | None, until: int | None, names: Sequence[str] = ()) -> None:
        super().__init__(f"the job is put aside in its step {step!r}; let this through: it goes on from there later")
        self.step = step
        self.delay = delay
        self.until = until
        self.names = list(names)


class Ready:
    """What a coroutine awaits where there is nothing to wait for any more."""

    def __init__(self, value: Any = None) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value
        yield  # a generator, then


class Durable:
    """The part of a running job that remembers."""

    __slots__ = ("_acknowledged", "_codec", "_job", "_keep_succeeded", "_keys", "_names", "_open", "_opener", "_suspended")
    _job: ClaimedJob
    started_at: int  # wall clock, microseconds

    def __init__(self) -> None:
        self._opener: Callable[[], Any] | None = None  # the store of the task's app, which is not known down here
        self._codec: Codec | None = None
        self._names: dict[str, itertools.count[int]] = {}
        self._keys: dict[str, object] = {}
        self._open: dict[str, Any] = {}  # steps of a coroutine, itself, and once it runs a future of its end
        self._acknowledged: tuple[Succeeded, float] | None = None  # it has ended itself, so long after its start
        self._keep_succeeded = 0  # microseconds that it is kept then
        self._suspended: Suspend | None = None  # it was asked to end, and is to

    def step(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """``function(*args, **kwargs)``, once: what it returns is stored, durably, and given back without calling it when the job
        runs again, be it after a failure, a crash or a deploy. An exception is stored nowhere: the attempt fails, and its retry comes
        back to this step. In a coroutine: ``await job.step(...)``, with a function of either kind.

        ``name``: of this step within the job; one that comes again is ``name#2``, in the order of the calls. A step that ran, and was
        not stored before a crash, runs again: make what it does repeatable, by an id that the other side knows. Raises LeaseLost
        where another worker runs the job by now, InvalidArgument for a step inside a step, or more than 10,000 of
        them, PayloadError for a result that cannot be stored.
        """
        key = self._key(name)
        if not callable(function):
            raise InvalidType(f"step {key!r} takes a function and its arguments, not what it came to: step({name!r}, function, ...), and not {function!r:.100}")
        if self._job.pool == "async":
            step = self._open[key] = self._step_async(key, function, args, kwargs)
            return step
        found = self._find(key)
        if found is not None and found[0] is not None:
            return self._stored(found[0], key)
        token = _inside.set(key)
        try:
            value = function(*args, **kwargs)
        finally:
            _inside.reset(token)
        if inspect.iscoroutine(value):
            value.close()
            raise InvalidType(f"step {key!r}: {name_of(function)} is a coroutine function, and only an async def task can await it")
        self._keep(key, value)
        return value

    async def _step_async(self, key: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        from asyncio import get_running_loop, to_thread

        ended = self._open[key] = get_running_loop().create_future()
        try:
            found = await to_thread(self._find, key) if self._may_have_steps else None
            if found is not None and found[0] is not None:
                return self._stored(found[0], key)
            token = _inside.set(key)
            try:
                value = function(*args, **kwargs)
                if inspect.isawaitable(value):
                    value = await value
            finally:
                _inside.reset(token)
            await to_thread(self._keep, key, value)
            return value
        finally:
            self._open.pop(key, None)
            ended.set_result(None)

    async def _end_of_steps(self) -> str | None:
        """Once none runs any more: where several run at once, and one of them fails or puts the job aside, what the others do is not to
        be done again. A step that was never awaited."""
        from asyncio import sleep, wait

        if self._open:
            await sleep(0)  # one that has just been made a task of its own begins
        while running := [step for step in self._open.values() if not inspect.iscoroutine(step)]:
            await wait(running)
        for step in self._open.values():
            step.close()  # without Python's own words, which name no job
        return next(iter(self._open), None)

    def sleep(self, duration: Any, *, name: str = "sleep") -> Any:
        """Put the job aside for so long, in which it holds no slot and no thread: it is ``scheduled``, and runs from its beginning then,
        with what its steps came to. ``await job.sleep(...)`` in a coroutine. Counts as no failure. By the worker's clock."""
        delay = checks.span(duration, "sleep(duration)")
        key = self._key(name)
        found = self._find(key)
        if found is None:
            self._suspend(Suspend(key, delay, None))
        elif found[1] is not None and self._job.run_at < found[1]:  # woken before its time
            self._suspend(Suspend(key, None, found[1]))
        return Ready() if self._job.pool == "async" else None

    def wait_for(self, event: str | Sequence[str], *, timeout: Any = None, name: str | None = None) -> Any:
        """Put the job aside until somebody emits an event of this name (``app.emit``, the command ``emit``, plain SQL), at most
        ``timeout`` (None: for ever). Its payload; of several names, of which the first that comes counts, ``(name, payload)``. An event
        that was emitted before, and is still kept, counts at once. ``await job.wait_for(...)`` in a coroutine.

        Raises EventTimeout, then and each time that the job comes here again.
        """
        if not isinstance(event, (str, list, tuple)):  # of a set the first is another one in the next process
            raise InvalidType(f"wait_for takes a name, or a list of names, not {type(event).__name__}: {event!r:.100}")
        names = [event] if isinstance(event, str) else list(event)
        for one in names:
            check_name(one, "wait_for(event)")
        if not names:
            raise InvalidArgument("wait_for takes the name of an event, or several: not none")
        delay = None if timeout is None else checks.span(timeout, "timeout")
        key = self._key(name or f"wait_for:{names[0]}"[:LONGEST])
        found = self._find(key)
        if found is None:
            self._suspend(Suspend(key, delay, None, names))
        value, until, came = found or (None, None, None)
        if value is None:
            if until is None or self._job.run_at < until:
                self._suspend(Suspend(key, None, until, names))
            raise EventTimeout(f"job {self._job.id}: no event {' or '.join(map(repr, names))} came in time")
        try:
            assert self._codec is not None
            payload = self._codec.decode(value)
        except PayloadCorrupt as error:
            raise PayloadCorrupt(f"what was stored as the event {came!r} is no payload: {error}; emit it again with replace=True, and retry "
                                 "the job from_start") from error  # fmt: skip
        given = payload if isinstance(event, str) else (came, payload)
        return Ready(given) if self._job.pool == "async" else given

    # -- how they are stored -------------------------------------------------------------------------------

    @property
    def _may_have_steps(self) -> bool:
        """A first execution pays for no look."""
        return self._job.execution > 1

    def _store(self) -> Any:
        if self._opener is None:
            raise NotInATask("this job has no file: its task belongs to no app")
        return self._opener()

    def _key(self, name: str) -> str:
        check_name(name, "the step's name")
        around = _inside.get()
        if around is not None:
            raise InvalidArgument(f"step {name!r} is inside step {around!r}: a step is stored as a whole; put them one after the other")
        if len(self._keys) >= MOST:
            raise InvalidArgument(f"a job may have {MOST:,} steps: make a workflow of it, or let each step do more")
        numbers, mine = self._names.setdefault(name, itertools.count(1)), object()
        while True:  # each atomic: threads of a task may call steps at once
            number = next(numbers)
            key = name if number == 1 else f"{name}#{number}"
            if self._keys.setdefault(key, mine) is mine:  # nobody has named a step like the second of another name
                return key

    def _find(self, key: str) -> tuple[str | None, int | None, str | None] | None:
        if not self._may_have_steps:
            return None
        found: tuple[str | None, int | None, str | None] | None = self._store().steps.find(self._job.id, key)
        return found

    def _keep(self, key: str, value: Any) -> None:
        assert self._codec is not None
        text = self._codec.encode_step(value, key)
        if not self._store().steps.keep(self._job.id, self._job.attempt, key, text):
            raise LeaseLost(f"job {self._job.id}: its attempt {self._job.execution} is not the one that counts any more, so the result "
                            f"of step {key!r} was not stored")  # fmt: skip

    def _stored(self, text: str, key: str) -> Any:
        assert self._codec is not None
        return self._codec.decode_step(text, key)

    def _suspend(self, suspend: Suspend) -> None:
        self._suspended = suspend
        raise suspend


def check_name(value: object, what: str) -> str:
    """Of a step or an event: a line of at most 200 characters."""
    text = checks.utf8_line(value, what)
    if len(text) > LONGEST:
        raise InvalidArgument(f"{what} may have {LONGEST} characters, not {len(text)}: {text!r:.100}")
    return text


def name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", function))
