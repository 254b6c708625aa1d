"""The children of a process that waits for all of them: who watches over others may be the first process of a container, where those that nobody
else waits for become its own.

Owns the wait, and how an end is told as an exit code. Who has ended is the caller's to know.
"""

from __future__ import annotations

import os
from collections.abc import Iterator


def ended_children() -> Iterator[tuple[int, int]]:
    """All that have ended by now and were not waited for, each with its exit code: 128 and the signal's number, if that was its end."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        code = os.waitstatus_to_exitcode(status)
        yield pid, code if code >= 0 else 128 - code
