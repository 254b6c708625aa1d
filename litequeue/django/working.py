"""A worker of Django's tasks: that of the command line, which finds code by Django's ways and knows what the settings declare.

Owns the finding, of a name that nobody has given it. Which of Django's tasks runs is ``codes``' to say.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
from typing import Any

from ..base.checks import is_name
from ..base.errors import InvalidArgument, LitequeueError, UnknownTask
from ..base.homes import home_of
from ..cli.exits import report
from ..cli.worker import command
from ..tasks import TaskCode
from ..worker.discovery import Catalogue
from ..worker.embedded import GRACE, EmbeddedWorker
from . import codes, declared, running, schedules
from .backend import backends_on


class DjangoCatalogue(Catalogue):
    """The tasks that it can run: Django's, and those of ours that the file names beside."""

    def __init__(self, registered: Any, *, path: str, **options: Any) -> None:
        super().__init__(registered, path=path, **options)
        home = home_of(declared.__name__)
        assert home is not None and home.directory is not None
        declared.SETTINGS.__litequeue_schedules__ = _declared(path, home)
        self.note_module(home.module, home.directory)

    def _discover(self, task: str) -> TaskCode:
        origin = self._origin(task) if self._origin is not None and is_name(task) else None
        if not is_name(task) or task.startswith("litequeue.") or origin is not None and codes.alias_of(origin) is None:
            return super()._discover(task)
        if task.rpartition(".")[0] not in sys.modules:
            self._check_file()  # whoever can write there would choose what is imported
        try:
            return codes.code_named(task, self._path, origin)
        except UnknownTask:
            raise
        except Exception as error:  # an import runs whatever its module does
            raise UnknownTask(f"importing the task {task} failed: {type(error).__name__}: {error}") from error


def _declared(path: str, home: Any) -> dict[str, Any]:
    """The schedules of all backends on this file. Raises InvalidArgument for a name that two of them have."""
    found: dict[str, Any] = {}
    for backend in backends_on(path):
        for name, said in backend.options.get("schedules", {}).items():
            if name in found:
                raise InvalidArgument(f"TASKS has two schedules {name!r} on {path}: give one of them another name")
            found[name] = dataclasses.replace(schedules.new(backend, name, said), module=home.module, directory=home.directory)
    return found


def run(arguments: argparse.Namespace) -> int:
    """The command ``worker``."""
    _tell_of_ends(arguments.db)
    return command.run(arguments, catalogue=DjangoCatalogue)


def run_one(arguments: argparse.Namespace) -> int:
    """The command ``run``."""
    from ..cli import run as command_run

    _tell_of_ends(arguments.db)
    return command_run.run(arguments, catalogue=DjangoCatalogue)


def run_until_reload(arguments: argparse.Namespace) -> None:
    """The same in a thread of Django's autoreloader, which ends the process when code has changed; what runs is given its time then. It also waits
    for a change where the worker cannot start."""
    if arguments.grace is None:
        arguments.grace = str(GRACE)
    try:
        _tell_of_ends(arguments.db)
        worker, store, registered = command.built(arguments, catalogue=DjangoCatalogue)
        with contextlib.closing(store):
            embedded = EmbeddedWorker(worker, store.path, registered).start()
            embedded.join()
            embedded.stop()
    except LitequeueError as error:
        report(error)


def _tell_of_ends(path: str) -> None:
    for backend in backends_on(os.path.abspath(path))[:1]:
        running.tell_of_ends(backend.app, backend)
