"""Schedules and their ticks in the file.

Read ``table`` first, the rows of schedules: what people and code do to them. ``firing`` is the scheduler's part, the
transaction that makes each tick once; ``keyed`` keeps ticks of unique jobs out whose key is taken, ``history`` keeps what became of the ticks, ``stuck`` asks for jobs that do not end, ``shown`` turns rows into what people
are shown (imported by whoever shows them: it needs time zones and cron). Which ticks are due is decided in ``triggers/firing``.
"""

from .firing import Fires, NoJob, Ticks
from .history import CLOSE_ALL, REOPEN
from .table import COLUMNS, KEPT_OVER_A_RESTART, RULES, Change, Schedules, Stored

__all__ = [
    "CLOSE_ALL", "COLUMNS", "KEPT_OVER_A_RESTART", "REOPEN", "RULES", "Change", "Fires", "NoJob", "Schedules", "Stored", "Ticks",
]  # fmt: skip
