"""Ending a worker's process although something in it will not end.

Owns what is saved before: the lines of the log, and what tasks have printed; and that the processes of pools which tasks have
made go with it, as at any other exit: orphans of a worker look like workers. Waits for nothing longer than a moment, since
what holds the process up may hold the locks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import Final, NoReturn

from ..base import log
from ..pools.logs import flush_streams

LAST_SECONDS: Final = 1.0


def leave(code: int) -> NoReturn:
    """Exit now, without what an exit does."""
    log.flush()
    flushing = threading.Thread(target=_flush, name="litequeue-flush", daemon=True)
    with contextlib.suppress(RuntimeError):  # no more threads
        flushing.start()
        flushing.join(LAST_SECONDS)
    with contextlib.suppress(Exception):  # they may be in whatever state
        _end_children()
    os._exit(code)


def _end_children() -> None:
    """Those that multiprocessing and ``concurrent.futures`` have started; its own hook at the exit is not run."""
    module = sys.modules.get("multiprocessing.process")
    for child in () if module is None else module.active_children():
        child.kill()


def _flush() -> None:
    flush_streams()
    logging.shutdown()
