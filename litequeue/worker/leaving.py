"""Ending a worker's process although something in it will not end.

Owns what is saved before: the lines of the log, and what tasks have printed. Waits for neither longer than a moment, since
what holds the process up may hold their locks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import Final, NoReturn

from ..base import log

LAST_SECONDS: Final = 1.0


def leave(code: int) -> NoReturn:
    """Exit now, without what an exit does."""
    log.flush()
    flushing = threading.Thread(target=_flush, name="litequeue-flush", daemon=True)
    with contextlib.suppress(RuntimeError):  # no more threads
        flushing.start()
        flushing.join(LAST_SECONDS)
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or replaced by something of a task's own
            stream.flush()
    logging.shutdown()
