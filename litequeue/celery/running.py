"""A call in a Celery worker: run as one of our workers runs it, and Celery told what it came to.

Owns that translation, in both directions. The function runs in a fresh context with ``current_job()``, and its exceptions mean what they mean in ``pools/call``, which decides; here an
outcome becomes what Celery does: a retry, a failure, a revoked task. Nothing is stored here but what Celery stores.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from celery.exceptions import Ignore, Reject, TaskRevokedError
from celery.states import REVOKED

from ..base import checks
from ..base.checks import MICROS
from ..base.clock import SystemClock, system_random
from ..base.errors import (
    CannotOpen,
    Discard,
    LitequeueError,
    ProcessDied,
    ResultNotStored,
    SoftTimeout,
    TaskTimeout,
)
from ..base.models import ClaimedJob
from ..base.outcomes import (
    Cancelled,
    Discarded,
    Failed,
    Interrupted,
    Outcome,
    Replaced,
    Snoozed,
    Succeeded,
    Suspended,
    Timed,
)
from ..pools.base import Call
from ..pools.call import around, as_it_ended, from_exception, succeeded
from ..results import rebuilt
from ..store.rules import MAX_INTERRUPTIONS
from ..tasks.context import _current
from . import remembered
from .bookkeeping import Bookkeeping
from .context import CeleryContext
from .wire import Quiet

Exported = Any  # the Celery task, a ``task.Exported``, which calls this
NOT_STORED: Final = "litequeue.not_stored"  # the key of a dict that stands for a result which cannot be carried: why
_clock: Final = SystemClock()
_random: Final = functools.cache(system_random)  # by whoever runs tasks


def run(task: Exported, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What Celery calls. Returns the result, or raises what Celery takes for anything else."""
    book = Bookkeeping.of(task.request.headers)
    if book.moved and remembered.has_ended(task):
        raise Ignore  # the other copy of it has run: its mover was killed between sending and writing that down
    if book.due_at is not None:
        left, book = book.due_at - _clock.now(), book._replace(due_at=None)
        if left > 0:
            raise _again(task, left, book, None)
    _refuse_a_killer(task, book)
    remembered.begins(task)
    call, context = _begun(task, book, args, kwargs)
    begin = _clock.monotonic()
    value, error = None, None
    try:
        value = contextvars.Context().run(_called, context, task, args, kwargs)
        outcome = succeeded(call, value)
    except BaseException as raised:  # noqa: BLE001 - the edge: whatever it is, it means something
        error = raised
        outcome = from_exception(raised, call, _random())
    timed = as_it_ended(context, Timed(outcome, context.started_at, _clock.monotonic() - begin))
    return _tell(task, book, timed.outcome, value, error)


def _called(context: CeleryContext, task: Exported, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    _current.set(context)
    code = task.code
    with _soft_timeouts(task), around(code, context) if code.hooks.around else contextlib.nullcontext():
        if not code.is_async:
            return code.function(*args, **kwargs)
        import asyncio  # a loop for each, since the slot has none

        return asyncio.run(code.function(*args, **kwargs))


def _begun(task: Exported, book: Bookkeeping, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, CeleryContext]:
    """The attempt as our own code knows it."""
    request, code, now = task.request, task.code, _clock.now()
    try:
        texts: tuple[str, str] = code.codec.encode_call(code.name, args, kwargs)  # for what is secret, and for backoff
    except LitequeueError:
        texts = ("[]", "{}")
    hard, soft = request.timelimit or (None, None)
    queue = (request.delivery_info or {}).get("routing_key")
    created_at = book.created_at or now
    due = created_at if request.eta is None else checks.moment(_moment(request.eta), "eta")
    columns = code.columns
    job: Any = ClaimedJob(
        request.id, book.executions + 1, 0, code.name, *texts, "default" if queue in (None, task.app.conf.task_default_queue) else queue, columns.pool,
        columns.priority, book.failures, 0, book.max_attempts, None, None, columns.at_most_once, max(created_at, due), created_at,
        [list(error) for error in book.errors] or None, None, book.schedule,
    )  # fmt: skip
    max_attempts = columns.max_attempts if book.max_attempts is None else book.max_attempts
    assert max_attempts is not None
    limit = soft if soft is not None and columns.soft_timeout is None else hard
    timeout = None if limit is None else int(limit * MICROS)
    context = CeleryContext(job, max_attempts, timeout, now, book, request.hostname)
    context._codec, context._code = code.codec, code
    return Call(job, code, max_attempts, timeout, None, ""), context


def _moment(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


def _refuse_a_killer(task: Exported, book: Bookkeeping) -> None:
    """Raise ProcessDied for a job under which so many workers have died as convict one of ours; Celery would run it for ever. Counted where the
    result backend can count."""
    request = task.request
    if not (request.delivery_info or {}).get("redelivered"):
        return
    count = remembered.counted_starts(task, book.executions)
    if count >= MAX_INTERRUPTIONS:
        raise ProcessDied(f"{count} workers died while it ran; it is the likely cause")


# -- what it came to ----------------------------------------------------------------------------------


def _tell(task: Exported, book: Bookkeeping, outcome: Outcome, value: Any, error: BaseException | None) -> Any:
    match outcome:
        case Succeeded(result, note):
            if result is None:
                if task.request.chain or task.request.chord or task.request.callbacks:
                    raise ResultNotStored(note) from None  # what comes after it would be given what it did not come to
                return {NOT_STORED: note}
            return Quiet(value) if '"$int"' in result else value
        case Failed(kind, message, _, delay) if delay is not None:
            raise _again(task, delay, book.after_a_failure(kind, message), error)
        case Snoozed(delay):
            raise _again(task, delay, book.after_a_snooze(), None)
        case Failed(kind, message):
            raise _final(task, kind, message, error) from None
        case Discarded(reason):
            raise Discard(reason) from None
        case Cancelled(reason):
            task.update_state(state=REVOKED, meta=TaskRevokedError(reason))
            raise Ignore from None
        case Interrupted():
            raise Reject("its program ends", requeue=not task.code.columns.at_most_once) from None
        case Suspended() | Replaced():
            raise CannotOpen(f"{task.name} sleeps, waits for events or puts other jobs in its place, for which Celery has no counterpart") from None
    raise AssertionError(outcome)


def _again(task: Exported, delay: int, book: Bookkeeping, error: BaseException | None) -> BaseException:
    """Send it once more, and say so; after as much of the delay as the broker lets a message wait. Where that cannot be had it is handed back, and not lost."""
    longest = task.litequeue_broker().longest
    if longest is not None and delay > longest * MICROS:
        book = book._replace(due_at=_clock.now() + delay)
        delay = int(longest * MICROS)
    try:
        shown = error if isinstance(error, Exception) and task.code.secret is None else None
        # None: that it was to begin by some time has come true.
        sent: BaseException = task.retry(exc=shown, countdown=delay / MICROS, headers=book.as_headers(), expires=None, throw=False)
        return sent
    except Reject as failed:
        handed_back: BaseException = Reject(failed.reason, requeue=True)
        return handed_back


def _final(task: Exported, kind: str, message: str, error: BaseException | None) -> Exception:
    """What Celery stores of it. Of an error that is no Exception, which would end the worker, and of one that tells what is secret, another of its name."""
    if isinstance(error, SoftTimeout):
        return TaskTimeout(message)
    if isinstance(error, Exception) and task.code.secret is None:
        return error
    known = rebuilt(kind, message)
    if isinstance(known, Exception):
        return known
    module, _, name = kind.rpartition(".")
    made: Exception = type(name, (Exception,), {"__module__": module or "builtins"})(message)
    return made


# -- timeouts -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _soft_timeouts(task: Exported) -> Iterator[None]:
    """Have Celery's soft time limit raise our SoftTimeout in the task. Of prefork, whose processes are sent SIGUSR1; in threads Celery knows no limits."""
    if not any(task.request.timelimit or ()) or threading.current_thread() is not threading.main_thread():
        yield
        return
    soft = task.code.columns.soft_timeout is not None
    runs = True

    def come(number: int, frame: FrameType | None) -> None:
        if runs:  # else it came as the task ended, which is as good as in time
            limits = task.request.timelimit or (None, None)
            raise SoftTimeout() if soft else SoftTimeout(f"still running after {limits[1]:g} s")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGUSR1, come)
    try:
        yield
    finally:
        runs = False
        signal.signal(signal.SIGUSR1, before)
