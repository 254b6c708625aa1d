"""What an app has around the enqueue and the run of its jobs: ``app.use(hooks)``, for tracing, reporting of errors, and what frameworks keep by context.

Owns the calls: context managers that are entered in the order of ``use`` and left in the reverse, so that the spans of two libraries nest. One that raises is logged,
and neither the enqueue nor the job hears of it. Imported by those alone whose apps have some.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from ..base import stored
from ..base.errors import InvalidArgument, InvalidType, SoftTimeout, TaskTimeout
from ..base.log import Log
from ..base.outcomes import (
    Cancelled,
    Discarded,
    Failed,
    Replaced,
    Snoozed,
    Succeeded,
    Suspended,
    Timed,
    TimedOut,
)
from ..options.kinds import HEADERS
from .code import Hooks
from .context import JobContext
from .template import Template

log = Log("litequeue.jobs")
T = TypeVar("T")

NAMES: Final = ("enqueue", "run", "ended", "stopping")
STOPPING_SECONDS: Final = 5.0  # for all of a process


class Sent:
    """What is about to be enqueued: ``task``, ``queue``, ``count`` of jobs; ``headers``, a dict to be filled. After it, of one job, its ``id``."""

    def __init__(self, task: str, queue: str, count: int | None, headers: dict[str, Any]) -> None:
        self.task = task
        self.queue = queue
        self.count = count  # None: of an iterator, whose end nobody knows
        self.headers = headers
        self.id: int | None = None


class Ended(NamedTuple):
    """What an execution came to."""

    state: str  # of the job, then: "succeeded", "retrying", "discarded", "cancelled", "scheduled", "blocked", or "available" where its worker stops
    error_type: str | None  # of a failure
    will_retry: bool
    seconds: float


def checked(given: Any) -> Any:
    """Hooks, as ``app.use`` takes them. Raises InvalidType or InvalidArgument."""
    if isinstance(given, type):
        raise InvalidType(f"app.use takes an object: app.use({given.__name__}()), and not the class")
    found = {name: getattr(given, name) for name in NAMES if getattr(given, name, None) is not None}
    if not found:
        raise InvalidArgument(f"app.use takes an object with one of {', '.join(NAMES)}, and {given!r:.100} has none")
    for name, function in found.items():
        if not callable(function) or inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidType(f"{name} of {given!r:.100} must be a plain function, which is called in tasks of all pools")
        if name in ("enqueue", "run") and inspect.isgeneratorfunction(function):
            raise InvalidType(f"{name} of {given!r:.100} must be a context manager: decorate it with @contextlib.contextmanager")
    return given


# What may come to a hook from outside; all else that it raises is its own, and ends nothing.
_FROM_OUTSIDE: Final = (SoftTimeout, KeyboardInterrupt)


class Around:
    """The context managers that the hooks have for this. Raises what comes from outside, once all that were entered are left."""

    def __init__(self, hooks: Iterable[Any], name: str, what: Any, look: Callable[[Any], None] = lambda hook: None) -> None:
        """``look`` is called after each that was entered."""
        self._name = name
        self._entered: list[Any] = []
        for hook in hooks:
            try:
                make = getattr(hook, name, None)
                if make is None:
                    continue
                manager = make(what)
                manager.__enter__()
                self._entered.append(manager)
                look(hook)
            except _FROM_OUTSIDE as error:
                self.leave(error)
                raise
            except BaseException as wrong:  # noqa: BLE001
                _tell(hook, name, wrong)

    def leave(self, error: BaseException | None) -> None:
        """They see it, whatever it is, and change nothing of it."""
        outside: BaseException | None = None
        while self._entered:
            manager, seen = self._entered.pop(), outside or error
            try:
                manager.__exit__(None if seen is None else type(seen), seen, None if seen is None else seen.__traceback__)
            except _FROM_OUTSIDE as came:
                outside = came if came is not seen else outside
            except BaseException as wrong:  # noqa: BLE001
                if wrong is not seen:
                    _tell(manager, self._name, wrong)
        if outside is not None:
            raise outside


def sending(
    hooks: Sequence[Any], template: Template, count: int | None, options: Mapping[str, Any] | None,
    enqueue: Callable[[Mapping[str, Any] | None, dict[str, Any]], T], id_of: Callable[[T], int | None],
) -> T:  # fmt: skip
    """Enqueue with these options, and with what the hooks have put into the headers."""
    given = None if options is None else options.get("headers")
    known: dict[str, Any] = HEADERS.check(given, "headers") if given is not None else stored.loads_as(template.columns.headers, dict)
    sent = Sent(template.task, (options or {}).get("queue") or template.columns.queue, count, dict(known))
    good = dict(known)

    def look(hook: Any) -> None:
        nonlocal good
        try:
            good = HEADERS.check(sent.headers, f"the headers as {type(hook).__qualname__} has filled them")
        finally:
            sent.headers = dict(good)

    around = Around(hooks, "enqueue", sent, look)
    try:
        found = enqueue(options, {name: value for name, value in good.items() if name not in known or known[name] is not value})
        sent.id = id_of(found)
    except BaseException as error:
        around.leave(error)
        raise
    around.leave(None)
    return found


def with_headers(text: str | None, added: Mapping[str, Any]) -> str:
    """The stored ones, and these."""
    return json.dumps({**stored.loads_as(text, dict), **added})


def ended(context: JobContext, timed: Timed) -> None:
    """Tell those that want to know."""
    assert context._code is not None
    said = _as_it_is(context, timed)
    for hook in context._code.hooks.observers:
        _call(hook, "ended", context, said)


def _as_it_is(context: JobContext, timed: Timed) -> Ended:
    outcome = timed.outcome
    retried = isinstance(outcome, Failed) and outcome.delay is not None or isinstance(outcome, TimedOut) and context.will_retry(TaskTimeout())
    kind = "TaskTimeout" if isinstance(outcome, TimedOut) else outcome.type if isinstance(outcome, Failed) else None
    if isinstance(outcome, (Failed, TimedOut)):
        state = "retrying" if retried else "discarded"
    else:
        state = _STATES.get(type(outcome), "available")
    return Ended(state, kind, retried, timed.seconds)


_STATES: Final[dict[type, str]] = {
    Succeeded: "succeeded", Snoozed: "scheduled", Suspended: "scheduled", Replaced: "blocked", Discarded: "discarded", Cancelled: "cancelled",
}  # fmt: skip


def stop(all_hooks: Iterable[Hooks]) -> None:
    """This process ends: what they have buffered can be written. No longer than some seconds."""
    found = {id(hook): hook for hooks in all_hooks for hook in hooks.observers if getattr(hook, "stopping", None) is not None}
    if found:
        thread = threading.Thread(target=_stop, args=(found.values(),), name="litequeue-stopping", daemon=True)
        thread.start()
        thread.join(STOPPING_SECONDS)


def _stop(observers: Iterable[Any]) -> None:
    for hook in observers:
        _call(hook, "stopping")


@functools.cache
def stop_at_exit(hooks: Hooks) -> None:
    """For a process of the pool, once for each app."""
    atexit.register(_stop, hooks.observers)


def _call(hook: Any, name: str, *what: Any) -> None:
    """Of what is no context manager, if it has that."""
    try:
        function = getattr(hook, name, None)
        if function is not None:
            function(*what)
    except BaseException as wrong:  # noqa: BLE001
        _tell(hook, name, wrong)


def _tell(whose: Any, name: str, wrong: BaseException) -> None:
    log.error("%s of %s raised %s: %s", name, f"{type(whose).__module__}.{type(whose).__qualname__}", type(wrong).__name__, wrong, exc_info=wrong)
