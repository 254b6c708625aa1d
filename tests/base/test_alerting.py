"""Random looks at a condition, whatever the clock does: what is told always adds up, and a broken variant is caught. And a few days by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from litequeue.base import alerting
from litequeue.base.alerting import AGAIN, Message, Rules, Standing, decide, patience

pytestmark = pytest.mark.beside

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOW = 1_700_000_000 * SECOND

Decide = Callable[[Standing, Rules, bool | None, int], tuple[Standing, Message | None]]
Look = tuple[int, bool | None]  # when, and what was seen


class Broken(AssertionError):
    """An invariant does not hold."""


def holds(condition: object, what: str) -> None:
    if not condition:
        raise Broken(what)


class Judge:
    """Sees the looks and the messages of one alert, and nothing of how it stands; says what should have been."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.is_firing = False
        self.fired_at = self.told_at = 0
        self.bad_since: int | None = None  # of the looks since the last good one
        self.good: list[int] = []  # looks in a row
        self.ends: list[int] = []
        self.in_a_row = 0

    def see(self, now: int, is_bad: bool | None, told: Message | None) -> None:
        if is_bad is None:
            holds(told is None, "told of what nobody has seen")
            return
        if is_bad:
            self.bad_since, self.good = now if self.bad_since is None else self.bad_since, []
        else:
            self.bad_since = None
            self.good.append(now)
        {None: self.silent, "firing": self.firing, "over": self.over, "reminder": self.reminder}[told and told.event](now, is_bad, told)  # type: ignore[index]

    def silent(self, now: int, is_bad: bool, told: None) -> None:
        if self.is_firing:
            good = len(self.good) > 1 and self.good[-1] > self.good[0] and now - self.good[0] >= patience(self.in_a_row, self.rules.keep)
            holds(not good, "it has been good for long enough, and nobody was told that it is over")
            due = self.rules.remind is not None and now - self.told_at >= self.rules.remind
            holds(not (is_bad and due), "nobody was reminded")
        elif self.bad_since is not None:
            holds(now - self.bad_since < self.rules.hold, "it has been bad for long enough, and nobody was told")

    def firing(self, now: int, is_bad: bool, told: Message) -> None:
        holds(not self.is_firing, "told twice that it fires, and not that it was over between")
        holds(is_bad and self.bad_since is not None and now - self.bad_since >= self.rules.hold, "told that it fires before its time")
        self.in_a_row = self.in_a_row + 1 if self.ends and now - self.ends[-1] <= AGAIN else 1
        holds(told.times == self.in_a_row, f"it fires for the {self.in_a_row}th time, and is called the {told.times}th")
        holds(told.since == now and told.seconds == 0 and told.first_at <= now, "when it fires is told wrongly")
        self.is_firing, self.fired_at, self.told_at = True, now, now

    def over(self, now: int, is_bad: bool, told: Message) -> None:
        holds(self.is_firing, "told that it is over, and it did not fire")
        holds(len(self.good) > 1, "told that it is over after one good look")
        holds(not is_bad and now - self.good[0] >= patience(self.in_a_row, self.rules.keep), "told that it is over before its time")
        holds(told.seconds == (self.good[0] - self.fired_at) / SECOND, "for how long it fired is told wrongly")
        self.is_firing = False
        self.ends.append(now)

    def reminder(self, now: int, is_bad: bool, told: Message) -> None:
        holds(self.is_firing and is_bad and self.rules.remind is not None, "reminded of what does not fire, or is good, or of which nobody wants it")
        holds(now - self.told_at >= (self.rules.remind or 0), "reminded too soon")
        holds(told.seconds == (now - self.fired_at) / SECOND, "for how long it fires is told wrongly")
        self.told_at = now


def looks(rng: random.Random) -> Iterable[Look]:
    """Of a condition that stays as it is for a while; more or less each 30 seconds, and sometimes nobody looks for hours, or sees nothing."""
    now, is_bad = NOW, False
    for _ in range(rng.choice((20, 200))):
        now += rng.choice((25, 30, 30, 30, 31, 300, 3 * 3600 if rng.random() < 0.1 else 30)) * SECOND
        if rng.random() < rng.choice((0.1, 0.5)):
            is_bad = not is_bad
        yield now, None if rng.random() < 0.05 else is_bad


def life(seed: int, decide: Decide) -> int:
    """One alert's; how many messages."""
    rng = random.Random(seed)
    rules = Rules(rng.choice((0, 30, 60, 300)) * SECOND, rng.choice((0, 0, 60, 600)) * SECOND, rng.choice((None, 10 * MINUTE, 24 * HOUR)))
    standing, judge, count = Standing(), Judge(rules), 0
    for now, is_bad in looks(rng):
        before = standing
        standing, told = decide(standing, rules, is_bad, now)
        judge.see(now, is_bad, told)
        holds((standing.state == "firing") == judge.is_firing, "it stands as nobody was told")
        holds(is_bad is not None or standing == before, "it was changed by what nobody has seen")
        holds(standing.state != "ok" or standing.since is None, "it is well since when?")
        count += told is not None
    return count


def test_what_is_told_adds_up_whatever_is_seen() -> None:
    assert sum(life(seed, decide) for seed in range(1_500)) > 5_000


def _fires_at_once(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    return decide(standing, rules._replace(hold=0), is_bad, now)


def _clears_at_once(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    if is_bad is False and standing.state == "firing":
        standing = standing._replace(good_since=now - 10 * HOUR)
    return decide(standing, rules, is_bad, now)


def _what_is_not_seen_is_good(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    return decide(standing, rules, bool(is_bad), now)


def _forgets_the_last_end(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    return decide(standing._replace(over_at=None), rules, is_bad, now)


def _forgets_when_it_was_told(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    return decide(standing._replace(told_at=standing.since), rules, is_bad, now)


def _pending_is_never_over(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    return (standing, None) if standing.state == "pending" and not is_bad else decide(standing, rules, is_bad, now)


def _forgets_that_it_fires(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    found, told = decide(standing, rules, is_bad, now)
    return (found._replace(state="pending") if told and told.event == "firing" else found), told


def _bad_looks_between_do_not_count(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    found, told = decide(standing, rules, is_bad, now)
    return (found._replace(good_since=standing.good_since) if is_bad and found.state == "firing" else found), told


def _is_not_damped(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    found, told = decide(standing._replace(times=min(standing.times, 1)), rules, is_bad, now)
    return found, told


def _says_over_from_the_last_look(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    found, told = decide(standing, rules, is_bad, now)
    return found, told._replace(seconds=(now - told.since) / SECOND) if told and told.event == "over" else told


def _tells_no_end(standing: Standing, rules: Rules, is_bad: bool | None, now: int) -> tuple[Standing, Message | None]:
    found, told = decide(standing, rules, is_bad, now)
    return found, None if told and told.event == "over" else told


BROKEN = (
    _fires_at_once, _clears_at_once, _what_is_not_seen_is_good, _forgets_the_last_end, _forgets_when_it_was_told, _pending_is_never_over,
    _forgets_that_it_fires, _bad_looks_between_do_not_count, _is_not_damped, _says_over_from_the_last_look, _tells_no_end,
)  # fmt: skip


@pytest.mark.parametrize("variant", BROKEN, ids=lambda variant: variant.__name__.strip("_"))
def test_a_broken_variant_is_caught(variant: Decide) -> None:
    with pytest.raises(Broken):
        for seed in range(1_500):
            life(seed, variant)


# -- by hand ---------------------------------------------------------------------------------------------


def told(rules: Rules, seen: Iterable[Look]) -> list[tuple[int, str, int]]:
    """The messages: when, in seconds from NOW, what, and how many times lately."""
    standing, found = Standing(), []
    for now, is_bad in seen:
        standing, message = decide(standing, rules, is_bad, now)
        if message is not None:
            found.append(((now - NOW) // SECOND, message.event, message.times))
    return found


def each_half_minute(*pieces: tuple[bool | None, int]) -> list[Look]:
    """So many looks at this."""
    seen = [is_bad for is_bad, count in pieces for _ in range(count)]
    return [(NOW + number * 30 * SECOND, is_bad) for number, is_bad in enumerate(seen)]


def test_one_message_at_firing_and_one_when_over() -> None:
    assert told(Rules(2 * MINUTE, 0), each_half_minute((True, 10), (False, 10))) == [(120, "firing", 1), (330, "over", 1)]


def test_what_passes_before_its_time_is_told_to_nobody() -> None:
    assert told(Rules(2 * MINUTE, 0), each_half_minute((True, 4), (False, 1), (True, 4), (False, 9))) == []


def test_it_keeps_firing_for_as_long_as_is_said_and_a_bad_look_begins_that_anew() -> None:
    assert told(Rules(0, 5 * MINUTE), each_half_minute((True, 1), (False, 9), (True, 1), (False, 30))) == [(0, "firing", 1), (630, "over", 1)]


def test_reminders_come_each_day_while_it_fires() -> None:
    found = told(Rules(0, 0, 24 * HOUR), each_half_minute((True, 2 * 60 * 24 * 3 + 5), (False, 5)))
    assert [what for _, what, _ in found] == ["firing", "reminder", "reminder", "reminder", "over"]
    assert [at // 86_400 for at, *_ in found[:4]] == [0, 1, 2, 3]


def test_a_look_that_nobody_could_make_neither_clears_nor_fires() -> None:
    assert told(Rules(MINUTE, 0), each_half_minute((True, 2), (None, 20), (True, 1), (None, 50), (False, 1), (None, 5), (False, 1))) == [(660, "firing", 1), (2370, "over", 1)]


def test_again_within_an_hour_it_is_counted_and_after_an_hour_it_is_new() -> None:
    hour = 2 * 60 + 1
    found = told(Rules(0, 0), each_half_minute((True, 1), (False, 3), (True, 1), (False, 20), (True, 1), (False, hour * 2), (True, 1)))
    assert [(what, times) for _, what, times in found] == [("firing", 1), ("over", 1), ("firing", 2), ("over", 2), ("firing", 3), ("over", 3), ("firing", 1)]


@pytest.mark.parametrize(("damped", "most"), [(True, 3), (False, 720)])
def test_what_comes_and_goes_all_day_makes_no_storm(damped: bool, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure in the module's docstring."""
    if not damped:
        monkeypatch.setattr(alerting, "DAMPED", 0)
    day = each_half_minute(*[(True, 4), (False, 4)] * (24 * 15))
    assert len(told(Rules(0, 0), day)) == most


def test_a_clock_that_was_ahead_silences_nothing() -> None:
    ahead = NOW + 10 * 366 * 24 * HOUR
    standing, message = decide(Standing(), Rules(0, 0, HOUR), True, ahead)
    assert message is not None
    standing, message = decide(standing, Rules(0, 0, HOUR), True, NOW)
    assert message is None and standing.told_at == NOW
    standing, message = decide(standing, Rules(0, 0, HOUR), True, NOW + HOUR)
    assert message is not None and message.event == "reminder"
    for later in (HOUR + MINUTE, HOUR + 2 * MINUTE):
        standing, message = decide(standing, Rules(0, 0), False, NOW + later)
    assert message is not None and message.event == "over" and standing.state == "ok"


def test_it_has_to_be_good_for_longer_each_time_and_no_longer_than_an_hour() -> None:
    assert [patience(times, 0) // MINUTE for times in (1, 2, 3, 4, 5, 6, 7, 500)] == [0, 4, 8, 16, 32, 60, 60, 60]
    assert patience(2, HOUR * 5) == HOUR * 5
