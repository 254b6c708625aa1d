"""``LiteQueue``: the front door.

Owns the registry of tasks and the building of workers. Everything else it delegates: enqueueing to
``client``, waiting to ``job``, running to ``worker``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Unpack,
    overload,
)

from . import known, task
from .backup.face import Backups
from .base import checks
from .base.clock import Clock, SystemClock
from .base.mainguard import refuse_in_an_import
from .binding import Binding, client_for
from .futures.face import Executors
from .given import LATER, call
from .hooks import HooksOfApp
from .job import Job, job_of
from .limits import LimitsOfApp
from .locks import Locks
from .loops import Loops
from .options import TaskOptions, complete, refuse_unknown
from .options.missing import Missing
from .payloads import Payloads
from .searches import Searches
from .task import Task, code_of
from .tasks import Marked, TaskCode
from .transactions import Transactions
from .workflow.face import Workflows

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from .alerts.face import Alerts
    from .base.records import Stats
    from .options import EnqueueOptions
    from .options.kinds import Span
    from .options.web import WebOptions
    from .options.workers import EmbeddedOptions, WorkerOptions
    from .schedules.definition import NewSchedule
    from .schedules.face import Schedules
    from .triggers import Trigger
    from .web.embedded import EmbeddedWeb
    from .worker.embedded import EmbeddedWorker
    from .worker.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")
Declarable = TypeVar("Declarable", bound=Callable[..., Any])


class LiteQueue(Searches, Marked, Binding, Payloads, Workflows, Locks, LimitsOfApp, Transactions, Loops, HooksOfApp, Executors, Backups, Missing):
    """A task queue in one SQLite file.

    ``path`` is made absolute at once; the file is created, owner-only, at the first use and not before. Left out, or a function that returns it,
    it is asked for then: see ``bind``.
    ``durability="full"`` syncs every enqueue to the device before it returns, so that a job survives
    a power cut; ``"normal"`` leaves the syncing to SQLite's checkpoints: faster, and a power cut may lose
    the last few jobs, a crash of processes none. ``trust="anyone"`` also opens a file beside which others than its owner and
    root can write (left out: as LITEQUEUE_TRUST in the environment says, else not): they decide what is in the queue,
    and what commands its workers run.
    """

    __litequeue_instead__ = "pass its path (app.path), and open that with LiteQueue(path)"

    def __init__(
        self, path: str | os.PathLike[str] | Callable[[], str | os.PathLike[str]] = LATER, *, durability: str = "full", trust: str | None = None,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._client = client_for(path, durability=durability, trust=trust, clock=clock or SystemClock())
        self._tasks = self.__litequeue_tasks__ = dict[str, TaskCode]()
        self._declared: dict[str, NewSchedule] = {}
        self.__litequeue_schedules__ = self._declared
        known.note_app(self)

    @property
    def path(self) -> str:
        """The database file, absolute. Raises NotBound where nobody has said it yet."""
        return self._client.path

    # -- tasks -------------------------------------------------------------------------------------

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, **options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def task(self, *function: Any, **options: Any) -> Any:
        """Make a function a task: ``@app.task``, or ``@app.task(option=...)``.

        The options are those of ``litequeue.options.TaskOptions``; durations are seconds, timedeltas or text such as
        "1h30m". Raises InvalidArgument (a ValueError) or InvalidType (a TypeError) for one that it cannot take.
        """
        refuse_unknown(TaskOptions, options, "@app.task")
        if function:
            return task.register(self._client, self._tasks, function[0], options)
        return lambda f: task.register(self._client, self._tasks, f, options)

    def on_discarded(self, handler: Callable[..., Any]) -> Task[..., Any]:
        """Have a function told of each job of this file that is discarded: ``@app.on_discarded``.

        It is called in a worker, as a job of its own, with the discarded job as ``job ID --json`` shows it (a dict).
        A plain function becomes a task, which is retried three times; or decorate one that is a task. Of its own
        failure nobody is told. A worker knows of it once it has loaded the code of this app: by a job of one of its
        tasks, or by ``--import``. Job and handler are as other jobs, so a handler may be called twice if its worker dies.
        """
        told = handler if isinstance(handler, Task) else task.register(
            self._client, self._tasks, handler, {"retries": 3}
        )
        self._client.hooks.discarded.append(told.__litequeue_code__)
        return told


    # -- schedules ---------------------------------------------------------------------------------

    @property
    def schedules(self) -> Schedules:
        """The file's schedules: add, update, remove, pause, resume, run_now, list, get, ticks."""
        from .schedules.face import Schedules

        return Schedules(self._client, self._tasks)

    def cron(
        self, expr: str, timezone: str | ZoneInfo | None = None, *, seconds: bool = False, **options: Any
    ) -> Callable[[Declarable], Declarable]:
        """Declare that a task runs by a cron expression: ``@app.cron("0 3 * * *", timezone="Europe/Berlin")``.

        Above ``@app.task``. ``timezone``: an IANA name, default the host's own. ``options``: ``name`` (default the
        task's), ``args``, ``kwargs``, and those of ``app.schedules.add``. The worker that has the code writes it
        to the file. An expression that is wrong, or never fires, is refused here.
        """
        return self._declare({"cron": expr, "timezone": timezone, "seconds": seconds, **options})

    def every(
        self,
        period: Span,
        *,
        anchor: Literal["start", "epoch"] | datetime = "start",
        after: Literal["start", "finish"] = "start",
        run_immediately: bool = False,
        **options: Any,
    ) -> Callable[[Declarable], Declarable]:
        """Declare that a task runs every so often: ``@app.every("15m", jitter="30s")``. Otherwise as ``cron``.

        ``anchor``, ``after`` and ``run_immediately`` as in ``Every``.
        """
        from .triggers import Every

        trigger = Every(period, anchor=anchor, after=after, run_immediately=run_immediately)
        return self._declare({"trigger": trigger, **options})

    def schedule(self, trigger: Trigger, **options: Any) -> Callable[[Declarable], Declarable]:
        """Declare a schedule by a trigger: a ``Cron``, ``Every``, ``At``, or any object with ``next_after``."""
        return self._declare({"trigger": trigger, **options})

    def _declare(self, options: dict[str, Any]) -> Callable[[Declarable], Declarable]:
        from .schedules.decorators import decorate

        return decorate(self.schedules, self.task, self._declared, options)

    # -- alerts ------------------------------------------------------------------------------------

    @property
    def alerts(self) -> Alerts:
        """What is watched in the file, and who is told: add, remove, pause, resume, test, check, get, list, history."""
        from .alerts.face import Alerts

        return Alerts(self._client, self._tasks)

    # -- enqueue by name -----------------------------------------------------------------------------

    def enqueue(self, task: Task[..., Any] | str, /, *args: Any, **kwargs: Any) -> Job[Any]:
        """Enqueue a task by its name, for producers that do not have its code; who has it may give the task."""
        return self.send_task(task, args, kwargs)

    def send_task(
        self,
        task: Task[..., Any] | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[EnqueueOptions],
    ) -> Job[Any]:
        """``enqueue`` with the options of ``apply_async``."""
        code = code_of(task, self._tasks, self._client)
        if isinstance(code, str):
            return job_of(self._client, *self._client.enqueue_by_name(code, *call(args, kwargs), options))
        return job_of(self._client, *self._client.enqueue(code, *call(args, kwargs), options))

    # -- looking ---------------------------------------------------------------------------------------

    def job(self, job_id: int | str) -> Job[Any]:
        """The handle of a job by its id, or by the digits of it. Does not look whether it exists; using it does."""
        return job_of(self._client, (self._client.handles or Job).identity(job_id))

    def stats(self) -> Stats:
        """Counts of jobs by state and queue, and the live workers."""
        return self._client.store.reports.stats(self._client.clock.now())

    def pause(self, queue: str) -> None:
        """Let no worker claim from a queue until ``resume``. What runs goes on."""
        self._client.store.operations.pause(checks.name(queue, "queue"), self._client.clock.now())

    def resume(self, queue: str) -> None:
        """Undo ``pause``."""
        self._client.ring(self._client.store.operations.resume(checks.name(queue, "queue")))

    # -- workers ----------------------------------------------------------------------------------------

    def worker(self, **options: Unpack[EmbeddedOptions]) -> EmbeddedWorker:
        """A worker in a thread of this process: ``with app.worker(threads=4): ...``.

        Runs this app's tasks; what other programs enqueued for their own is left to their workers. The options are those
        of ``litequeue.options.workers.EmbeddedOptions``. ``grace`` (5 s) is how long the end of the block, or of the
        program, waits for running jobs at most. Process tasks start this program's main module anew, so a script needs
        its ``if __name__ == "__main__":``. The worker of another app of this program with the same tasks, file, queues and name
        ends where this one starts. A task whose source file is changed is left to a program with the new code, unless
        ``stale="run"``. Raises InvalidArgument or InvalidType for an option that it cannot take.
        """
        from .options.workers import EmbeddedOptions
        from .worker.embedded import GRACE, EmbeddedWorker

        refuse_unknown(EmbeddedOptions, options, "a worker")
        if options.get("grace") is None:
            options["grace"] = GRACE
        stale = complete(EmbeddedOptions, {"stale": options.pop("stale", None)}, "a worker")["stale"]
        return EmbeddedWorker(self._build_worker(options, watching=stale == "wait"), self.path, self._tasks)

    def web(self, **options: Unpack[WebOptions]) -> EmbeddedWeb:
        """The page of this file, served by threads of this process: ``with app.web(port=0) as web: print(web.url)``.

        ``web.url`` is its address with a code, good for one login; ``web.port`` where it listens. The options are those of
        ``litequeue.options.web.WebOptions``. Raises InvalidArgument or InvalidType for an option that it cannot take; as the block
        begins, InvalidArgument for a port that cannot be had, CannotOpen or another StoreError for a file that cannot be used.
        """
        refuse_in_an_import()
        from .web.embedded import EmbeddedWeb

        return EmbeddedWeb(self._client, options)

    def run_worker(self, **options: Unpack[WorkerOptions]) -> int:
        """Work in this thread until SIGTERM or Ctrl-C, like the command line's ``worker``; its exit code.

        In the main thread the signals are handled: the first drains, a second leaves at once. Options as of ``worker``.
        """
        from .worker.signals import StopSignals

        worker = self._build_worker(options)
        signals = StopSignals(lambda now: worker.stop(now=now))
        with signals.installed():
            if not worker.run():
                # This process may live on: what still runs keeps its lease, and is settled when it ends.
                threading.Thread(target=worker.outlive, name="litequeue-worker", daemon=True).start()
        return signals.exit_code

    def _build_worker(self, options: WorkerOptions, *, watching: bool = False) -> Worker:
        refuse_in_an_import()
        self._take_what_is_free()
        from .worker.building import build

        client = self._client
        return build(client.store, client.path, client.clock, self._tasks, self._declared, options, watching=watching)
