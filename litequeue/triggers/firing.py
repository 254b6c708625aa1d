"""Which ticks of a schedule are to be fired, and which are past: a pure decision.

Owns catch-up, grace, jitter and overlaps. Given a schedule's row, its trigger and the time, it says what to do now and when
to look again; that each tick is decided once is the store's to see to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import Final

from ..base.checks import MICROS, aware
from ..base.durations import render
from ..base.models import Due, Fire, Past, Planned, Step
from .kinds import At, Cron, Every, Trigger
from .specs import from_spec
from .ticks import last_ticks, next_tick

MOST: Final = 100  # ticks that are caught up, or shown one by one, after a time in which nobody fired
LATE: Final = MICROS  # a tick is late after a second, and nothing is ever missed by less
STUCK_PERIODS: Final = 3  # so many ticks pass while the job of one still runs, and
STUCK_AT_LEAST: Final = 3_600 * MICROS  # so long, before people are told that it keeps its schedule from going on
PUNCTUAL: Final = 60 * MICROS  # catch_up="skip" still fires what a busy machine held up for a minute


@lru_cache(maxsize=4096)
def trigger_of(spec: str, anchor: int) -> Trigger:
    """The stored trigger, with intervals counting from their anchor. Raises InvalidArgument."""
    return bound(from_spec(spec), anchor)


def is_foreign(spec: str) -> bool:
    """Whether a stored trigger is an object of the user's own, which only the code that declares it can work out."""
    return spec.startswith('{"object"')


def bound(trigger: Trigger, anchor: int) -> Trigger:
    """The trigger, with an interval that counts from its registration told when that was."""
    return trigger.anchored(aware(anchor)) if type(trigger) is Every else trigger  # a subclass is the user's own


def first(trigger: Trigger, name: str, jitter: int, now: int) -> tuple[int | None, int | None]:
    """The first tick of a schedule that begins now, and when it fires."""
    # One that is exactly now counts; a user's own may count from the moment that it is asked about.
    tick = next_tick(trigger, now - 1 if type(trigger) in (Cron, Every, At) else now)
    if tick is not None and tick > now and type(trigger) is Every and trigger.after == "finish":
        tick = now + trigger.micros  # counted from now, and not from the microsecond before
    return tick, _fires_at(trigger, name, jitter, tick)


def plan(row: Planned, trigger: Trigger, now: int) -> Step:
    """What is to be done at ``now`` with a schedule whose tick has come."""
    assert row.next_tick_at is not None
    if row.next_tick_at > now:  # the clock was set back since the row was read: what was fired must not come again
        return _step(row, row.next_tick_at, row.fires_at)
    ticks, more = last_ticks(trigger, row.next_tick_at, now, MOST + 1)
    following: int | None = None
    if ticks and ticks[-1] > row.next_tick_at and ticks[-1] + _offset(trigger, row.name, row.jitter, ticks[-1]) > now:
        following = ticks.pop()
    past: list[Past] = []
    if more or len(ticks) > MOST:
        reason = f"more than {MOST} ticks passed while nobody fired them"
        through = ticks.pop(0)
        past.append(Past(row.next_tick_at, through if through > row.next_tick_at else None, "missed", reason))
    fire = _fire(row, ticks, now)
    fired = {due.tick for due in fire}
    past += [_past(row, tick, now) for tick in ticks if tick not in fired]
    finishing = type(trigger) is Every and trigger.after == "finish"
    if finishing and fire:
        return _step(row, None, None, awaiting=True, fire=fire, past=tuple(past))
    if following is None:
        following = next_tick(trigger, now if finishing else ticks[-1])
    fires_at = _fires_at(trigger, row.name, row.jitter, following)
    return _step(row, following, fires_at, fire=fire, past=tuple(past))


def go_on_from(row: Planned, trigger: Trigger, moment: int) -> Step:
    """The next tick after a moment: the end of the last job of a schedule that counts from there, or now, where the
    clock was set back. What was decided already is not decided again."""
    tick = next_tick(trigger, moment)
    return _step(row, tick, _fires_at(trigger, row.name, row.jitter, tick))


def is_stuck(trigger: Trigger, tick: int, now: int) -> bool:
    """Whether the job of a tick, which still runs, has done so for too long for its schedule's sake."""
    following: int | None = tick
    for _ in range(STUCK_PERIODS):
        if following is None:
            return False  # there is nothing that it keeps from happening
        following = next_tick(trigger, following)
    return following is not None and now >= max(following, tick + STUCK_AT_LEAST)


def at_boot(row: Planned, boot: str, now: int) -> Step:
    """The tick of a schedule that fires once per boot."""
    return _step(row, None, None, boot=boot, fire=(Due(now, "fired"),))


def overlapping(
    steps: Iterable[Step], busy: Container[int], rules: Mapping[int, tuple[str, str]], taken: Container[tuple[int, int]]
) -> tuple[list[Fire], list[tuple[int, Past]]]:
    """Which ticks of some steps become jobs, and what became of the others, each with its schedule. ``busy``: schedules of which a job has not
    ended; ``rules``: overlap and catch_up by schedule; ``taken``: ticks that were decided before."""
    jobs: list[Fire] = []
    others: list[tuple[int, Past]] = []
    made: set[int] = set()
    for step in steps:
        others += [(step.id, past) for past in step.past]
        for due in step.fire:
            overlap, catch_up = rules[step.id]
            if (step.id, due.tick) in taken:
                continue
            if overlap == "allow" or step.id not in busy and step.id not in made:
                jobs.append(Fire(step.id, due.tick, "available", due.outcome))
                made.add(step.id)
            elif overlap == "queue" or catch_up == "all" and due.outcome == "late":
                # What was missed is caught up one after another, however an overlap is treated.
                jobs.append(Fire(step.id, due.tick, "blocked", due.outcome))
            else:
                others.append((step.id, Past(due.tick, None, "skipped", "the job of an earlier tick had not ended")))
    return jobs, others


def _step(
    row: Planned,
    tick: int | None,
    fires_at: int | None,
    *,
    awaiting: bool = False,
    boot: str | None = None,
    fire: tuple[Due, ...] = (),
    past: tuple[Past, ...] = (),
) -> Step:
    """From a schedule as it was read to its next tick."""
    return Step(row.id, row.name, row.revision, row.next_tick_at, tick, fires_at, awaiting, boot, fire, past)


def _fires_at(trigger: Trigger, name: str, jitter: int, tick: int | None) -> int | None:
    return None if tick is None else tick + _offset(trigger, name, jitter, tick)


def _fire(row: Planned, ticks: list[int], now: int) -> tuple[Due, ...]:
    limit = max(row.grace, LATE)
    if row.catch_up == "skip":
        limit = max(min(row.grace, PUNCTUAL), LATE)
    within = [tick for tick in ticks if now - _fires(row, tick) <= limit]
    if row.catch_up != "all":
        within = within[-1:]
    return tuple(
        Due(tick, "late" if now - _fires(row, tick) > LATE else "fired") for tick in within
    )


def _past(row: Planned, tick: int, now: int) -> Past:
    if now - _fires(row, tick) > max(row.grace, LATE):
        return Past(tick, None, "missed", f"nobody fired it within its grace of {render(row.grace)}")
    reason = "it was late, and catch_up is skip" if row.catch_up == "skip" else "a later tick stands for it"
    return Past(tick, None, "skipped", reason)


def _fires(row: Planned, tick: int) -> int:
    """When the tick was to fire; without its jitter for those that were never planned."""
    return row.fires_at if tick == row.next_tick_at and row.fires_at is not None else tick


def _offset(trigger: Trigger, name: str, jitter: int, tick: int) -> int:
    """How much later than its time a tick fires: the same for whoever works it out, and before the next tick.

    (APScheduler bounds its jitter by the next fire as well.)
    """
    if not jitter:
        return 0
    after = next_tick(trigger, tick)
    most = jitter if after is None else min(jitter, after - tick - 1)
    digest = hashlib.blake2b(f"{name} {tick}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (max(most, 0) + 1)
