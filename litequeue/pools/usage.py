"""What a call in a process of the pool has used: CPU seconds, and the most memory that the process had meanwhile.

Owns the measuring: in the child as a call ends, and from the parent of a call whose process does not live to tell.

A child measures calls that took ``SHORTEST`` or longer: of shorter ones there is little to tell, and to tell it takes 25 us, while
one look at the clock, 0.6 us, is 1 % of a job that does nothing. So what those before it in a batch have had of the CPU
is taken to be all of their time. CPU is of all threads, and of what was started and waited for. The most memory is
the kernel's to remember, for all of a process's life or, on Linux, until it is told to begin anew; elsewhere only a call that has
raised it has one. (Where Linux's ``getrusage`` begins is what the worker had as it started the process.)
"""

from __future__ import annotations

import sys
import time
from typing import Final

from ..base.outcomes import Usage

SHORTEST: Final = 0.01  # seconds
_CPU_CLOCK: Final = 2  # of Linux's kinds of clocks of a process

_cpu = 0.0  # of the process, as the batch began or a call ended that was measured
_shorter = 0.0  # seconds of the calls since
_of_others = 0.0  # the same of what it had waited for
_raised_to = 0  # where the kernel cannot begin anew


def begin() -> None:
    """In the child: what comes now is the calls' of a batch."""
    global _cpu, _shorter
    _cpu, _shorter = time.process_time(), 0.0


def of_call(seconds: float) -> tuple[()] | tuple[float, int | None]:
    """In the child: the fields of the ``Usage`` of a call that took so long and has just ended, if it is worth that."""
    global _shorter, _of_others
    if seconds < SHORTEST:
        _shorter += seconds
        return ()
    before, others = _cpu + _shorter, _of_others
    begin()
    _of_others = _waited_for()
    return max(_cpu - before, 0.0) + _of_others - others, peak()


def peak() -> int | None:
    """In the child: bytes, the most that it had in memory since this was asked last; None: nobody can tell."""
    global _raised_to
    found = _peak_of("self")
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        before, _raised_to = _raised_to, found or _most_ever()
        return _raised_to if _raised_to > before else None
    return found


def cpu_of(pid: int) -> float:
    """In the parent: CPU seconds of a child so far; 0 where nobody can tell."""
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK) if sys.platform.startswith("linux") else 0.0
    except OSError:  # it is gone
        return 0.0


def of_process(pid: int, began: float) -> Usage | None:
    """In the parent: of the call that a child runs, which had used so much CPU before; None if nobody can tell."""
    cpu, most = cpu_of(pid), _peak_of(pid)
    return None if most is None or cpu < began else Usage(cpu - began, most)


def _peak_of(pid: int | str) -> int | None:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            _, found, rest = file.read().partition(b"VmHWM:")
    except OSError:
        return None
    return int(rest.split(None, 1)[0]) << 10 if found else None  # a zombie has none


def _waited_for() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _most_ever() -> int:
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
