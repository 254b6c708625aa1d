"""The worker command: find the code, open the file, run until told to stop.

Owns what only a worker *process* may do: logging to stderr, signals, the interpreter's switch interval,
and leaving at once when a thread will not end.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import sys
import threading
from types import ModuleType

from ...app import LiteQueue
from ...base.clock import SystemClock, system_random
from ...base.errors import InvalidArgument, LitequeueError, UnknownTask
from ...base.homes import Home, home_of
from ...base.log import Log
from ...client import database_path
from ...options.workers import WorkerOptions
from ...pools.logs import Lines, write_to_stderr
from ...store import Store
from ...tasks import TaskCode, gevents
from ...tasks.finding import tasks_of
from ...tasks.modules import load
from ...worker.config import WorkerConfig
from ...worker.discovery import Catalogue
from ...worker.leaving import leave
from ...worker.signals import StopSignals
from ...worker.worker import LAST_WORDS, Worker
from ..calls import options_given
from ..exits import TRY_LATER, report
from ..notes import note_mail
from .process_1 import leave_process_1

log = Log("litequeue.worker")

# A thread that computes keeps the GIL for this long at a time (5 ms by default), and the coordinator waits
# as long for it around each of a turn's SQL statements, with the write lock held: measured beside such
# a thread, settling 300 jobs took 39 ms at 5 ms, 6 ms at 0.5 ms.
SWITCH_INTERVAL = 0.000_5
OWN_ENVIRONMENT = "LITEQUEUE_OWN_ENVIRONMENT"  # names the variables that are for us, and not for what we start
AFTERWARDS = 1.0  # seconds for the last writes when a stop has run out of time


def run(arguments: argparse.Namespace) -> int:
    config, path = config_of(arguments), database_path(arguments.db)
    is_new = _is_new(path)
    if is_new:
        _refuse_a_module(arguments.db)
    for name in os.environ.pop(OWN_ENVIRONMENT, "").split():
        os.environ.pop(name, None)
    leave_process_1()
    note_mail(config.mail_to)
    write_to_stderr(Lines(arguments.log_level, arguments.log_json))
    if is_new:
        log.warning("%s is new: nothing was ever enqueued there; is that the path that the producers use?", path)
    registered, homes, apps = _import_tasks(arguments.imports or [])
    # An app's own database that has no tables of ours yet: whoever imports that app has its word that it may have them.
    store = Store(path, adopt=os.path.realpath(path) in apps)
    clock = SystemClock()
    catalogue = Catalogue(
        registered,
        path=path,
        origin=None if arguments.imports else store.jobs.origin,
        monotonic=clock.monotonic,
        homes=homes,
    )
    for code in registered.values():
        code.bind(path)
    worker = Worker(store, catalogue, config, clock, system_random())
    worker.on_stuck = lambda: leave(_last_words(worker, 1))
    late = config.grace + LAST_WORDS + AFTERWARDS
    last_words = functools.partial(_last_words, worker)
    signals = StopSignals(lambda now: worker.stop(now=now), deadlines=(late, AFTERWARDS), last_words=last_words)
    sys.setswitchinterval(SWITCH_INTERVAL)
    exit_code, finished = 0, False
    with signals.installed():
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


def _refuse_a_module(db: str) -> None:
    """``worker tasks``, or ``tasks:app``, is a slip of who comes from elsewhere, and would wait for ever at a database of
    that name."""
    if db.endswith((".sqlite", ".sqlite3", ".db")):
        return
    module = db.removesuffix(".py").partition(":")[0]
    while module.strip("./"):
        path = module if os.sep in module else module.replace(".", os.sep)
        if os.path.isfile(f"{path}.py") or os.path.isfile(os.path.join(path, "__init__.py")):
            raise InvalidArgument(
                f"{db}: there is no such database, but a module {module}: give the database first, as in: worker db.sqlite "
                f"--import {module}"
            )
        module = module.rpartition(".")[0]


def _import_tasks(names: list[str]) -> tuple[dict[str, TaskCode], list[Home], set[str]]:
    """The tasks of the named modules, where those are, and the files of their apps. Any error is the user's to see before
    anything is claimed."""
    if names and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    gevents.watch()
    found: dict[str, TaskCode] = {}
    homes: list[Home] = []
    apps: set[str] = set()
    for name in names:
        try:
            module = _by_path(name) if name.endswith(".py") or os.sep in name else importlib.import_module(name)
        except Exception as error:
            log.debug("importing %s", name, exc_info=error)
            raise UnknownTask(f"--import {name}: {type(error).__name__}: {error}") from error
        codes = tasks_of(module)
        if not codes:
            raise InvalidArgument(f"--import {name}: the module has no tasks and no LiteQueue app")
        found.update(codes)
        apps |= {os.path.realpath(app.path) for app in vars(module).values() if type(app) is LiteQueue}
        home = home_of(module.__name__)
        if home is not None:
            homes.append(home)
    return found, homes, apps


def _by_path(path: str) -> ModuleType:
    """A module that is named by its file: by its name if that can be imported, as everybody else imports it."""
    directory, file = os.path.split(os.path.abspath(path))
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}")
    stem = file.removesuffix(".py")
    return load(stem if stem.isidentifier() and file != stem else f"./{file}", directory)
