"""The values of unique jobs and of limits, beside ``models``: most programs have none, and need not pay for making their classes.

No behaviour; no I/O.
"""

from __future__ import annotations

from typing import NamedTuple


class UniqueKey(NamedTuple):
    """The key of a job about to be inserted, and what becomes of that where another has it; times in microseconds."""

    text: str
    until: str | int = "finish"  # or "start"; a length of time
    on_conflict: str = "return"  # or "raise" or "replace"
    debounce: int | None = None  # it is due so long after the last enqueue,
    max_wait: int | None = None  # and at most so long after the first


class Limit(NamedTuple):
    """How many jobs of one key may run, and start."""

    name: str
    max_running: int | None = None  # at once; None: any number
    rate: int | None = None  # within any time of that length; None: any number
    per: int | None = None  # microseconds


class Enqueued(NamedTuple):
    """What an enqueue came to."""

    id: int
    is_new: bool  # False: the job was there, and had its key
