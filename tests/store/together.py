"""Processes that are forked from the test: one, or several that do the same thing to a file at the same moment."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable


def fork(work: Callable[[], object]) -> int:
    """The pid of a process that does this, and ends with 0 if nothing was raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def together(number: int, work: Callable[[], object]) -> None:
    """Fork so many processes, let all begin when the last is there, and see that each comes to its end.

    The parent may have no database open, since SQLite does not survive a fork.
    """
    hear, tell = os.pipe()

    def begin() -> None:
        os.close(tell)
        os.read(hear, 1)  # until nobody can write there any more
        work()

    children = [fork(begin) for _ in range(number)]
    os.close(hear)
    os.close(tell)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * number
