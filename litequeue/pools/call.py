"""Running one call, and the edge where exceptions become data.

Owns ``run`` (for threads and processes), and what returned values and exceptions mean: whatever the user's
code raises, an Outcome comes out, and nothing of an exception but text goes on. Knows no pool and no store,
and imports no asyncio: 24 of the 150 ms that a worker without coroutines took to start and stop.
"""

from __future__ import annotations

import contextvars
import random
import threading
import traceback
import types
from contextlib import AbstractContextManager
from typing import Any, Final

from ..base import backoff, checks, forkguard
from ..base.clock import Clock
from ..base.errors import (
    Discard,
    InvalidType,
    JobCancelled,
    MemoryExceeded,
    Replace,
    Retry,
    Snooze,
    SoftTimeout,
)
from ..base.homes import home_of
from ..base.log import Log
from ..base.models import EACH
from ..base.outcomes import (
    Cancelled,
    CpuSpent,
    Discarded,
    Failed,
    Interrupted,
    Outcome,
    Replaced,
    Snoozed,
    Succeeded,
    Suspended,
    Timed,
    TimedOut,
)
from ..options.kinds import GRAPH
from ..tasks import TaskCode
from ..tasks.context import JobContext, WaitEnded, _current
from ..tasks.durable import Suspend
from ..tasks.each import call_each
from . import bounded
from .base import Call, Reason

log = Log("litequeue.jobs")

_NOTHING: Final = Succeeded("null")
MAX_MESSAGE: Final = 4096
MAX_TRACEBACK: Final = 64 << 10


def context_of(call: Call, clock: Clock) -> JobContext:
    context = JobContext(call.job, call.max_attempts, call.timeout, clock.now())
    context._database = call.database
    context._opener, context._codec, context._keep_succeeded = call.code.opener, call.code.codec, call.keep_succeeded
    context._trusts_anyone, context._keeps, context._code = call.trusts_anyone, call.keeps, call.code
    return context


def run(call: Call, context: JobContext, clock: Clock, rng: random.Random) -> Timed:
    """Run a call to its end in this thread."""
    begin = clock.monotonic()
    code = call.code
    try:
        args, kwargs = code.codec.decode_call(call.job.args, call.job.kwargs, call.job.inputs)
        # A fresh, empty context: what a task sets in context variables does not leak into the next.
        result = contextvars.Context().run(_enter, context, code, args, kwargs)
        if context._suspended is not None:
            outcome: Outcome = swallowed(context._suspended)
        else:
            outcome = _NOTHING if result is None else succeeded(call, result)
    except BaseException as error:  # noqa: BLE001 - the edge: whatever it is becomes data here
        outcome = from_exception(error, call, rng)
    return Timed(outcome, context.started_at, clock.monotonic() - begin)


def as_it_ended(context: JobContext, timed: Timed) -> Timed:
    """The end of it: what its code came to; of a job that has written its end itself that end. What came after changes nothing, but is said where it is a failure.
    Never raises: the job would run for ever."""
    try:
        if context._progress is not None:
            context._progress.end()
        if context._kept is not None:
            context._kept.end()
        context._host = None
        if context._acknowledged is not None:
            timed = _as_it_wrote_itself(context, timed)
        if context._code is not None and context._code.hooks.observers:
            with forkguard.inside:
                from ..tasks import observers
            observers.ended(context, timed)
    except BaseException as error:
        log.error("job %d %s: at its end: %s: %s", context.id, context._job.label, type(error).__name__, error, exc_info=error)
    return timed


def _as_it_wrote_itself(context: JobContext, timed: Timed) -> Timed:
    assert context._acknowledged is not None
    ended, seconds = context._acknowledged
    if not isinstance(timed.outcome, Succeeded):
        log.error("job %d %s: had ended with its own transaction, as succeeded, and then came to: %s", context.id, context._job.label, said(timed.outcome))
    elif timed.outcome.result not in ("null", ended.result):
        log.warning("job %d %s: had ended with its own transaction: what the task returned is ignored, db.result is what it comes to", context.id, context._job.label)
    return Timed(ended, context.started_at, seconds)


def said(outcome: Outcome) -> str:
    """In one line."""
    if isinstance(outcome, TimedOut):
        return f"TaskTimeout: {still_running(outcome)}"
    if isinstance(outcome, CpuSpent):
        return f"CpuTimeExceeded: {too_much_cpu(outcome)}"
    return f"{outcome.type}: {outcome.message}" if isinstance(outcome, Failed) else type(outcome).__name__.lower()


def still_running(outcome: TimedOut) -> str:
    return f"still running after {outcome.seconds:g} s"


def too_much_cpu(outcome: CpuSpent) -> str:
    return f"cpu_time: more than {outcome.seconds:g} s"


def _enter(context: JobContext, code: TaskCode, args: Any, kwargs: Any) -> Any:
    _current.set(context)
    if code.hooks.around:
        with around(code, context):
            return _called(context, code, args, kwargs)
    return _called(context, code, args, kwargs)


def _called(context: JobContext, code: TaskCode, args: Any, kwargs: Any) -> Any:
    if EACH in kwargs:
        return call_each(context, code.function, args, kwargs)
    return code.function(*args, **kwargs)


def around(code: TaskCode, context: JobContext) -> AbstractContextManager[object]:
    """What the task's app has called around it."""
    with forkguard.inside:
        from ..tasks.hooks import Around
    return Around(code, context)


def succeeded(call: Call, result: Any) -> Outcome:
    """A returned value as an outcome. One that cannot be stored does not undo the success:
    running the job again would repeat its effect."""
    try:
        return Succeeded(call.code.codec.encode_result(result, "the result"))
    except Exception as error:  # noqa: BLE001 - also what a registered encoder raises
        kind = type(result)  # not isinstance, which asks the object
        if kind is types.CoroutineType:
            result.close()
        elif kind not in (types.GeneratorType, types.AsyncGeneratorType):
            return Succeeded(None, message_of(error, call))
    wrong = f"the task returned a {type(result).__name__}, which nobody will run"
    return Failed("TypeError", f"{wrong}: make it async def, or return the values themselves", "", None)


def _graph_of(shape: Any, call: Call) -> list[Any]:
    """What a task wants in its place, as jobs. Their code is recorded here and now."""
    if isinstance(shape, type) or not hasattr(type(shape), GRAPH):
        raise InvalidType(f"Replace takes a signature, a chain or a group, not {type(shape).__name__}: {shape!r:.100}")
    found: list[Any] = getattr(shape, GRAPH)(call.database)
    return found


def swallowed(suspend: Suspend) -> Outcome:
    """Of a task that went on where it was to be put aside."""
    return Failed("RuntimeError", f"the task caught the {type(suspend).__name__} by which its step {suspend.step!r} puts it aside, and went "
                  "on: let BaseException through, or catch Exception", "", None)  # fmt: skip


def never_awaited(step: str) -> Outcome:
    """Of a coroutine that has called a step, and no more."""
    return Failed("RuntimeError", f"step {step!r} was never awaited, and so has not run: write await job.step(...)", "", None)


def from_exception(error: BaseException, call: Call, rng: random.Random) -> Outcome:
    """What an exception means. Never raises, whatever the exception's own methods do."""
    try:
        if call.code.bounds is not None:
            error = bounded.named(error, call.code.bounds)
        return _meaning(error, call, rng)
    except BaseException as second:  # noqa: BLE001 - even isinstance() asks an object that may raise
        delay = None
        if call.job.failures + 1 < call.max_attempts:
            delay = backoff.delay_micros(backoff.DEFAULT, call.job.failures + 1, second, rng)
        trace = f"<no traceback: looking at it raised {type(second).__name__}>"
        return Failed(type_name(error), message_of(error, call), trace, delay)


def _meaning(error: BaseException, call: Call, rng: random.Random) -> Outcome:
    if isinstance(error, Snooze):
        try:
            return Snoozed(checks.span(error.delay, "Snooze(delay)"))
        except Exception as wrong:  # noqa: BLE001 - a wrong delay is a failure
            error = wrong
    if isinstance(error, Retry) and error.delay is not None:
        try:
            checks.span(error.delay, "Retry(delay)")
        except Exception as wrong:  # noqa: BLE001 - a wrong delay is a failure
            error = wrong
    if isinstance(error, Suspend):
        return Suspended(error.step, error.delay, error.until, error.names)
    if isinstance(error, Replace):
        try:
            graph = _graph_of(error.shape, call)
            return Replaced(graph) if graph else Succeeded("[]")
        except Exception as wrong:  # noqa: BLE001 - a wrong shape is a failure
            error = wrong
    if isinstance(error, Discard):
        return Discarded(message_of(error, call))
    if isinstance(error, WaitEnded) or _is_of_a_program_that_ends(error, call):
        return Interrupted(Reason.SHUTDOWN.value)
    if isinstance(error, JobCancelled):
        return Cancelled(message_of(error, call))
    text, trace = message_of(error, call), traceback_of(error, call)
    kind = "TaskTimeout" if isinstance(error, SoftTimeout) else "MemoryExceeded" if type(error) is MemoryExceeded else type_name(error)
    delay = retry_delay(error, call, rng)
    if delay is None and isinstance(error, Retry):
        text += f"; no attempts were left (retries={call.max_attempts - 1})"
    return Failed(kind, text, trace, delay)


def _is_of_a_program_that_ends(error: BaseException, call: Call) -> bool:
    """Whether a task failed since its program's main thread has ended: executors and ``asyncio.to_thread`` start nothing
    more then, whatever the task is."""
    if type(error) is not RuntimeError or threading.main_thread().is_alive():
        return False
    text = message_of(error, call)
    return "interpreter shutdown" in text or text.startswith("cannot schedule new futures after")


def retry_delay(error: BaseException, call: Call, rng: random.Random) -> int | None:
    """Microseconds until the next attempt; None if there is none.

    A backoff function that raises is replaced by the default.
    """
    code, failures = call.code, call.job.failures
    if failures + 1 >= call.max_attempts:
        return None
    try:
        if isinstance(error, Retry) and error.delay is not None:
            return checks.span(error.delay, "Retry(delay)")
        if not code.retries_on(error):
            return None
        return backoff.delay_micros(code.backoff(call.job.kwargs), failures + 1, error, rng)
    except BaseException as wrong:  # noqa: BLE001 - the user's backoff function
        log.warning(
            "job %d %s: its backoff function failed, and the default is used: %s: %s",
            call.job.id, call.job.label, type_name(wrong), message_of(wrong, call),
        )  # fmt: skip
        return backoff.delay_micros(backoff.DEFAULT, failures + 1, error, rng)


# -- exceptions as text, without what in the call is secret --------------------------------------------


def type_name(error: BaseException) -> str:
    """The class's name, with its module unless that is builtins; of a script's own the file's name, as tasks have it: it is the same error
    in whichever program its tasks run."""
    try:
        cls = type(error)
        module = cls.__module__
        if module in ("__main__", "__mp_main__") and (home := home_of(module)) is not None:
            module = home.name
        return storable(cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}", 200)
    except BaseException:  # noqa: BLE001 - the exception's own code
        return "Exception"


def message_of(error: BaseException, call: Call) -> str:
    """str(error), bounded, even if that raises."""
    try:
        return storable(call.without_secrets(str(error)), MAX_MESSAGE)
    except BaseException as second:  # noqa: BLE001 - the exception's own code
        return f"<its __str__ raised {type(second).__name__}>"


def traceback_of(error: BaseException, call: Call) -> str:
    """The traceback's text without our own frames at its top, bounded, keeping both ends."""
    try:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(
            ("litequeue.pools", "litequeue.command", "litequeue.tasks.hooks", "litequeue.compat", "litequeue.django", "litequeue.celery")
        ):
            frames = frames.tb_next
        lines = traceback.format_exception(type(error), error, frames, limit=-100)
        return storable(call.without_secrets("".join(lines)))
    except BaseException as second:  # noqa: BLE001 - the exception's own code
        return f"<no traceback: formatting it raised {type(second).__name__}>"


def storable(text: str, limit: int = MAX_TRACEBACK) -> str:
    """A text that SQLite keeps, bounded, keeping both ends."""
    # Lone surrogates cannot be stored as UTF-8, and SQLite's functions end a text at a NUL.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n... {len(text) - limit:,} characters left out ...\n{text[-half:]}"
    return text
