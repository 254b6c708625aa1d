"""The simulator against the scheduler and the store: random schedules and workflows come to the same in both, tick for tick and job for job.

By hand, for many seeds: ``python -m tests.testing.test_against_the_store 0 1000``.
"""

from __future__ import annotations

import contextlib
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from litequeue import (
    At,
    Backoff,
    Cron,
    Discard,
    Every,
    LiteQueue,
    Retry,
    Snooze,
    Task,
    chain,
    group,
)
from litequeue.base.checks import MICROS
from litequeue.testing import Attempt, simulate

from ..support import FakeClock
from .real import Real, assert_equal

pytestmark = pytest.mark.beside

BERLIN = ZoneInfo("Europe/Berlin")
# The nights before: of a spring and of an autumn in which the clocks are changed, and of neither.
STARTS = (datetime(2026, 3, 28, 21, tzinfo=UTC), datetime(2026, 10, 24, 20, tzinfo=UTC), datetime(2026, 6, 1, 20, tzinfo=UTC))
EXPRESSIONS = ("*/20 * * * *", "0 * * * *", "30 2 * * *", "15 */2 * * *", "7,37 1-4 * * *", "0 3 * * sun", "@hourly", "@reboot")


async def _coroutine(which: int = 0, *args: object) -> None: ...


def _function(which: int = 0, *args: object) -> None: ...


def thrown(attempt: Attempt) -> Any:
    """What a task may raise, by which of its attempts it is."""
    return {0: Snooze(90), 1: Discard("no"), 2: Retry("5m"), 3: ConnectionError("gone"), 4: None, 5: 0.5}[(attempt.job + attempt.number) % 6]


def some_tasks(app: LiteQueue, rng: random.Random, count: int, *, for_flows: bool = False) -> list[Task[Any, Any]]:
    app.limit("shared", max_running=rng.choice([1, 2]), rate=rng.choice([None, "3/h"]))
    said = app.task(name="told", priority=3)(_function)
    made = []
    for number in range(count):
        options: dict[str, Any] = {
            "retries": rng.choice([0, 1, 3]),
            "backoff": rng.choice([0, 30, [60, 600], Backoff(120), Backoff("10m", jitter=False), lambda attempt, error: 40 * attempt]),
            "priority": rng.choice([0, 0, 5]), "queue": rng.choice(["default", "other"]),
            "retry_on": rng.choice([Exception, Exception, OSError]), "give_up_on": rng.choice([(), (), ConnectionError]),
        }  # fmt: skip
        if rng.random() < 0.2:
            options |= {"at_most_once": True, "retries": 0}
        if rng.random() < 0.3:
            options["timeout"] = rng.choice(["10m", "1h"])
        if rng.random() < 0.2:
            options["soft_timeout"] = rng.choice(["5m", "9m"])
        if rng.random() < 0.3:
            options |= rng.choice([{"max_running": 1}, {"rate": "2/h"}, {"max_running": 2, "rate": "4/2h"}, {"limit": "shared"}])
            if not for_flows and rng.random() < 0.3:
                options["limit_key"] = "of:{which}"
        if rng.random() < 0.25:
            options |= {"on_success": said} if rng.random() < 0.5 else {"on_failure": said}
        if not for_flows and rng.random() < 0.25:
            options |= {"unique": rng.choice([True, "key"]), "unique_until": rng.choice(["finish", "start", "90m"])}
        made.append(app.task(name=f"t{number}", **options)(rng.choice([_function, _function, _coroutine])))
    return made


def a_trigger(rng: random.Random, start: datetime) -> Any:
    zone = rng.choice([BERLIN, BERLIN, ZoneInfo("UTC"), ZoneInfo("Australia/Lord_Howe")])
    return rng.choice([
        lambda: Cron(rng.choice(EXPRESSIONS), zone),
        lambda: Cron(rng.choice(EXPRESSIONS), zone),
        lambda: Every(rng.choice(["25m", "2h", "90m"]), run_immediately=rng.random() < 0.3),
        lambda: Every(rng.choice(["25m", "2h"]), anchor=rng.choice(["epoch", start + timedelta(hours=3)])),
        lambda: Every(rng.choice(["20m", "1h"]), after="finish", run_immediately=rng.random() < 0.3),
        lambda: At(start + timedelta(minutes=rng.randrange(1, 2000))),
    ])()  # fmt: skip


def some_schedules(app: LiteQueue, rng: random.Random, start: datetime, tasks: list[Task[Any, Any]], count: int) -> list[str]:
    names, own = [], app
    for number in range(count):
        app = own
        options: dict[str, Any] = {
            "trigger": a_trigger(rng, start), "catch_up": rng.choice(["latest", "all", "skip"]), "overlap": rng.choice(["skip", "queue", "allow"]),
            "jitter": rng.choice([0, 0, "3m", "15m"]), "grace": rng.choice([None, 0, "10m", "5h", "2d"]), "priority": rng.choice([None, 7]),
        }  # fmt: skip
        if rng.random() < 0.25:
            options["expires"] = rng.choice(["10m", "1h"])
        if rng.random() < 0.5:
            options["args"] = [rng.randrange(2)]
        task = rng.choice(tasks)
        # By a program that has not its code. Not of a limited one, which comes into its line a turn later than others then.
        strange = rng.random() < 0.2 and task._code.limit_name is None
        if strange:
            app = LiteQueue(app.path, clock=app._client.clock)
        app.schedules.add(f"s{number}", task.name if strange else task, **options)
        if strange:
            app.close()
        names.append(f"s{number}")
    return names


def some_times(rng: random.Random, start: datetime, hours: float, most: int) -> list[tuple[datetime, datetime]]:
    found = []
    for _ in range(rng.randrange(most + 1)):
        begin = start + timedelta(minutes=rng.randrange(round(hours * 60)))
        found.append((begin, begin + timedelta(minutes=rng.choice([1, 30, 200, 900]))))
    return found


def said(rng: random.Random, tasks: list[Task[Any, Any]]) -> dict[str, Any]:
    lengths = ["0s", "1m", "20m", "90m", ("1m", "3h"), ("0s", "10s"), lambda attempt: 60 * attempt.number]
    return {
        "takes": {task: rng.choice(lengths) for task in tasks},
        "fails": {task: rng.choice([0, 0.1, 0.5, 1, thrown, ConnectionError]) for task in tasks},
        "slots": rng.choice([None, 1, 2, {"thread": 3, "async": 1}]), "seed": rng.randrange(1000),
    }  # fmt: skip


def schedules_agree(folder: Path, seed: int) -> Counter[str]:
    """A day or two of some schedules; what happened how often."""
    rng = random.Random(seed)
    start = rng.choice(STARTS)
    clock = FakeClock(round(start.timestamp()) * MICROS)
    hours = rng.choice([8, 30, 50])
    with LiteQueue(folder / f"{seed}.sqlite", clock=clock) as app, contextlib.ExitStack() as stack:
        tasks = some_tasks(app, rng, rng.randrange(1, 5))
        names = some_schedules(app, rng, start, tasks, rng.randrange(1, 5))
        options = {**said(rng, tasks), "down": some_times(rng, start, hours, 3)}
        if rng.random() < 0.4:
            options["paused"] = {rng.choice(names): some_times(rng, start, hours, 2)}
        run = simulate(app, start=start, days=hours / 24, **options)
        real = Real(app, clock, **options)
        stack.callback(real.close)
        real.run(run.end)
        assert_equal(run, real, names)
        found = Counter[str](tick.outcome for name in names for tick in run.ticks(name))
        return found + Counter(job.state for job in run.jobs) + Counter(attempt.outcome for attempt in run.attempts)


def a_shape(rng: random.Random, tasks: list[Task[Any, Any]], depth: int) -> Any:
    kind = rng.random()
    if depth == 0 or kind < 0.15:
        task = rng.choice(tasks)
        step = rng.choice([task.s, task.si])()
        if rng.random() < 0.3:
            step = step.set(on_parent_failure="run")
        if rng.random() < 0.4:
            step = step.set(**rng.choice([{"countdown": 100}, {"priority": 9}, {"timeout": "15m"}, {"expires": "30m"}, {"on_success": tasks[0].si()}, {"on_failure": tasks[-1]}]))
        return step
    parts = [a_shape(rng, tasks, depth - 1) for _ in range(rng.randrange(1, 4))]
    return chain(*parts) if kind < 0.65 else group(*parts)


def flows_agree(folder: Path, seed: int) -> Counter[str]:
    """A workflow, to its end or for a day; what happened how often."""
    rng = random.Random(seed)
    start = STARTS[2]
    clock = FakeClock(round(start.timestamp()) * MICROS)
    with LiteQueue(folder / f"flow{seed}.sqlite", clock=clock) as app, contextlib.ExitStack() as stack:
        tasks = some_tasks(app, rng, rng.randrange(2, 5), for_flows=True)
        shape = a_shape(rng, tasks, rng.choice([2, 3, 3]))
        options = {**said(rng, tasks), "down": some_times(rng, start, 5, 1)}
        if rng.random() < 0.6:
            options["fails"] = rng.choice([0, 0.05, 0.2])
        run = simulate(app, shape, start=start, days=1, **options)
        flow = shape.delay()
        real = Real(app, clock, **options)
        stack.callback(real.close)
        real.run(run.end)
        assert_equal(run, real, [])
        assert run.state == flow.state
        return Counter[str](job.state for job in run.jobs) + Counter({f"flow {run.state}": 1})


@pytest.mark.parametrize("seed", [17, 36])
def test_random_schedules_come_to_what_the_scheduler_makes_of_them(memory: Path, seed: int) -> None:
    schedules_agree(memory, seed)


@pytest.mark.parametrize("seed", range(4))
def test_random_workflows_come_to_what_the_store_makes_of_them(memory: Path, seed: int) -> None:
    flows_agree(memory, seed)


@pytest.mark.slow
def test_more_of_both_agree(memory: Path) -> None:
    logging.disable()
    total = Counter[str]()
    try:
        for seed in range(8, 18):
            total += schedules_agree(memory, seed)
        for seed in range(30, 46):
            total += flows_agree(memory, seed)
    finally:
        logging.disable(logging.NOTSET)
    rare = {"late", "missed", "skipped", "expired", "interrupted", "snoozed", "cancelled", "flow succeeded", "flow cancelled"}
    assert rare <= total.keys()


def main(seeds: Iterable[int]) -> None:
    logging.disable()
    total = Counter[str]()
    for seed in seeds:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as where:
            for agree in (schedules_agree, flows_agree):
                try:
                    total += agree(Path(where), seed)
                except AssertionError as wrong:
                    print(f"{agree.__name__} {seed}: {wrong!s:.1500}")
    for event, often in total.most_common():
        print(f"{often:9,} {event}")


if __name__ == "__main__":
    main(range(int(sys.argv[1]), int(sys.argv[2])))
