"""The command ``celery-migrate``: what waits in a file goes to a Celery app.

Owns what is said of what went and what stays, and the signals that end one that follows. The rest is in ``litequeue.celery.migrating``.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import threading
from typing import Any

from ..base.checks import counted
from ..base.errors import InvalidArgument
from ..given import database_path
from ..pools.logs import Lines, write_to_stderr
from ..store import Store
from .printing import say


def run(arguments: argparse.Namespace) -> int:
    path = database_path(arguments.db)
    store = Store(path, create=False, adopt=False)
    try:
        store.reports.is_unused()  # which opens it
        write_to_stderr(Lines(arguments.log_level, False))
        bridge = _bridge()
        celery = bridge.celery_app(arguments.app)
        app = bridge.exported(celery, arguments.app, path)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if arguments.follow:
            bridge.warn_of_two_clocks(celery)
        mover = bridge.migrate(store, app, celery, follow=arguments.follow, stop=stop)
        say(_said(mover.moved, mover.stays(), arguments.follow))
    finally:
        store.close()
    return 0


def _bridge() -> Any:
    """Raises InvalidArgument where Celery is not installed."""
    try:
        return importlib.import_module("litequeue.celery.migrating")
    except ModuleNotFoundError as error:
        if error.name not in ("celery", "kombu"):
            raise
        raise InvalidArgument(f"celery-migrate needs Celery and its broker's client in this environment ({sys.executable}): {error}") from None


def _said(moved: int, stays: list[tuple[str, int]], follows: bool) -> str:
    left = ", ".join(f"{count} {why}" for why, count in stays)
    later = "" if follows or not any(why in ("scheduled", "retrying") for why, _ in stays) else "; --follow moves those that are due later"
    return f"moved {counted(moved, 'job')} to Celery" + (f"; {_stay(sum(count for _, count in stays))}: {left}{later}" if stays else "; nothing stays")


def _stay(count: int) -> str:
    return f"{counted(count, 'job')} {'stays' if count == 1 else 'stay'}"
