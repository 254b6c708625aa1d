"""Noticing at once that a child has died, whatever it left behind.

Owns the watch over processes by their number. The executor watches a pipe, which every process that the child forked holds
open as well: a timeout or a crash was noticed when the last of those ended. And what a child leaves, subprocesses and
forks, is ended with it: it leads a group of its own, which is killed as soon as it is dead.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from typing import Final

LOOK_SECONDS: Final = 0.05  # where the kernel cannot say it


def kill_group(pid: int) -> None:
    """A child and all of its group. Of a dead one its group's number is not given to others while a member lives."""
    with contextlib.suppress(AttributeError, OSError):
        os.killpg(pid, signal.SIGKILL)


class Deaths:
    """One pool's watch, in a thread of its own; nothing is started before the first child."""

    def __init__(self) -> None:
        self._watched: dict[int, int] = {}  # descriptor -> pid
        self._thread: threading.Thread | None = None
        self._wake: tuple[int, int] | None = None
        self._stopping = False

    def watch(self, pid: int) -> None:
        """Clear away what a child has started, when it dies. From the coordinator's thread."""
        try:
            descriptor = os.pidfd_open(pid)  # type: ignore[attr-defined, unused-ignore]
        except (AttributeError, OSError):  # not Linux, or it is gone already
            threading.Thread(target=_look, args=(pid,), name="litequeue-deaths", daemon=True).start()
            return
        self._watched[descriptor] = pid
        if self._thread is None:
            self._wake = os.pipe()
            self._thread = threading.Thread(target=self._run, name="litequeue-deaths", daemon=True)
            self._thread.start()
        elif self._wake is not None:
            os.write(self._wake[1], b"!")

    def _run(self) -> None:
        assert self._wake is not None
        while not self._stopping:
            poll = select.poll()
            poll.register(self._wake[0], select.POLLIN)
            for descriptor in list(self._watched):
                poll.register(descriptor, select.POLLIN)
            for descriptor, _ in poll.poll():
                if descriptor == self._wake[0]:
                    os.read(descriptor, 64)
                    continue
                pid = self._watched.pop(descriptor)
                os.close(descriptor)
                kill_group(pid)
        for descriptor in list(self._watched):
            os.close(descriptor)
        self._watched.clear()

    def stop(self) -> None:
        """The children are to be dead by now."""
        if self._thread is None or self._wake is None:
            return
        self._stopping = True
        os.write(self._wake[1], b"!")
        self._thread.join(5.0)
        for descriptor in self._wake:
            os.close(descriptor)
        self._thread = self._wake = None


def _look(pid: int) -> None:
    """The same by looking: ``waitid`` leaves the child for whoever reaps it."""
    pause = threading.Event()
    with contextlib.suppress(AttributeError, OSError):
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            pause.wait(LOOK_SECONDS)
    kill_group(pid)
