"""What one call may take of the machine: how a process of the pool keeps to the ``Bounds`` of a task.

Owns how each is kept, and how an exception says that it was. One process runs the calls of many tasks, so what is set for one is
taken back after it; ``nice``, which cannot be, is looked after by the parent (``slot``).

``memory`` is RLIMIT_DATA: what the process could write to and shares with nobody. An allocation beyond it fails, which in Python
is a MemoryError, and the process lives on. RLIMIT_AS counts addresses: of a process that has 37 MB in memory with numpy and ten
threads these were 942 MB, and its data 214 MB, since stacks and buffers are reserved and hardly touched. What is reserved
as the call begins is not its fault, so it may add as much data as lies between what the process really has then and its bound.

``cpu_time`` is ITIMER_PROF, which counts all of the process's threads, and whose signal ends it wherever it is, be it in C that
never returns to Python. Not RLIMIT_CPU: that counts whole seconds from the start of the process, its hard limit is not to be
raised again for the next call, and its signal leaves a core.

``nice`` goes to the threads that there are, too: those that numpy computes in are started as it is imported. Where Linux
has groups of its own for sessions (sched_autogroup), which the process leads one of, its nice alone counts for nothing beside
other programs: of two that computed on one CPU for 1.5 s, it had 0.78 s with nice 15, and 0.06 s once its group had it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Final

from ..base.checks import MICROS
from ..base.clock import monotonic
from ..base.errors import MemoryExceeded
from ..base.log import Log
from ..base.outcomes import CpuSpent, Died, Outcome

if TYPE_CHECKING:
    from ..tasks.bounds import Bounds

log = Log("litequeue.worker")

KEPT: Final = {
    "memory": sys.platform.startswith("linux"),  # elsewhere the limit is there, and what mmap gives does not count
    "cpu_time": hasattr(signal, "setitimer"),
    "nice": hasattr(os, "setpriority"),
}
SPENT: Final = getattr(signal, "SIGPROF", None)  # what a process dies of that has had its CPU time
PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
AUTOGROUP: Final = "/proc/self/autogroup"
PATIENCE: Final = 3.0  # seconds, for as many processes as start at once

_before: tuple[int, int] | None = None  # RLIMIT_DATA, while it is another
_had = 0  # bytes, as the call began
_nice = 0


def tell_what_is_not_kept(task: str, bounds: Bounds) -> None:
    """In the worker, as a process of the pool loads the task."""
    names = [name for name, value in bounds._asdict().items() if value is not None and not KEPT[name]]
    if names:
        log.warning("task %s says %s, which this system (%s) has no way to keep: its jobs run without", task, " and ".join(names), sys.platform)


def begin(bounds: Bounds) -> None:
    """In the child's main thread: the call that comes is to keep to them, until ``end``."""
    global _before, _had
    if bounds.nice is not None and KEPT["nice"]:
        _step_back(bounds.nice)
    if bounds.memory is not None and KEPT["memory"]:
        import resource  # not on Windows

        _had, data = memory_of("self")
        soft, hard = _before = resource.getrlimit(resource.RLIMIT_DATA)
        most = data + max(bounds.memory - _had, 0)
        # As a number infinity is -1.
        resource.setrlimit(resource.RLIMIT_DATA, (min([most, *(limit for limit in (soft, hard) if limit >= 0)]), hard))
    if bounds.cpu_time is not None and SPENT is not None:
        signal.signal(SPENT, signal.SIG_DFL)  # whatever a profiler that was imported has made of it
        signal.setitimer(signal.ITIMER_PROF, bounds.cpu_time / MICROS)


def end() -> None:
    """The call is over, or never began."""
    if SPENT is not None:
        signal.setitimer(signal.ITIMER_PROF, 0)
    _free_memory()


def _free_memory() -> None:
    global _before
    if _before is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, _before)
        _before = None


def named(error: BaseException, bounds: Bounds) -> BaseException:
    """What the exception of a call is, with its bounds: none of a missing memory without theirs. From now on there is memory to tell of it in."""
    _free_memory()
    of_memory = isinstance(error, MemoryError) or isinstance(error, OSError) and error.errno == errno.ENOMEM
    if bounds.memory is None or not of_memory or not KEPT["memory"]:
        return error
    from ..base.sizes import render

    said = f" ({error})" if str(error) else ""
    text = f"memory: more than {render(bounds.memory)}, of which its process had {_had >> 20}M as the task began{said}"
    return MemoryExceeded(text).with_traceback(error.__traceback__)


def verdict(how: str, bounds: Bounds | None) -> Outcome:
    """In the worker: of a call whose process has died like that."""
    if bounds is None:
        return Died(f"died: {how}")
    if bounds.cpu_time is not None and SPENT is not None and how == SPENT.name:
        return CpuSpent(bounds.cpu_time / MICROS)
    # Not SIGKILL: that is the kernel's word for a host that has no memory left.
    perhaps = bounds.memory is not None and KEPT["memory"] and how in ("SIGABRT", "SIGSEGV")
    return Died(f"died: {how}" + (" (it has a bound, memory, and what is written in C may end so where it gets no more)" if perhaps else ""))


def memory_of(pid: int | str) -> tuple[int, int]:
    """Bytes of a process that are in memory, and of its data; zeros where nobody can tell."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            pages = file.read().split()
    except OSError:
        return 0, 0
    return int(pages[1]) * PAGE, int(pages[5]) * PAGE


def _step_back(by: int) -> None:
    global _nice
    if by != _nice:
        with contextlib.suppress(OSError):  # something of another user's that an earlier task has left in the group
            os.setpriority(os.PRIO_PGRP, 0, min(os.getpriority(os.PRIO_PROCESS, 0) + by, 19))
        until = monotonic() + PATIENCE
        while not _has_told_the_group(by) and monotonic() < until:
            time.sleep(0.01)
        _nice = by


def _has_told_the_group(nice: int) -> bool:
    """False: not yet. Of all that is not root's the kernel takes that ten times a second."""
    try:
        file = os.open(AUTOGROUP, os.O_WRONLY)
    except OSError:  # there are no such groups
        return True
    try:
        os.write(file, str(nice).encode())
    except BlockingIOError:
        return False
    except OSError:
        pass
    finally:
        os.close(file)
    return True
