"""A bar for each queue, of what runs and what waits, to stand beside a table on a terminal.

Owns its length and its signs. Pure, but for what the output can say.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

BAR: Final = 20  # characters of the fullest


def head() -> str:
    """What the signs mean."""
    return "{} RUNS {} WAITS".format(*blocks())


def blocks() -> tuple[str, str]:
    """What runs, what waits."""
    return ("█", "▒") if (sys.stdout.encoding or "").lower().startswith("utf") else ("#", ".")


def bars(queues: Sequence[Mapping[str, int]]) -> list[str]:
    """Of each queue what runs and what waits, beside the fullest; none where nothing does."""
    runs, waits = blocks()
    pairs = [(int(counts.get("running", 0)), int(counts.get("available", 0))) for counts in queues]
    most = max(map(sum, pairs), default=0)
    found = []
    for running, waiting in pairs:
        whole = max(round((running + waiting) / most * BAR), 1) if running + waiting else 0
        ran = max(round(running / most * BAR), 1) if running else 0
        ran = min(ran, whole - (waiting > 0 and whole > 1))
        found.append(runs * ran + waits * (whole - ran))
    return found if most else []
