"""What a test is told of the jobs that have failed.

Owns which exception a test gets: the one that the task raised, where it is at hand, so that its traceback leads to the line; and that what is meant for the test
itself, such as Ctrl-C, is never taken for a job's failure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from ..client import Client
from ..job import Job
from ..pools.base import Call
from ..tasks.context import JobContext
from .enqueued import infos_of

if TYPE_CHECKING:
    from ..base.records import JobInfo

__tracebackhide__ = True

MOST: Final = 10_000  # executions at one moment of time
_OF_TASKS: Final = ("builtins", "asyncio", "litequeue")  # whose exceptions a task may raise that are no Exception


class Failures:
    """Those of one test."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last: dict[int, BaseException | None] = {}  # by job
        self._told: set[tuple[int, int]] = set()  # discarded jobs, with the execution

    def heard(self, job: JobContext, error: BaseException | None) -> None:
        """An ``app.after_run``."""
        self._last[job.id] = error

    def failed(self) -> list[JobInfo]:
        return sorted(infos_of(self._client, "discarded"), key=lambda info: info.id)

    def refuse_to_go_on(self, call: Call, count: int = 1) -> None:
        """Raises what is meant for the test, and AssertionError once there is no end to be seen."""
        error = self._last.get(call.job.id)
        if _is_for_the_test(error):
            raise error
        if count >= MOST:
            raise AssertionError(f"{MOST:,} jobs have run without any time passing, the last one of {call.job.task}: does it enqueue itself, or snooze for no time?")

    def take_in(self, *, check: bool) -> None:
        """What was discarded since the last time; ``check``: raise for the first of it."""
        new = [info for info in self.failed() if (info.id, info.attempt) not in self._told and not _is_for_the_test(self._last.get(info.id))]
        self._told.update((info.id, info.attempt) for info in new)
        if new and check:
            first = min(new, key=lambda info: (info.finished_at, info.id))
            more = f", and {len(new) - 1} more were discarded: see queue.failed" if len(new) > 1 else ""
            self._raise(Job(self._client, first.id), f"job {first.id} {first.task} was discarded at attempt {first.attempt}{more}")

    def result(self, handle: Job[Any], said: Callable[[], str]) -> Any:
        """Of a job that has run once."""
        state = handle.state
        if state == "discarded":
            info = handle.info()
            self._told.add((info.id, info.attempt))
        if state != "succeeded" and (state in ("discarded", "retrying") or handle.done()):
            self._raise(handle, f"job {handle.id} is {state}")
        if state != "succeeded":
            raise AssertionError(f"{said()}: the job has not ended, and queue.advance(...) goes on with it")
        return handle.get(timeout=0)

    def _raise(self, handle: Job[Any], note: str) -> None:
        error = self._last.get(handle.id)
        if not isinstance(error, Exception):
            handle.get(timeout=0)  # raises JobFailed, with what is stored
            return
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(("litequeue.pools", "litequeue.tasks.hooks", __package__)):
            trace = trace.tb_next  # to where the task begins
        raise error.with_traceback(trace)


def _is_for_the_test(error: BaseException | None) -> TypeGuard[BaseException]:
    """Ctrl-C, and what test runners end a test by."""
    own = error is None or isinstance(error, Exception) or type(error).__module__.partition(".")[0] in _OF_TASKS
    return isinstance(error, KeyboardInterrupt) or not own
