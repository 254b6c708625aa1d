"""freezegun and time-machine beside a test's queue: its wall clock follows theirs, and its monotonic one nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from litequeue import Backoff, LiteQueue, SoftTimeout, current_job
from litequeue.base.clock import SystemClock
from litequeue.testing import Kit, testing

from . import peer

pytestmark = pytest.mark.beside

THEN = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)  # the day before daylight saving begins in Europe
Move = Callable[[float], object]


@contextmanager
def freezegun() -> Iterator[Move]:
    with peer("freezegun").freeze_time(THEN) as frozen:
        yield lambda seconds: frozen.tick(timedelta(seconds=seconds))


@contextmanager
def time_machine(*, tick: bool = False) -> Iterator[Move]:
    with peer("time_machine").travel(THEN, tick=tick) as traveller:
        yield lambda seconds: traveller.shift(seconds)


@contextmanager
def ticking() -> Iterator[Move]:
    with time_machine(tick=True) as move:
        yield move


@pytest.fixture(params=[freezegun, time_machine, ticking], ids=lambda how: how.__name__)
def how(request: pytest.FixtureRequest) -> Any:
    """Which of them moves Python's clock, once it is asked to."""
    peer("freezegun" if request.param is freezegun else "time_machine")
    return request.param


@pytest.fixture(params=["around", "inside"])
def moved(request: pytest.FixtureRequest, how: Any, app: LiteQueue) -> Iterator[tuple[Kit, Move]]:
    """The queue of a test that a decorator has moved as a whole, and of one that moves time in its midst."""
    if request.param == "around":
        with how() as move, testing(app) as queue:
            yield queue, move
    else:
        with testing(app) as queue:
            queue.drain()  # at today's date
            with how() as move:
                yield queue, move


@pytest.fixture
def seen(app: LiteQueue) -> list[datetime]:
    """When the task ``t`` has run, by Python's clock."""
    found: list[datetime] = []
    app.task(name="t")(lambda: found.append(datetime.now(UTC)))
    return found


def near(at: datetime, moment: datetime) -> bool:
    return moment <= at < moment + timedelta(seconds=20)


def test_the_wall_clock_follows_and_the_monotonic_one_does_not(how: Any) -> None:
    clock = SystemClock()
    mono = clock.monotonic()
    with how() as move:
        assert near(datetime.fromtimestamp(clock.now() / 1_000_000, UTC), THEN)
        move(86_400)
        assert near(datetime.fromtimestamp(clock.now() / 1_000_000, UTC), THEN + timedelta(days=1))
        while clock.monotonic() < mono + 0.05:
            pass
        assert clock.monotonic() - mono < 60


def test_a_drain(moved: tuple[Kit, Move], app: LiteQueue, seen: list[datetime]) -> None:
    queue, _ = moved
    job = app.enqueue("t")
    assert queue.drain() == 1
    assert near(seen[0], THEN) and near(queue.now, THEN) and near(job.info().created_at, THEN)


def test_a_countdown_comes_by_whoever_moves_time(moved: tuple[Kit, Move], app: LiteQueue, seen: list[datetime]) -> None:
    queue, move = moved
    first, second = (app.send_task("t", countdown=span) for span in ("1h", "3h"))
    assert queue.drain() == 0
    move(2 * 3_600)
    assert (queue.drain(), first.state, second.state) == (1, "succeeded", "scheduled")
    assert queue.advance("2h") == 1
    assert near(queue.now, THEN + timedelta(hours=4))
    assert near(seen[1], THEN + timedelta(hours=2)), "advance() moves the queue's clock alone"


def test_retries_and_deadlines(moved: tuple[Kit, Move], app: LiteQueue) -> None:
    queue, move = moved

    @app.task(name="flaky", retries=2, backoff=Backoff(base=600, jitter=False))
    def flaky() -> int:
        if current_job().attempt < 3:
            raise ConnectionError
        return current_job().attempt

    app.task(name="expires", expires="1h")(lambda: None)
    job, expiring = flaky.delay(), app.enqueue("expires")
    app.pause("default")
    move(2 * 3_600)
    queue.drain()
    app.resume("default")
    assert (queue.drain(), job.state, expiring.state) == (1, "retrying", "expired")
    move(601)
    assert queue.drain() == 1
    assert (queue.advance("20m"), job.get(timeout=0)) == (1, 3)


def test_schedules(moved: tuple[Kit, Move], app: LiteQueue) -> None:
    queue, move = moved
    ticks: list[Any] = []

    @app.cron("30 2 * * *", timezone="Europe/Berlin")
    @app.task(name="nightly")
    def nightly() -> None:
        ticks.append(current_job().scheduled_for)

    queue.drain()
    assert queue.advance(days=2) == 2
    assert [tick.isoformat() for tick in ticks] == ["2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"], "02:30 is not there on the first"
    move(12 * 3_600 + 1_900)  # after midnight; nobody has worked
    assert queue.drain() == 1
    assert ticks[-1].isoformat() == "2026-03-31T00:30:00+00:00"


def test_steps_and_rates(moved: tuple[Kit, Move], app: LiteQueue) -> None:
    queue, move = moved

    @app.task(name="sleeps")
    def sleeps() -> str:
        current_job().sleep("1d")
        return "slept"

    rated = app.task(name="rated", rate="1/m")(lambda: None)
    job = sleeps.delay()
    rated.delay_many([()] * 3)
    assert queue.drain() == 2
    move(86_400)
    assert queue.drain() == 2
    assert (job.get(timeout=0), queue.advance("5m")) == ("slept", 1)


def test_waits_and_timeouts_end_while_time_stands_still(moved: tuple[Kit, Move], app: LiteQueue) -> None:
    queue, _ = moved

    @app.task(name="busy", soft_timeout=0.05)
    def busy() -> str:
        try:
            while True:
                pass
        except SoftTimeout:
            return "ended"

    @app.task(name="sleepy")
    async def sleepy() -> str:
        await asyncio.sleep(0.02)
        return str(await busy.delay())

    assert queue.run(sleepy) == "ended"


def test_the_clock_that_goes_back_to_today_is_no_harm(how: Any, app: LiteQueue, seen: list[datetime]) -> None:
    with testing(app) as queue:
        app.schedules.add("s", "t", every="1h")
        with how() as move:
            move(-86_400 * 365)
            app.enqueue("t")
            assert queue.drain() == 1
            app.schedules.add("past", "t", every="1h")
            assert queue.advance("2h") >= 2
        app.enqueue("t")
        assert queue.drain() >= 1
        count = len(seen)
        assert queue.advance("1h1m") >= 1
        assert len(seen) > count
