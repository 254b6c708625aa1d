"""What schedulers ask of any trigger, in whole microseconds: the check of one, its next tick, the latest of those missed.

Must not decide what becomes of a missed tick: that is ``firing``'s.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from ..base import checks
from ..base.errors import InvalidArgument, InvalidType
from ..base.signatures import signature_of
from .kinds import LEAST_MICROS, At, Cron, Every, Trigger, name_of


def check(trigger: Any) -> Trigger:
    """Cron, Every, At, or an object with a ``next_after`` that takes one moment; else InvalidType."""
    method = getattr(trigger, "next_after", None)
    if callable(method) and _takes_one(method):
        return trigger  # type: ignore[no-any-return]
    hint = ""
    if isinstance(trigger, str):
        hint = f"; use Cron({trigger!r:.60}) or Every({trigger!r:.60})"
    elif isinstance(trigger, (int, float, timedelta)):
        hint = f"; use Every({trigger!r:.60})"
    elif isinstance(trigger, datetime):
        hint = "; use At(moment)"
    elif isinstance(trigger, type) and method is not None:
        hint = "; this is the class, not an object of it"
    raise InvalidType(
        "a trigger must be Cron(...), Every(...), At(...) or an object with next_after(moment), "
        f"not {type(trigger).__name__}: {trigger!r:.100}{hint}"
    )


def next_tick(trigger: Trigger, after_micros: int) -> int | None:
    """The first tick strictly after a moment, in microseconds since the epoch.

    What a user's own ``next_after`` answers is checked; what it raises propagates.
    """
    if type(trigger) is Every:
        return trigger.micros_after(after_micros)
    if type(trigger) is Cron:
        return _tick_of_cron(trigger, after_micros)
    return _asked(trigger, after_micros)


# A tick's plan asks for the one after it twice, with jitter four times, and so does the plan of that: it takes 16 us to find.
@lru_cache(maxsize=1024)
def _tick_of_cron(trigger: Cron, after_micros: int) -> int | None:
    return _asked(trigger, after_micros)


def _asked(trigger: Trigger, after_micros: int) -> int | None:
    moment = trigger.next_after(checks.aware(after_micros))
    if moment is None:
        return None
    what = f"what {name_of(trigger)}.next_after returned"
    try:
        found = checks.moment(moment, what)
    except InvalidType as error:
        raise InvalidArgument(f"{error}, or None") from None
    if found <= after_micros:
        raise InvalidArgument(f"{what} must be later than {checks.aware(after_micros)}, but is {checks.aware(found)}")
    return found


def last_ticks(trigger: Trigger, first: int, until: int, most: int) -> tuple[list[int], bool]:
    """The latest ticks, at most ``most``, in [first, until], ascending; and whether there are earlier ones.

    ``first`` is itself a tick. All in microseconds since the epoch. Of a user's trigger whose ticks turn on
    where it is asked from, such as "an hour later", they are those seen from within the range.
    """
    checks.integer(most, "most", 1, 1_000_000)
    if until < first:
        return [], False
    if type(trigger) is Every:
        return _of_interval(trigger, first, until, most)
    if type(trigger) is At:
        return [first], False
    if type(trigger) is Cron:
        following = next_tick(trigger, first)
        if following is None or following > until:  # as mostly: it is on time
            return [first], False
    # A window that ends at `until` and doubles until it has enough: its cost turns on `most`, not on
    # how long the range is. Cron has a tick a second at the most.
    width = most * (1_000_000 if type(trigger) is Cron else LEAST_MICROS)
    while until - width > first:
        found, more = _within(trigger, until - width, until, most)
        if more or len(found) == most:
            return found, True
        width *= 2
    found, more = _within(trigger, first, until, most)
    return [first, *found][-most:], more or len(found) == most


def _of_interval(every: Every, first: int, until: int, most: int) -> tuple[list[int], bool]:
    if every.after == "finish":
        return [first], False  # the next one turns on when the job of this one ends
    count = (until - first) // every.micros + 1
    start = max(count - most, 0)
    return [first + number * every.micros for number in range(start, count)], start > 0


def _within(trigger: Trigger, after: int, until: int, most: int) -> tuple[list[int], bool]:
    """The latest ticks in (after, until], and whether more than ``most`` are there."""
    found: deque[int] = deque(maxlen=most)
    count = 0
    tick = next_tick(trigger, after)
    while tick is not None and tick <= until:
        found.append(tick)
        count += 1
        tick = next_tick(trigger, tick)
    return list(found), count > most


def _takes_one(method: Any) -> bool:
    try:
        signature = signature_of(method)
    except (TypeError, ValueError):  # a builtin that does not tell
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True
