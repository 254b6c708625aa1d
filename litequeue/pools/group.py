"""A child's process group: what its tasks have started is ended with it, however it ends, but for a retirement.

Owns the group, and its guard: a fork of the child, made before that runs anything, which waits for its death and then kills
what is left. Only a process outside can: of a worker that was killed with -9 the kernel ends the children, and not what those
had started, which ran on beside the second run of their job. It holds a lock like theirs meanwhile, so that a rescue waits for it.

The guard, and the executor, learn of the death by the end of a pipe. Forks would hold that open for as long as they
live (a timeout or a crash was noticed when the last of them ended), so they let go of it as they begin.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from multiprocessing import resource_tracker, util
from typing import Final

from ..base.clock import monotonic
from ..base.lockfolder import Locks, hold_for_life

GONE_SECONDS: Final = 1.0  # after SIGKILL; what a broken disk holds up is not waited for
_LEFT: Final = b"left in good order"


def kill(leader: int) -> None:
    """All of a child's group. The number of a dead one is not given to others while a member lives."""
    with contextlib.suppress(OSError):
        os.killpg(leader, signal.SIGKILL)


def lead(locks: Locks | None) -> None:
    """In a child, before it runs anything or has a second thread: make its group, and have it guarded. ``locks``: how the
    path of the guard's lock begins."""
    with contextlib.suppress(OSError):  # it leads one already
        os.setsid()
    told, tell = os.pipe()
    ready, report = os.pipe()
    util.Finalize(None, _say, (tell, _LEFT), exitpriority=-100)  # the last thing that a child which retires does
    with contextlib.suppress(OSError):  # no more processes for this user: it works without
        _start_guard(os.getpid(), told, report, locks)
    os.close(report)
    os.read(ready, 1)  # it holds its lock, or is not there
    os.close(ready)
    os.close(told)
    _let_go_in_forks()


def _start_guard(leader: int, told: int, report: int, locks: Locks | None) -> None:
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    try:
        # No child of the child's own: a task that waits for all of its children would wait for the guard.
        if not os.fork():
            _guard(leader, told, report, locks)
    finally:
        os._exit(0)


def _guard(leader: int, told: int, report: int, locks: Locks | None) -> None:
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # systemd's SIGTERM to the whole cgroup, among others
    for descriptor in _open_descriptors():
        if descriptor not in (told, report):
            os.close(descriptor)
    lock = None if locks is None else hold_for_life(locks)  # noqa: F841 - held for as long as this process is
    _say(report, b"!")
    if not os.read(told, len(_LEFT)):
        kill(leader)
        _wait_until_it_is_gone(leader)


def _say(descriptor: int, word: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(descriptor, word)


def _wait_until_it_is_gone(leader: int) -> None:
    until = monotonic() + GONE_SECONDS
    with contextlib.suppress(OSError):
        while monotonic() < until:
            os.killpg(leader, 0)
            if not _does_anything(leader):
                return
            time.sleep(0.002)


def _does_anything(leader: int) -> bool:
    """Whether a member of the group is more than a zombie: process 1 may take its time to reap what a killed worker leaves (a
    rescue took 1.2 s). Where that cannot be told: yes."""
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return True
    for number in numbers:
        with contextlib.suppress(OSError), open(f"/proc/{number}/stat") as file:
            state, _, group = file.read().rpartition(")")[2].split()[:3]
            if group == str(leader) and state not in ("Z", "X"):
                return True
    return not numbers


def _let_go_in_forks() -> None:
    """Every pipe that the child, which has run nothing yet, could write to is one between it and its worker: by its end they
    learn that it is dead. But for that to the resource tracker, which forks use too."""
    import fcntl  # not on Windows

    # Where a later Python keeps it elsewhere, a fork cannot register what it shares, which only means that nobody cleans up after it.
    of_tracker = getattr(getattr(resource_tracker, "_resource_tracker", None), "_fd", None)
    pipes = [
        number
        for number in _open_descriptors()
        if number > 2
        and stat.S_ISFIFO(os.fstat(number).st_mode)
        and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        and number != of_tracker
    ]

    def let_go() -> None:
        # Their numbers stay taken: objects of multiprocessing close them yet.
        nothing = os.open(os.devnull, os.O_WRONLY)
        for number in pipes:
            os.dup2(nothing, number, inheritable=False)
        os.close(nothing)

    for number in pipes:
        os.set_inheritable(number, False)
    os.register_at_fork(after_in_child=let_go)


def _open_descriptors() -> list[int]:
    found = []
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):  # one was of the look itself
            os.fstat(int(name))
            found.append(int(name))
    return found
