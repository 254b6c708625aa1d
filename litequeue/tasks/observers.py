"""What an app has around the enqueue and the run of its jobs: ``app.use(hooks)``, for tracing, reporting of errors, and what frameworks keep by context.

Owns the calls: context managers that are entered in the order of ``use`` and left in the reverse, so that the spans of two libraries nest. One that raises is logged,
and neither the enqueue nor the job hears of it. Imported by those alone whose apps have some.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from ..base.errors import InvalidArgument, InvalidType, TaskTimeout
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
from .code import Hooks, Template
from .context import JobContext

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


class Around:
    """The context managers that the hooks have for this."""

    def __init__(self, hooks: Iterable[Any], name: str, what: Any) -> None:
        self._name = name
        self._entered: list[Any] = []
        for hook in hooks:
            make = getattr(hook, name, None)
            if make is not None:
                try:
                    manager = make(what)
                    manager.__enter__()
                except Exception as wrong:  # noqa: BLE001  # of somebody's else; a SoftTimeout is none, and goes on
                    _tell(hook, name, wrong)
                else:
                    self._entered.append(manager)

    def leave(self, error: BaseException | None) -> None:
        """They see it, whatever it is, and change nothing of it."""
        while self._entered:
            manager = self._entered.pop()
            try:
                manager.__exit__(None if error is None else type(error), error, None if error is None else error.__traceback__)
            except Exception as wrong:  # noqa: BLE001
                if wrong is not error:
                    _tell(manager, self._name, wrong)


def sending(
    hooks: Sequence[Any], template: Template, count: int | None, options: Mapping[str, Any] | None, enqueue: Callable[[Mapping[str, Any] | None], T],
    id_of: Callable[[T], int | None],
) -> T:  # fmt: skip
    """Enqueue with these options and what the hooks put into the headers."""
    said = dict(options or {})
    given = said.get("headers")
    known = HEADERS.check(given, "headers") if given is not None else _known(template)
    sent = Sent(template.task, said.get("queue") or template.columns.queue, count, dict(known))
    around = Around(hooks, "enqueue", sent)
    try:
        if sent.headers != known:
            try:
                said["headers"] = HEADERS.check(sent.headers, "the headers that app.use's hooks have filled")
            except (TypeError, ValueError) as wrong:
                log.error("%s: enqueued without: %s", template.task, wrong)
        found = enqueue(said or None)
        sent.id = id_of(found)
    except BaseException as error:
        around.leave(error)
        raise
    around.leave(None)
    return found


def _known(template: Template) -> dict[str, Any]:
    import json

    text = template.columns.headers
    return {} if text is None else json.loads(text)


def ended(context: JobContext, timed: Timed) -> None:
    """Tell those that want to know."""
    assert context._code is not None
    said = _as_it_is(context, timed)
    for hook in context._code.hooks.observers:
        function = getattr(hook, "ended", None)
        if function is not None:
            try:
                function(context, said)
            except Exception as wrong:  # noqa: BLE001
                _tell(hook, "ended", wrong)


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
        thread = threading.Thread(target=_stop, args=(list(found.values()),), name="litequeue-stopping", daemon=True)
        thread.start()
        thread.join(STOPPING_SECONDS)


def _stop(hooks: Sequence[Any]) -> None:
    for hook in hooks:
        try:
            hook.stopping()
        except Exception as wrong:  # noqa: BLE001
            _tell(hook, "stopping", wrong)


@functools.cache
def stop_at_exit(hooks: Hooks) -> None:
    """For a process of the pool, once for each app."""
    atexit.register(lambda: _stop([hook for hook in hooks.observers if getattr(hook, "stopping", None) is not None]))


def _tell(whose: Any, name: str, wrong: Exception) -> None:
    log.error("%s of %s raised %s: %s", name, f"{type(whose).__module__}.{type(whose).__qualname__}", type(wrong).__name__, wrong, exc_info=wrong)
