"""One call as a future: a job that other threads can wait for with ``concurrent.futures``.

Owns how a job's end becomes a future's, and the ways of waiting that a task must go. When it is completed is ``pending``'s to see to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, Protocol

from ..base.errors import JobFailed, WorkerFailed
from ..job import Job
from ..tasks.context import running_job

if TYPE_CHECKING:
    from ..store.futures import Ending


class Keeper(Protocol):
    """Who has the futures that are not done: ``pending``."""

    def cancel(self, futures: Iterable[JobFuture]) -> None: ...
    def look(self, jobs: Sequence[int]) -> None: ...
    def is_here(self) -> bool: ...


class JobFuture(Future[Any]):
    """A ``Future`` with its ``job``. It is pending until the job is final, also while that runs."""

    def __init__(self, job: Job[Any], pending: Keeper) -> None:
        super().__init__()
        self.job = job
        self._pending = pending
        self._pid = os.getpid()

    def cancel(self) -> bool:
        """Cancel the call, and the job, if it has not begun: then it never will. Whether it is cancelled. What runs, or has run, goes on; so does what a worker
        of another process has taken, since only that could tell."""
        if not self.done():
            self._pending.cancel([self])
        return self.cancelled()

    def running(self) -> bool:
        """Whether a worker has it; it may keep it for a moment before it begins."""
        return not self.done() and self.job._client.store.reports.state(self.job.id) == "running"

    def result(self, timeout: float | None = None) -> Any:
        """What the call returned; raises what it raised, if that was of a builtin class, else JobFailed. Also ResultNotStored, JobExpired,
        CancelledError, and ResultTimeout, a TimeoutError, which says why it has not ended. In a task it waits as ``job.get()``."""
        self._wait(timeout)
        return super().result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What ``result`` would raise, None for a call that has succeeded. Raises CancelledError and ResultTimeout as that."""
        self._wait(timeout)
        return super().exception()

    def _wait(self, timeout: float | None) -> None:
        """Until it is done. Raises ResultTimeout."""
        if self.done():
            return
        self.job._client.refuse_in_a_transaction(f"waiting for job {self.job.id}")
        if self._pid != os.getpid():
            raise WorkerFailed(f"the future of job {self.job.id} is its parent process's, and is not completed here: future.job.get() is the same in any process")
        seconds = None if timeout is None else max(timeout, 0)
        if running_job() is None and not self._pending.is_here():
            ended = self in wait([self], seconds).done
        elif ended := self.job.wait(seconds):
            self._pending.look([self.job.id])
        if not ended and seconds is not None:
            raise self.job._too_late(seconds)

    def _complete(self, ending: Ending | None) -> None:
        """The job is final, or (None) there no more."""
        if self.done():  # as the second of two for a job that ended while that was added
            return
        if ending is not None and ending[0] == "cancelled":
            try:
                super().cancel()
            finally:  # whatever a callback raises
                self.set_running_or_notify_cancel()  # who waits for several is told by that
            return
        try:
            if ending is None:
                raise self.job._missing()
            value = self.job._unpack(ending)
        except JobFailed as failed:
            self.set_exception(_as_raised(failed))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits is to have it
            self.set_exception(error.with_traceback(None))
        else:
            self.set_result(value)


def _as_raised(failed: JobFailed) -> BaseException:
    """The exception of the call itself, with that of the job as its cause, where ``get`` has it the other way round."""
    original, failed.__cause__ = failed.__cause__, None
    failed.with_traceback(None)
    if original is None:
        return failed
    original.__cause__ = failed
    return original
