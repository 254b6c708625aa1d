"""The numbers by which the store judges: how long a final job is kept, how many workers may die under one, and the
bits and moments that stand for something.

Owns nothing but these; who applies them stands beside the SQL that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..base import checks
from ..base.checks import MAX_SECONDS, MICROS

if TYPE_CHECKING:
    from datetime import datetime

DAY: Final = checks.DAY
# How long a job is kept that has ended, in microseconds. What succeeded or was discarded under a worker as that says, or its task, and it is written down with
# its end; what was cancelled or has expired, which needs no worker, is kept for a day.
KEEP: Final = DAY
KEEP_DISCARDED: Final = 30 * DAY
MAX_INTERRUPTIONS: Final = 3
# When a job is due that waits for an event without an end: the year 9000. It is no blocked one, which other jobs, or a schedule, would let go.
FOREVER: Final = 221_845_392_000_000_000

LONGEST: Final = MAX_SECONDS * MICROS  # of what is a length of time, or a count


def bounded(column: str) -> str:
    """As SQL: a count or a length of time from 0 to ``LONGEST``, whatever somebody has planted there. A sum that goes beyond 64 bits is
    no integer to SQLite, which then refuses the whole turn."""
    return f"max(min({column}, {LONGEST}), 0)"


# Bits of ``links``; between them that of who has told his dependants, which takes the place of the first.
HAS_DEPENDANTS: Final = 1
TOLD: Final = 2
WAITS: Final = 4

# Of limited jobs, as ``holds``.
NO_LINE, HAS_SLOT, HAS_COME, STANDS = range(4)


def free_to_run(unless: str = "", state: str = "") -> str:
    """As SQL: where a job goes that may run now, a limited one into the line for its slot; both columns are set together, and by whoever lets it
    go. ``unless`` this is so: then it gets that ``state``."""
    first, other = (f"WHEN {unless} THEN {state} ", f"{unless} OR ") if unless else ("", "")
    return f"""state = CASE {first}WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END,
    holds = CASE WHEN {other}limit_key IS NULL THEN holds ELSE {HAS_COME} END"""


def waits_for_ever(at: datetime) -> bool:
    """Whether a job that is due then waits for an event without an end."""
    return at.timestamp() * MICROS >= FOREVER


def waits_elsewhere(job: str = "") -> str:
    """As SQL, of a job by this name and a dot: it is blocked, and not for a slot."""
    return f"({job}state = 'blocked' AND ifnull({job}holds, 0) < {HAS_COME})"


# As SQL, of one that runs: from when this attempt could have started. Nobody has waited for a job before it was there, whatever its eta says.
DUE: Final = "max(litequeue_jobs.run_at, litequeue_jobs.created_at)"
# As SQL: blocked by an earlier job of its schedule, and not by jobs that it waits for.
IN_LINE: Final = f"({waits_elsewhere()} AND schedule_id IS NOT NULL AND ifnull(links, 0) < {WAITS})"
# What becomes of a job that was not started in time.
EXPIRED: Final = "state = 'expired', finished_at = :now, prune_at = :prune_at, last_error = 'not started before its deadline'"

# In which those are told of alerts whom no worker could tell otherwise. Who serves nothing else is no worker of the file's.
QUEUE_OF_ALERTS: Final = "litequeue.alerts"
