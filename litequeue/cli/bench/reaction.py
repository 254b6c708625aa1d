"""How soon something happens: a job starts, a result is seen, a tick fires, a dead worker's job runs again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from . import tasks
from .floor import COPY_SCHEDULE, Floor
from .rig import Bench, Figure, environment, percentile

PAUSE = 0.003  # seconds between the rounds of a latency, so that everybody sleeps


def latency(bench: Bench) -> Iterator[Figure]:
    path = bench.fresh()
    starts, sees = [], []
    with bench.worker(path):
        tasks.stamp.delay().get(timeout=30)
        for _ in range(bench.rounds(1000)):
            began = time.monotonic_ns()
            job = tasks.stamp.delay()
            stored = time.monotonic_ns()
            started = job.get(timeout=30)
            sees.append((time.monotonic_ns() - began) / 1e6)
            starts.append((started - stored) / 1e6)
            time.sleep(PAUSE)
    floor = Floor(bench.path(), "FULL")
    raw_starts, raw_sees = floor.wake(bench.rounds(500), PAUSE, environment())
    floor.close()
    for name, share, budget in (("p50", 0.5, 1), ("p99", 0.99, 5)):
        note = f"(raw: {percentile(raw_starts, share):.2f})"
        yield Figure(f"enqueued to started, other process, {name}", percentile(starts, share), "ms", budget, False, note)
    note = f"(raw: {percentile(raw_sees, 0.5):.2f})"
    yield Figure("enqueue to result seen by get(), p50", percentile(sees, 0.5), "ms", 2, False, note)


def rescue(bench: Bench) -> Iterator[Figure]:
    took = []
    for _ in range(bench.rounds(5)):
        path = bench.fresh()
        gate = path + ".gate"
        job = tasks.gate.delay(gate)
        with bench.worker(path) as first:
            while job.state != "running":
                time.sleep(0.002)
            with bench.worker(path):
                first.kill()
                killed = time.monotonic()
                while job.info().attempt < 2:
                    time.sleep(0.002)
                took.append(time.monotonic() - killed)
                with open(gate, "w"):
                    pass
                job.get(timeout=30)
    yield Figure("killed worker to its job running again, worst", max(took), "s", 1, False)


def ticks(bench: Bench) -> Iterator[Figure]:
    path = bench.fresh()
    with bench.worker(path):
        tasks.app.schedules.add("often", tasks.lateness, every=0.1, overlap="allow")
        late = _lateness(bench.rounds(150))
    note = f"(p50: {percentile(late, 0.5):.2f})"
    yield Figure("tick to its job started, p99", percentile(late, 0.99), "ms", 50, False, note)
    path = bench.fresh()
    count = bench.rounds(1_000)
    second = datetime.fromtimestamp(int(time.time()) + (2 if bench.quick else 4), UTC)
    tasks.app.schedules.add("at-once", tasks.lateness, cron=f"{second:%S %M %H} * * *", seconds=True, timezone="UTC")
    tasks.app.schedules.add("not-yet", tasks.lateness, at=second + timedelta(days=1))
    with tasks.app._client.store.database.write(durable=False) as connection:
        for name, copies in (("at-once", count - 1), ("not-yet", 9 * count)):
            connection.execute(COPY_SCHEDULE, {"name": name, "count": copies})
    with bench.worker(path):
        late = _lateness(count)
    # They are one transaction, so that none can start before the last of them is there.
    note = f"(last started: {max(late):.0f})"
    yield Figure(f"{count:,} schedules on one second, all inserted", min(late), "ms", 100, False, note)


def _lateness(count: int) -> list[float]:
    """Of that many jobs, by their own account."""
    while tasks.app.stats().states.get("succeeded", 0) < count:
        time.sleep(0.01)
    return [float(job.result) for job in tasks.app.jobs(limit=2_000)[-count:] if job.result is not None]
