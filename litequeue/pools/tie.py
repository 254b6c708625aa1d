"""What ties a pool's process to its worker: it ends when that does, and until then everybody can see that it runs.

Owns the child's side of both. A job that is rescued must not still be running, so a child of a worker that died has to be
gone before its jobs are given to others: the kernel ends it (Linux), or it looks for its parent (elsewhere), and a lock of
its own beside the worker's tells those who rescue to wait for it.

The parent's sentinel that multiprocessing has is not enough. Whatever a thread task forks inherits its writing end, and
keeps it open for as long as it likes (seen: children that outlived their worker by 3.8 s, beside the second run); and a
thread that waits for it does not come to run while a C call holds the GIL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Final

from ..base.filelock import FileLock
from ..base.lockfolder import Locks, hold_for_life
from . import group

ORPHANED: Final = 70  # the exit code
LOOK_SECONDS: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1

_lock: FileLock | None = None  # kept for the life of the process


def hold(parent: int, locks: Locks | None) -> None:
    """In a child, before it runs anything: be seen to live, by a lock, one of ``locks``, and end with the
    worker, the process ``parent``."""
    global _lock
    if os.name == "posix":
        group.lead(locks)
    kernel = _is_ended_by_the_kernel()
    if locks is not None:
        _lock = hold_for_life(locks)
    if _is_orphaned(parent):  # it may have died before the kernel was told, or the lock was held
        os._exit(ORPHANED)
    if not kernel:
        threading.Thread(target=_watch, args=(parent,), name="litequeue-parent", daemon=True).start()


def _is_ended_by_the_kernel() -> bool:
    """Ask for SIGKILL when the thread that started this process ends: the worker's coordinator, which lives as long as the
    pool. Whether that is granted."""
    if sys.platform.startswith("linux"):
        import ctypes

        with contextlib.suppress(AttributeError, OSError):
            return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)
    return False


def _is_orphaned(parent: int) -> bool:
    return os.name == "posix" and os.getppid() != parent


def _watch(parent: int) -> None:
    """Where the kernel does nothing. A parent that is gone leaves its children to another process."""
    if os.name == "posix":
        while not _is_orphaned(parent):
            time.sleep(LOOK_SECONDS)
    else:  # pragma: no cover - handles are not inherited there
        import multiprocessing

        process = multiprocessing.parent_process()
        if process is None:
            return
        process.join()
    os._exit(ORPHANED)
