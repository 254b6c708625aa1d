"""What looks at a condition make of its alert, and when somebody is told: a pure function of how it stands, what was seen, and when.

Owns the states (ok, pending, firing), the moves between them, and the rule that damps an alert which comes and goes. What is looked at is ``alertkinds``', what is said
``commands/notices``', and that a message and the state that it tells of are one transaction the store's.

What nobody could see changes nothing: where a look is refused, an alert neither fires nor clears (to take what is not known for good is how alerts of Prometheus
clear by themselves while it cannot scrape).

An alert that comes and goes is told in full each time, and so it must not come and go: one that fires again within an hour of having cleared has to be good for 4
minutes before it clears, then 8, 16, 32, at most an hour. Measured with the model of the tests: a condition that is bad for two minutes and good for two, all day,
makes 720 messages without that, and 3 with it: from the second time on it fires until it stays good.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from .checks import MICROS

State = Literal["ok", "pending", "firing"]
Event = Literal["firing", "over", "reminder"]

AGAIN: Final = 3600 * MICROS  # from an end, within which firing is firing again
DAMPED: Final = 120 * MICROS  # good for so long, doubled each time that it fires again, before it clears
MOST_DAMPED: Final = 3600 * MICROS
_MOST_TIMES: Final = 1_000_000  # whatever somebody has planted
_DOUBLINGS: Final = 10  # beyond it is MOST_DAMPED anyway


class Rules(NamedTuple):
    """What its owner says. Microseconds."""

    hold: int  # it is bad for so long before it fires
    keep: int  # and good for so long before it clears
    remind: int | None = None  # told again each time that it has fired for so long


class Standing(NamedTuple):
    """How an alert stands. Times in microseconds."""

    state: State = "ok"
    since: int | None = None  # pending, firing: from when on
    good_since: int | None = None  # firing: seen good since then, and not long enough yet
    told_at: int | None = None  # firing: the last message
    over_at: int | None = None  # when it cleared last
    times: int = 0  # that it fired, each within an hour of the end before
    first_at: int | None = None  # the first of those


class Message(NamedTuple):
    """What somebody is to be told."""

    event: Event
    since: int  # when it fired
    seconds: float  # for so long it has fired, or did until it was good
    times: int  # that it has fired lately
    first_at: int  # the first of those


def decide(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    """What one look makes of it, and what is to be told. ``is_bad``: None where nobody could see."""
    standing = _not_to_come(standing, now)
    if is_bad is None:
        return standing, None
    if standing.state == "firing":
        return _still_bad(standing, rules, now) if is_bad else _good(standing, rules, now)
    if not is_bad:
        return standing._replace(state="ok", since=None), None
    since = now if standing.state == "ok" or standing.since is None else standing.since
    if now - since < rules.hold:
        return standing._replace(state="pending", since=since), None
    return _fire(standing, now)


def patience(times: int, keep: int) -> int:
    """For how long it has to be good before it clears, having fired so many times in a row."""
    damped = 0 if times < 2 else min(DAMPED << min(times - 1, _DOUBLINGS), MOST_DAMPED)
    return max(keep, damped)


def _fire(standing: Standing, now: int) -> tuple[Standing, Message]:
    is_again = standing.over_at is not None and now - standing.over_at <= AGAIN
    times = min(standing.times + 1, _MOST_TIMES) if is_again else 1
    first = standing.first_at if is_again and standing.first_at is not None else now
    fired = Standing("firing", now, None, now, standing.over_at, times, first)
    return fired, Message("firing", now, 0.0, times, first)


def _still_bad(standing: Standing, rules: Rules, now: int) -> tuple[Standing, Message | None]:
    standing = standing._replace(good_since=None)
    told = now if standing.told_at is None else standing.told_at
    if rules.remind is None or now - told < rules.remind:
        return standing._replace(told_at=told), None
    return standing._replace(told_at=now), _message("reminder", standing, now, now)


def _good(standing: Standing, rules: Rules, now: int) -> tuple[Standing, Message | None]:
    """One good look is none: a second has to come, later."""
    if standing.good_since is None or now <= standing.good_since:
        return standing._replace(good_since=now), None
    if now - standing.good_since < patience(standing.times, rules.keep):
        return standing, None
    over = Standing("ok", None, None, None, now, standing.times, standing.first_at)
    return over, _message("over", standing, now, standing.good_since)


def _message(event: Event, standing: Standing, now: int, until: int) -> Message:
    since = now if standing.since is None else standing.since
    first = since if standing.first_at is None else standing.first_at
    return Message(event, since, max(until - since, 0) / MICROS, max(standing.times, 1), first)


def _not_to_come(standing: Standing, now: int) -> Standing:
    """A clock that was ahead for a minute must not silence an alert for as long as it was ahead."""
    return Standing(
        standing.state, _past(standing.since, now), _past(standing.good_since, now), _past(standing.told_at, now), _past(standing.over_at, now),
        standing.times, _past(standing.first_at, now),
    )  # fmt: skip


def _past(at: int | None, now: int) -> int | None:
    return None if at is None else min(at, now)
