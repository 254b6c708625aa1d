"""A worker inside an app: a thread that is started, stopped, and holds up the app's exit for its grace at most.

Owns that thread, the hook at the interpreter's exit, and that of two apps with the same tasks, file, queues and name one has a worker:
a notebook that is run again left the worker of the first time, with its code, which then ran 34 of 40 jobs. Other workers
stand beside each other: where any second one took the place of the first, an app with tasks of its own had none that ran
them any more, and nor had a program after a block within a block.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final, Self

from ..base import checks
from ..base.errors import WorkerFailed
from ..base.log import Log
from ..options.kinds import Span
from ..tasks import TaskCode
from .worker import Worker

log = Log("litequeue.worker")

GRACE: Final = 5.0  # seconds, where nobody says another: a program that ends should not seem to hang


_started: list[EmbeddedWorker] = []  # of this process, in this order


class EmbeddedWorker:
    """``with app.worker(threads=4): ...``. Also usable with ``start()`` and ``stop()``."""

    def __init__(self, worker: Worker, path: str, tasks: Mapping[str, TaskCode]) -> None:
        """``tasks``: the app's registry."""
        self._worker = worker
        self._path = os.path.realpath(path)
        self._tasks = tasks
        self._thread = threading.Thread(target=self._run, name="litequeue-worker", daemon=True)
        self._drained = threading.Event()
        self._error: BaseException | None = None
        self._pid = 0

    @property
    def name(self) -> str:
        return self._worker.name

    def start(self) -> Self:
        """Begin to work, in the place of a worker of another app of this program that has the same tasks, file, queues and name. At
        the interpreter's exit the worker is stopped if it still runs."""
        # The first cannot be imported any more once the main thread has ended. The other's exit hook joins child processes;
        # registered before ours, it runs after it.
        import concurrent.futures.thread  # noqa: F401
        import multiprocessing.util  # noqa: F401

        if self._pid:
            raise WorkerFailed("a worker starts once; make another with app.worker()")
        self._thread.start()
        self._pid = os.getpid()
        atexit.register(self.stop)
        _started.append(self)
        for before in _started[: _started.index(self)]:  # of two at once each may take the other's place, but not both
            if self._succeeds(before):
                log.warning(
                    "worker %s on %s ends: one of another app with the same tasks was started in this program; give each a "
                    "name= to have both",
                    before.name, before._path,
                )  # fmt: skip
                before._worker.stop()
        return self

    def _succeeds(self, before: EmbeddedWorker) -> bool:
        return (
            before._pid == self._pid and not before._drained.is_set() and before._tasks is not self._tasks
            and (before._path, before.name, before._worker.queues) == (self._path, self.name, self._worker.queues)
            and before._tasks.keys() <= self._tasks.keys()
        )  # fmt: skip

    def _run(self) -> None:
        try:
            finished = self._worker.run()
            self._drained.set()
            if not finished:
                self._worker.outlive()
        except BaseException as error:  # noqa: BLE001 - raised again by stop()
            if type(error) is RuntimeError and not threading.main_thread().is_alive():  # of Python 3.12: no new threads
                log.error("worker %s ends, since its program has ended but for some threads: %s", self.name, error)
            else:
                self._error = error
        finally:
            self._drained.set()
            with contextlib.suppress(ValueError):
                _started.remove(self)
            if self._error is None:
                atexit.unregister(self.stop)

    def stop(self, *, now: bool = False) -> None:
        """Finish the running jobs, within the grace, and end.

        Returns when that is done, or when the grace is over: a call that still runs in a thread then goes
        on, keeps its lease, and is settled when it ends. Raises WorkerFailed if the worker had died.
        """
        atexit.unregister(self.stop)
        if self._pid != os.getpid():
            return  # a fork's child: the worker is our parent's
        self._worker.stop(now=now)
        while not self._drained.wait(self._worker.patience):
            self._worker.interrupt()
        if self._thread is not threading.current_thread() and not self._worker.has_leavings:
            self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise WorkerFailed(f"the embedded worker had died: {error!r}") from error

    def withdraw(self, jobs: Iterable[int]) -> set[int]:
        """Cancel those of these jobs that it holds and has not begun: which. What runs is left alone."""
        taken = self._ask(jobs)
        if taken:
            self._ask(())  # answered after the turn that has written it
        return taken

    def wait_until_it_works(self) -> None:
        """Until it has registered, and hears of jobs; or has died."""
        self._ask(())

    def _ask(self, jobs: Iterable[int]) -> set[int]:
        reply = self._worker.withdraw(jobs)
        while self._pid == os.getpid() and not self._drained.is_set():
            with contextlib.suppress(queue.Empty):
                return reply.get(timeout=0.1)  # it may die in between
        return set()

    def join(self, timeout: Span | None = None) -> bool:
        """Wait until the worker ends by itself (burst, max_jobs), at most ``timeout`` (None: for ever). Whether it has."""
        return self._drained.wait(checks.patience(timeout))

    def __enter__(self) -> Self:
        return self.start()

    async def __aenter__(self) -> Self:
        """``async with app.worker():`` in a running event loop, which goes on meanwhile."""
        from asyncio import to_thread

        return await to_thread(self.start)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        from asyncio import shield, to_thread

        await shield(to_thread(self.stop))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
