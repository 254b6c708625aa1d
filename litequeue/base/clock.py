"""The one place that reads a clock or makes randomness; everything else is handed a ``Clock``.

Owns time's two faces: ``now()`` for what is stored (microseconds since the epoch, UTC) and
``monotonic()`` for durations inside a process. Must hold no policy.
"""

from __future__ import annotations

import functools
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import random


def _machines() -> Callable[[], float]:
    """Also where somebody has replaced it before this module was imported: under freezegun, say."""
    if isinstance(time.monotonic, types.BuiltinFunctionType):
        return time.monotonic
    return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)  # POSIX, and there nobody replaces it


def monotonic(_real: Callable[[], float] = _machines()) -> float:  # noqa: B008 - once, at the import
    """Seconds since an arbitrary point. Never goes back.

    The function is kept where nobody replaces it: under freezegun, which puts its own into every module, a wait that asked
    ``time`` never ended.
    """
    return _real()


def cpu() -> float:
    """Seconds of a processor that this process has used, all its threads together."""
    return time.process_time()


class Clock(Protocol):
    def now(self) -> int:
        """Wall clock: microseconds since 1970-01-01 UTC. May jump."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary point. Never goes back."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> int:
        return time.time_ns() // 1000

    monotonic = staticmethod(_machines())  # at once, and kept where nobody replaces it, as above


def boot_id() -> str | None:
    """What tells this boot of the machine from any other; None where that cannot be known.

    In a container it is the host's: a container's start is no boot.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip() or None
    except OSError:
        return None


def system_random() -> random.Random:
    """Randomness for backoff and jitter, seeded by the system."""
    import random  # 2.5 ms, which no producer needs

    return random.Random()
