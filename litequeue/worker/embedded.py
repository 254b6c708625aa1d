"""A worker inside an app: a thread that is started, stopped, and holds up the app's exit for its grace at most.

Owns that thread and the hook at the interpreter's exit.
"""

from __future__ import annotations

import atexit
import os
import threading
from types import TracebackType
from typing import Final, Self

from ..base.errors import WorkerFailed
from .worker import Worker

GRACE: Final = 5.0  # seconds, where nobody says another: a program that ends should not seem to hang


class EmbeddedWorker:
    """``with app.worker(threads=4): ...``. Also usable with ``start()`` and ``stop()``."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._thread = threading.Thread(target=self._run, name="litequeue-worker", daemon=True)
        self._drained = threading.Event()
        self._error: BaseException | None = None
        self._pid = 0

    @property
    def name(self) -> str:
        return self._worker.name

    def start(self) -> Self:
        """Begin to work. At the interpreter's exit the worker is stopped if it still runs."""
        # The first cannot be imported any more once the main thread has ended. The other's exit hook joins child processes;
        # registered before ours, it runs after it.
        import concurrent.futures.thread  # noqa: F401
        import multiprocessing.util  # noqa: F401

        if self._pid:
            raise WorkerFailed("a worker starts once; make another with app.worker()")
        self._pid = os.getpid()
        self._thread.start()
        atexit.register(self.stop)
        return self

    def _run(self) -> None:
        try:
            finished = self._worker.run()
            self._drained.set()
            if not finished:
                self._worker.outlive()
        except BaseException as error:  # noqa: BLE001 - raised again by stop()
            self._error = error
        finally:
            self._drained.set()

    def stop(self, *, now: bool = False) -> None:
        """Finish the running jobs, within the grace, and end.

        Returns when that is done, or when the grace is over: a call that still runs in a thread then goes
        on, keeps its lease, and is settled when it ends. Raises WorkerFailed if the worker had died.
        """
        atexit.unregister(self.stop)
        if self._pid != os.getpid():
            return  # a fork's child: the worker is our parent's
        self._worker.stop(now=now)
        self._drained.wait()
        if self._thread is not threading.current_thread() and not self._worker.has_leavings:
            self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise WorkerFailed(f"the embedded worker had died: {error!r}") from error

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the worker ends by itself (burst, max_jobs). Whether it has."""
        return self._drained.wait(timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
