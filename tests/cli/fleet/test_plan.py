"""What becomes of a fleet's workers: each rule by itself, and whatever happens in whatever order."""

from __future__ import annotations

import dataclasses
import math
import random
import signal

import pytest

from litequeue.cli.fleet import states
from litequeue.cli.fleet.plan import step
from litequeue.cli.fleet.states import (
    Announce,
    Asks,
    Changed,
    Ended,
    Event,
    Fleet,
    Leave,
    More,
    Phase,
    Roll,
    Rules,
    Say,
    Seen,
    Start,
    Stop,
    Tell,
    Tick,
    Up,
    Way,
    due,
    fleet,
    status,
)

pytestmark = pytest.mark.beside

RULES = Rules(grace=30.0, lease=60.0)


class World:
    """A fleet by the clock, and what it did."""

    def __init__(self, workers: int = 2, rules: Rules = RULES, *, up: bool = True) -> None:
        self.fleet: Fleet = fleet(workers, rules)
        self.now = 1000.0
        self.deeds: list[object] = []
        self.hear(Tick())
        if up:
            self.all_up()

    def hear(self, *events: Event) -> list[object]:
        """What is done about them, but for what is said."""
        done: list[object] = []
        for event in events:
            self.fleet, deeds = step(self.fleet, event, self.now)
            self.deeds += deeds
            done += [deed for deed in deeds if not isinstance(deed, Say)]
        return done

    def later(self, seconds: float) -> list[object]:
        self.now += seconds
        return self.hear(Tick())

    def all_up(self) -> None:
        while starting := self.those(Phase.STARTING):
            self.hear(*map(Up, starting))

    def those(self, *phases: Phase) -> list[int]:
        return [child.serial for child in self.fleet.children if child.phase in phases]

    def said(self) -> list[str]:
        return [deed.text for deed in self.deeds if isinstance(deed, Say)]


def test_one_worker_begins_and_the_others_follow_once_it_is_up() -> None:
    world = World(3, up=False)
    assert world.deeds == [Start(1, 1)]
    assert world.hear(Up(1)) == [Start(2, 2), Start(3, 3)]
    assert Announce() not in world.hear(Up(2))
    assert world.hear(Up(3)) == [Announce()]
    assert status(world.fleet) == "3 of 3 workers up" and due(world.fleet) == math.inf


def test_one_that_never_comes_up_keeps_the_others_from_being_announced_for_its_first_try_only() -> None:
    world = World(2, up=False)
    world.hear(Up(1))
    assert world.hear(Ended(2, 1)) == [Announce()]


def test_a_crash_is_replaced_after_a_pause_that_grows_and_is_forgotten_after_a_minute() -> None:
    world = World()
    for pause in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        (first, _) = sorted(world.fleet.children, key=lambda child: child.place)
        assert world.hear(Ended(first.serial, 137)) == []
        assert due(world.fleet) == world.now + pause
        assert world.later(pause - 0.01) == []
        assert world.later(0.01) == [Start(world.fleet.serial, 1)]
        world.all_up()
    world.later(states.WELL_SECONDS)
    world.hear(Ended(world.fleet.serial, 137))
    assert due(world.fleet) == world.now + 0.5


def test_one_that_ends_by_itself_is_replaced_at_once() -> None:
    """--max-jobs, or somebody who stopped it alone."""
    world = World()
    assert world.hear(Ended(1, 0)) == [Start(3, 1)]


def test_a_busy_file_is_a_crash_like_others() -> None:
    world = World()
    assert world.hear(Ended(1, 75)) == [] and world.later(0.5) == [Start(3, 1)]


@pytest.mark.parametrize("code", [2, 3, 4])
@pytest.mark.parametrize("up", [False, True])
def test_what_another_start_does_not_mend_ends_all_with_that_code(code: int, up: bool) -> None:
    world = World(2, up=up)
    assert world.hear(Ended(1, code)) == ([Tell(2, Way.LEAVE)] if up else [Leave(code)])
    if up:
        assert world.hear(Ended(2, 0)) == [Leave(code)]


def test_five_deaths_before_any_was_up_end_it_with_the_code_of_the_last() -> None:
    world = World(3, up=False)
    for code in (1, 137, 1, 1):
        assert world.hear(Ended(world.fleet.serial, code)) == []
        world.later(30)
    assert world.hear(Ended(5, 139)) == [Leave(139)]


def test_once_one_was_up_it_goes_on_for_ever() -> None:
    world = World(2)
    for _ in range(50):
        world.hear(*(Ended(serial, 1) for serial in world.those(Phase.STARTING, Phase.UP)))
        assert world.later(30)
    assert not world.fleet.is_over


def test_one_that_is_not_up_in_time_is_killed_and_the_next_has_twice_as_long() -> None:
    world = World(2, up=False)
    for seconds in (30, 60, 120, 240, 300):
        serial = world.fleet.serial
        assert world.later(seconds - 0.1) == []
        assert world.later(0.1) == [Tell(serial, Way.KILL)]
        if serial < 5:
            world.hear(Ended(serial, 137))
            world.later(30)
    assert world.hear(Ended(5, 137)) == [Leave(137)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_all_finish_and_a_second_ends_them_now(number: int) -> None:
    world = World()
    assert world.hear(Stop(number)) == [Tell(1, Way.LEAVE), Tell(2, Way.LEAVE)]
    assert due(world.fleet) == world.now + 34
    assert world.hear(Ended(1, 0)) == []
    assert world.hear(Stop(number)) == [Tell(2, Way.NOW)]
    assert due(world.fleet) == world.now + 2
    assert world.hear(Ended(2, 143)) == [Leave(128 + number)]


def test_a_third_signal_kills() -> None:
    world = World(1)
    world.hear(Stop(15), Stop(15))
    assert world.hear(Stop(15)) == [Tell(1, Way.KILL)]


def test_a_stop_is_zero_if_all_ends_are_and_else_the_first_that_is_not() -> None:
    for codes, code in (((0, 0), 0), ((75, 0), 75), ((0, 75), 75)):
        world = World()
        world.hear(Stop(15), Ended(1, codes[0]))
        assert world.hear(Ended(2, codes[1])) == [Leave(code)]


def test_a_stop_before_anything_is_up_is_no_failure() -> None:
    world = World(2, up=False)
    assert world.hear(Stop(15)) == [Tell(1, Way.LEAVE)]
    assert world.hear(Ended(1, 143)) == [Leave(0)]


def test_at_a_stop_what_does_not_leave_is_killed_and_what_does_not_die_is_not_waited_for() -> None:
    world = World(1)
    world.hear(Stop(15))
    assert world.later(33.9) == [] and world.later(0.1) == [Tell(1, Way.KILL)]
    assert world.later(states.KILL_SECONDS) == [Leave(137)]
    assert states.LEAVE_SECONDS + states.KILL_SECONDS < 10, "the unit's manager waits for ten more than the grace"


def test_a_rolling_restart_starts_the_new_one_first_and_one_at_a_time() -> None:
    world = World()
    assert world.hear(Roll()) == [Start(3, 1)]
    assert world.hear(Up(3)) == [Tell(1, Way.LEAVE)]
    assert status(world.fleet) == "2 of 2 workers up; rolling restart, 1 to go"
    assert world.later(20) == []
    assert world.hear(Ended(1, 0)) == [Start(4, 2)]
    assert world.hear(Up(4)) == [Tell(2, Way.LEAVE)]
    assert world.hear(Ended(2, 0)) == []
    assert sorted((child.serial, child.place) for child in world.fleet.children) == [(3, 1), (4, 2)]


@pytest.mark.parametrize("code", [1, 2, 137])
def test_a_rolling_restart_is_given_up_where_the_new_one_does_not_come_up(code: int) -> None:
    """A release that cannot be imported must not take along what runs."""
    world = World()
    world.hear(Roll())
    assert world.hear(Ended(3, code)) == []
    assert world.those(Phase.UP) == [1, 2] and not world.fleet.rolling
    assert "is given up" in world.said()[-1]


def test_an_old_one_that_dies_meanwhile_has_its_replacement_already() -> None:
    world = World()
    world.hear(Roll())
    assert world.hear(Ended(1, 137)) == []
    assert world.later(31) == [Tell(3, Way.KILL)] or world.those(Phase.STARTING) == [3]


def test_more_and_fewer() -> None:
    world = World()
    assert world.hear(More(1)) == [Start(3, 3)]
    world.all_up()
    assert world.hear(More(-1), More(-1)) == [Tell(3, Way.LEAVE), Tell(2, Way.LEAVE)]
    assert world.hear(More(-1)) == [] and "one worker is left, and stays" in world.said()[-1]
    assert world.hear(More(1)) == [], "the place is taken by one that leaves"
    assert world.hear(Ended(3, 0)) == [] and world.hear(Ended(2, 0)) == [Start(4, 2)]
    world.hear(*[More(1)] * 100)
    assert len(world.fleet.places) == states.MOST


def test_who_has_grown_too_big_leaves_one_at_a_time_and_after_a_rolling_restart() -> None:
    world = World(3, dataclasses.replace(RULES, memory=1 << 30))
    assert world.hear(Asks(2, 2 << 30)) == [Tell(2, Way.LEAVE)]
    assert world.hear(Asks(2, 2 << 30), Asks(1, 2 << 30), Asks(3, 2 << 30)) == []
    assert world.hear(Ended(2, 0)) == [Start(4, 2)]
    assert world.hear(Up(4)) == [Tell(1, Way.LEAVE)]
    world.hear(Ended(1, 0))
    assert world.hear(Roll(), Up(5)) == [Start(6, 1)], "which may have been loaded before; and who asked is replaced in its turn"
    for new, old in ((6, 5), (7, 4), (8, 3)):
        world.hear(Up(new), Ended(old, 0))
    assert world.those(Phase.UP) == [6, 7, 8] and not world.fleet.asking


def test_a_limit_that_a_fresh_worker_nearly_has_is_refused_before_others_are_started() -> None:
    world = World(3, dataclasses.replace(RULES, memory=100 << 20), up=False)
    assert world.hear(Up(1, 84 << 20)) == [Tell(1, Way.LEAVE)]
    assert world.hear(Ended(1, 0)) == [Leave(2)]
    assert world.said()[0].startswith("--max-memory 100M is less than 1.2 times the 84M") and "give 101M or more" in world.said()[0]
    assert World(3, dataclasses.replace(RULES, memory=101 << 20), up=False).hear(Up(1, 84 << 20)) == [Start(2, 2), Start(3, 3)]


def test_one_that_is_stopped_for_its_lease_is_killed_and_one_that_goes_on_is_not() -> None:
    world = World()
    world.hear(Seen(1, True))
    assert due(world.fleet) == world.now + 60
    world.later(59)
    world.hear(Seen(1, False), Seen(1, True))
    assert world.later(59.9) == [] and world.later(0.1) == [Tell(1, Way.KILL)]
    assert world.hear(Ended(1, 137)) == [] and world.later(0.5) == [Start(3, 1)]


def test_a_burst_ends_when_all_have_and_one_that_crashed_is_replaced() -> None:
    world = World(2, dataclasses.replace(RULES, ends=True))
    assert world.hear(Ended(1, 0)) == [] and world.hear(Ended(2, 137)) == []
    assert world.later(0.5) == [Start(3, 2)]
    assert world.hear(Ended(3, 0)) == [Leave(0)], "it may be done before it could say that it is up"


def test_a_change_of_the_code_ends_the_old_first() -> None:
    world = World(2, dataclasses.replace(RULES, reloads=True))
    assert world.hear(Changed("tasks.py")) == [Tell(1, Way.LEAVE), Tell(2, Way.LEAVE)]
    assert world.hear(Ended(2, 0)) == []  # one first, again; it is known to load then
    assert world.hear(Ended(1, 0)) == [Start(3, 1)]
    assert world.hear(Up(3)) == [Start(4, 2)]


def test_code_that_cannot_be_imported_waits_for_the_next_change() -> None:
    world = World(2, dataclasses.replace(RULES, reloads=True), up=False)
    assert world.hear(Ended(1, 2)) == [] and world.later(1000) == [] and due(world.fleet) == math.inf
    assert status(world.fleet) == "0 of 2 workers up; waits for a change of the code"
    assert world.hear(Changed("tasks.py")) == [Start(2, 1)]
    assert world.hear(Ended(2, 1), Stop(15)) == [Leave(0)]


@pytest.mark.parametrize("code", [3, 4])
def test_a_damaged_file_is_nothing_that_a_change_of_the_code_mends(code: int) -> None:
    assert World(1, dataclasses.replace(RULES, reloads=True), up=False).hear(Ended(1, code)) == [Leave(code)]


# -- whatever happens ------------------------------------------------------------------------------------------


class Model(World):
    """Processes that obey, or not; what the supervisor sees of them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.alive: set[int] = set()
        self.left_behind: set[int] = set()
        rules = Rules(
            rng.choice([0.0, 5.0, 30.0]), 10.0, ends=rng.random() < 0.2, memory=rng.choice([None, 1 << 30]), reloads=rng.random() < 0.3,
        )  # fmt: skip
        super().__init__(rng.randint(1, 5), rules, up=False)

    def hear(self, *events: Event) -> list[object]:
        before, most = self.fleet, len(self.fleet.places) + 1
        done = super().hear(*events)
        for deed in done:
            if isinstance(deed, Start):
                assert deed.serial not in self.alive
                self.alive.add(deed.serial)
                assert len(self.fleet.children) <= max(len(self.fleet.places), most - 1) + 1, "N, and one of a rolling restart"
            elif isinstance(deed, Tell):
                assert deed.serial in self.alive, "nobody is told who is not there"
        self.left_behind |= {child.serial for child in before.children} - {child.serial for child in self.fleet.children} - {
            event.serial for event in events if isinstance(event, Ended)}  # fmt: skip
        self.check()
        return done

    def check(self) -> None:
        known = {child.serial for child in self.fleet.children}
        assert known | self.left_behind >= self.alive >= known, "every process is accounted for"
        for child in self.fleet.children:
            assert (child.deadline is None) == (child.phase is Phase.UP), "each wait has a deadline"
        places = [child.place for child in self.fleet.children]
        assert all(places.count(place) <= 2 for place in places)
        if not self.fleet.is_over:
            assert due(self.fleet) > self.now, "it does not spin"
            missing = len(self.fleet.places) - sum(place.done for place in self.fleet.places) - len(set(places))
            waits = self.fleet.is_ending or self.fleet.is_held or missing <= 0 or due(self.fleet) < math.inf
            assert waits, "a place that has nobody gets somebody"

    def event(self) -> Event:
        rng = self.rng
        alive = sorted(self.alive - self.left_behind)
        what = rng.random()
        if alive and what < 0.65:
            serial = rng.choice(alive)
            if what < 0.25:
                return Up(serial, rng.choice([10 << 20, 10 << 20, 1 << 30]))
            if what < 0.5:
                self.alive.discard(serial)
                return Ended(serial, rng.choice([0, 0, 0, 1, 1, 75, 137, 143, 2, 3] if rng.random() < 0.1 else [0, 0, 1, 75, 137]))
            return Asks(serial, 2 << 30) if what < 0.58 else Seen(serial, rng.random() < 0.7)
        if what < 0.9:
            return rng.choice([Roll(), More(1), More(-1), Changed("x.py")] if self.fleet.rules.reloads else [Roll(), More(1), More(-1)])
        return Stop(15) if what < 0.91 else Tick()


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_in_whatever_order(seed: int) -> None:
    for round_ in range(60):
        model = Model(random.Random(seed * 1000 + round_))
        for _ in range(model.rng.randint(5, 120)):
            if model.fleet.is_over:
                break
            model.now += model.rng.choice([0.0, 0.0, 0.1, 1.0, 31.0])
            model.hear(model.event())
        model.hear(Stop(15))
        for _ in range(500):  # some obey, and some do not even die
            if model.fleet.is_over:
                break
            alive = sorted(model.alive - model.left_behind)
            if alive and model.rng.random() < 0.3:
                serial = model.rng.choice(alive)
                model.alive.discard(serial)
                model.hear(Ended(serial, 0))
            else:
                model.now = min(due(model.fleet), model.now + 100)
                model.hear(Tick())
        assert model.fleet.is_over and not model.fleet.children
        assert model.hear(Roll(), More(1), Up(1), Tick()) == [], "what is over is over"
