"""What is said of a file that is a copy: by the doctor, and by ``stats``."""

from __future__ import annotations

import shlex

from ..base.checks import MICROS
from ..base.durations import about
from ..store.marks import Mark


def fire(path: str) -> str:
    """What to do that the schedules of a paused copy fire."""
    return f"litequeue schedule resume {shlex.quote(path)} --all lets them fire"


def said_of(mark: Mark, path: str, now: int) -> str | None:
    """That a file is a copy, and how it becomes a queue at work; None of one that is none."""
    if mark.copy is None and mark.paused_at is None:
        return None
    made = "" if mark.copy is None else f"a copy of {mark.copy.of}, made {about(max(now - mark.copy.at, 0) / MICROS)} ago"
    paused = "" if mark.paused_at is None else f"its schedules are paused: {fire(path)}"
    return "; ".join(filter(None, (made, paused)))
