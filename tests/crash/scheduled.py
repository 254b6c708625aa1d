"""A file with schedules, read from outside as anybody could; for the tests of schedules under faults."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from litequeue import Job, LiteQueue

from ..support import ledger_lines
from . import ticking

SECOND = 1_000_000
HOUR = 3600


class Tick(NamedTuple):
    """A row of the history with what the jobs' table knows of it."""

    at: int
    outcome: str
    decided: int
    job: int | None


class File:
    """A queue of schedules that run ``ticking``'s tasks, with an app of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.db = folder / "db.sqlite"
        self.ledger = folder / "ledger"
        self.app = LiteQueue(self.db)
        # Kept open: what waits for a tick looks every few milliseconds.
        self._connection = sqlite3.connect(self.db, timeout=10, isolation_level=None)

    def close(self) -> None:
        self._connection.close()
        self.app.close()

    def add(self, name: str, lasts: float = 0.0, **options: Any) -> None:
        if "cron" in options:
            options.setdefault("timezone", "UTC")
        self.app.schedules.add(name, ticking.tick, args=[str(self.ledger), name, lasts], **options)

    def send(self, task: str, *args: Any, **options: Any) -> Job[Any]:
        """Enqueue one of ``ticking``'s, for a worker that has imported it."""
        return self.app.send_task(f"{ticking.__name__}.{task}", args, **options)

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def ticks(self, name: str) -> list[Tick]:
        sql = """SELECT tick_at, outcome, decided_at, job_id FROM litequeue_ticks JOIN litequeue_schedules AS s
        ON s.id = schedule_id WHERE name = ? ORDER BY tick_at"""
        return [Tick(*row) for row in self.rows(sql, name)]

    def fired(self, name: str) -> list[Tick]:
        return [tick for tick in self.ticks(name) if tick.job is not None]

    def assert_each_once(self, *names: str) -> None:
        """One job for each tick that fired, and none besides."""
        for name in names:
            jobs = self.rows(
                "SELECT scheduled_for, j.id FROM litequeue_jobs AS j JOIN litequeue_schedules AS s"
                " ON s.id = schedule_id WHERE name = ?", name,
            )  # fmt: skip
            assert sorted(jobs) == [(tick.at, tick.job) for tick in self.fired(name)], name

    def runs(self, name: str) -> list[tuple[float, float]]:
        """When each run of its jobs began and ended, on the clock that nobody sets."""
        begun: dict[str, float] = {}
        found = []
        for what, schedule, _, job, at in (line.split() for line in ledger_lines(self.ledger)):
            if schedule == name and what == "start":
                begun[job] = float(at)
            elif schedule == name:
                found.append((begun[job], float(at)))
        return found


@contextlib.contextmanager
def scheduled_file(folder: Path) -> Iterator[File]:
    with contextlib.closing(File(folder)) as file:
        yield file


def on_grid(ticks: list[Tick], period: int) -> bool:
    return all(b.at - a.at == period for a, b in itertools.pairwise(ticks))
