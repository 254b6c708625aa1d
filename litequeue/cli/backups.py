"""The commands ``backup`` and ``restore``: thin, over ``backup``. Owns what is said of a restore before it is done, and that it is agreed to."""

from __future__ import annotations

import argparse
import os
import sys

from ..backup.making import make
from ..backup.restoring import Prepared, prepared
from ..backup.telling import fire
from ..base.accounts import own_name
from ..base.checks import MICROS, aware, counted
from ..base.clock import SystemClock
from ..base.durations import about
from ..base.errors import InvalidArgument
from ..given import database_path
from ..store import Store
from . import render
from .printing import put, say


def backup(arguments: argparse.Namespace) -> int:
    now = SystemClock().now()
    store = Store(database_path(arguments.db), create=False, adopt=False)
    try:
        made = make(store, arguments.to, now, paused=arguments.paused, keep=arguments.keep)
    except InvalidArgument as error:
        raise InvalidArgument(str(error).replace("keep goes", "--keep goes", 1)) from None
    finally:
        store.close()
    took = about((SystemClock().now() - now) / MICROS)
    gone = f"; {len(made.deleted)} older deleted" if made.deleted else ""
    say(f"{made.path}: {render.size(made.size)} in {took}{'; its schedules are paused' if arguments.paused else ''}{gone}")
    return 0


def restore(arguments: argparse.Namespace) -> int:
    db = database_path(arguments.db)
    with prepared(db, database_path(arguments.backup), SystemClock().now(), f"{own_name()} (cli)", paused=arguments.paused) as found:
        for line in _facts(found, db):
            say(line)
        if found.replaces and not arguments.yes and not _agrees(db):
            say("nothing was done" + ("" if sys.stdin.isatty() else "; --yes does it"))
            return 1
        before = found.do()
    say(f"{db} is the copy now" + ("" if before is None else f"; what was there is {before}"))
    if found.paused:
        say(f"its schedules are paused: {fire(db)}")
    return 0


def _facts(found: Prepared, db: str) -> list[str]:
    """What comes of it, before it is done."""
    of = "" if found.copy is None or found.copy.of == os.path.realpath(db) else f" of {found.copy.of}"
    age = "" if found.copy is None else f", made {about((SystemClock().now() - found.copy.at) / MICROS)} ago ({render.when(aware(found.copy.at))})"
    lines = [f"a copy{of}{age}: {counted(found.waiting, 'job')} of it will run"]
    if found.since is None and found.replaces:
        lines.append("which of these ran since cannot be told: they will run again")
    elif found.since is not None and found.since.again:
        lines.append(f"of these, {found.since.again} ended since, or began to run, and will run again")
    if found.lost:
        lines.append(f"{counted(found.lost, 'job')} that {'runs' if found.lost == 1 else 'run'} at most once and may have run since will be discarded")
    if found.replaces:
        lines.append("jobs that were enqueued since are not in it")
    if not found.paused:
        lines.append("ticks that fired since may fire again, as after a time without a worker; --paused lets none")
    return lines


def _agrees(db: str) -> bool:
    if not sys.stdin.isatty():
        return False
    put(f"replace {db}? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
