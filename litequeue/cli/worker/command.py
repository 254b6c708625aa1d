"""The worker command: find the code, open the file, run until told to stop.

Owns what only a worker *process* may do: logging to stderr, signals, the interpreter's switch interval,
and leaving at once when a thread will not end.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...base.clock import SystemClock, system_random
from ...base.errors import InvalidArgument, LitequeueError
from ...base.log import Log
from ...given import database_path
from ...options.workers import WorkerOptions
from ...pools.logs import Lines, write_to_stderr
from ...store import Store
from ...tasks import TaskCode
from ...worker.config import WorkerConfig
from ...worker.discovery import Catalogue
from ...worker.leaving import leave
from ...worker.signals import StopSignals
from ...worker.worker import LAST_WORDS, Worker
from .. import notify
from ..calls import options_given
from ..exits import TRY_LATER, report
from ..fleet import messages
from ..notes import note_mail
from .imports import import_tasks, refuse_a_module
from .parent import check_program, go_on_in_a_child

if TYPE_CHECKING:
    from ..fleet.child import Tied

log = Log("litequeue.worker")

# A thread that computes keeps the GIL for this long at a time (5 ms by default), and the coordinator waits
# as long for it around each of a turn's SQL statements, with the write lock held: measured beside such
# a thread, settling 300 jobs took 39 ms at 5 ms, 6 ms at 0.5 ms.
SWITCH_INTERVAL = 0.000_5
OWN_ENVIRONMENT = "LITEQUEUE_OWN_ENVIRONMENT"  # names the variables that are for us, and not for what we start
AFTERWARDS = 1.0  # seconds for the last writes when a stop has run out of time


def run(arguments: argparse.Namespace, *, catalogue: Callable[..., Catalogue] = Catalogue) -> int:
    """``catalogue``: what finds the code, where that is found otherwise than here."""
    if arguments.workers is not None or arguments.reload:
        return _supervise(arguments)
    manager, tied = notify.manager(), _tied(arguments)
    worker, store, _ = built(arguments, catalogue=catalogue, tied=tied)
    notify.tell_of(worker, manager)
    worker.on_stuck = lambda: leave(_last_words(worker, 1))
    late = worker.grace + LAST_WORDS + AFTERWARDS
    last_words = functools.partial(_last_words, worker)

    def stop(now: bool) -> None:
        manager.tell(notify.STOPPING)
        worker.stop(now=now)

    signals = StopSignals(stop, deadlines=(late, AFTERWARDS), last_words=last_words)
    sys.setswitchinterval(SWITCH_INTERVAL)
    exit_code, finished = 0, False
    with signals.installed():
        if tied is not None:
            tied.ask = signals.ask
        try:
            finished = worker.run()
            exit_code = signals.exit_code if finished else last_words(signals.exit_code)
        except LitequeueError as error:
            exit_code = report(error)
    if finished:
        store.close()
    if not finished or _foreign_threads():
        # Threads that run on would keep the process, and its claim to be alive, for as long as they like.
        leave(exit_code)
    return exit_code


def _supervise(arguments: argparse.Namespace) -> int:
    from ..fleet.command import supervise

    config, path = config_of(arguments), database_path(arguments.db)
    if _is_new(path):
        refuse_a_module(arguments.db)
    return supervise(arguments, config, path)


def built(arguments: argparse.Namespace, *, catalogue: Callable[..., Catalogue], tied: Tied | None = None) -> tuple[Worker, Store, dict[str, TaskCode]]:
    """The worker, with its store and the tasks that it was given; this process logs as it was told from now on."""
    config, path = config_of(arguments), database_path(arguments.db)
    check_program(arguments.program, config)
    if arguments.max_memory is not None and tied is None:
        raise InvalidArgument("--max-memory goes with --workers, which starts another in the place of a worker that ends: --workers 1 is one worker")
    is_new = _is_new(path)
    if is_new:
        refuse_a_module(arguments.db)
    for name in os.environ.pop(OWN_ENVIRONMENT, "").split():
        os.environ.pop(name, None)
    name = "" if tied is None else config.name
    set_up_log = functools.partial(write_to_stderr, Lines(arguments.log_level, arguments.log_json, name))
    tie = go_on_in_a_child(arguments.program, config.grace, set_up_log) if tied is None else tied.begin
    speaks = tied is None or tied.is_first
    if speaks:
        note_mail(config.mail_to)
    set_up_log()
    try:
        registered, homes, apps = import_tasks(arguments.imports or [], path)
    except LitequeueError as error:
        if tied is not None:
            tied.failed(error)
        raise
    # An app's own database that has no tables of ours yet: whoever imports that app has its word that it may have them,
    # and for whom it trusts.
    store = Store(path, adopt=os.path.realpath(path) in apps, trust=apps.get(os.path.realpath(path)))
    if store.reports.is_unused() and speaks:  # which opens it: one that is refused is not called new
        log.warning(
            "%s is %s: nothing was ever enqueued there; is that the path that the producers use? (Schedules that code declares "
            "come with --import.)", path, "new" if is_new else "unused",
        )  # fmt: skip
    if apps and os.path.realpath(path) not in apps:
        log.info("--import has an app of %s: its tasks run here, and what is enqueued there is not seen", " and of ".join(apps))
    clock = SystemClock()
    found = catalogue(
        registered,
        path=path,
        origin=None if arguments.imports else store.jobs.origin,
        monotonic=clock.monotonic,
        homes=homes,
        trusts_anyone=store.trusts_anyone,
    )
    for code in registered.values():
        code.bind(path)
    worker = Worker(store, found, config, clock, system_random())
    tie(worker)
    return worker, store, registered


def _tied(arguments: argparse.Namespace) -> Tied | None:
    """To its supervisor, of a worker that has one."""
    pipes = messages.pipes()
    if pipes is None:
        return None
    from ..fleet.child import Tied

    return Tied(pipes, arguments.max_memory)


def config_of(arguments: argparse.Namespace) -> WorkerConfig:
    """The command's options, checked."""
    return WorkerConfig(**options_given(arguments, WorkerOptions))


def _last_words(worker: Worker, code: int) -> int:
    """Say which results the process leaves unwritten; its exit code."""
    lost = worker.unwritten()
    if lost is not None:
        log.error("%s", lost)
    return code if lost is None else TRY_LATER


def _is_new(path: str) -> bool:
    """Whether the file is about to be made: one that cannot be seen may be there, and needs a folder."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return os.access(os.path.dirname(path), os.W_OK | os.X_OK)
    except OSError:
        return False
    return False


def _foreign_threads() -> bool:
    """Whether a task left a thread behind that the interpreter would wait for."""
    return any(
        not thread.daemon and thread is not threading.main_thread() and not thread.name.startswith("litequeue")
        for thread in threading.enumerate()
    )
