"""What a chaos run left behind: the ledgers, the driver's log and the database, read into plain values.

Owns the formats of the lines. Judges nothing. All times are the monotonic clock's but for those that the
database holds, which ``Evidence.clock`` converts.
"""

from __future__ import annotations

import collections
import contextlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from litequeue.store.links.telling import JOIN

from ..support import ledger_lines

# A pool's process learns by a thread of its own that its worker is dead, and has then to get the CPU.
ORPHAN_SECONDS: Final = 0.5


@dataclass(slots=True)
class Execution:
    """One run of a task, as the task itself wrote it down."""

    job: int
    number: int
    pid: int
    worker: int  # pid of the worker's process; the same as pid but in the process pool
    began: float
    ended: float | None = None  # None: cut off
    tick: int | None = None  # that it ran for, if a schedule made its job


@dataclass(frozen=True, slots=True)
class JobRow:
    id: int
    task: str
    key: str
    state: str
    executions: int
    failures: int
    interruptions: int
    at_most_once: int
    finished_at: int | None
    result: int | None
    last_error: str
    schedule: str | None
    tick: int | None


@dataclass(frozen=True, slots=True)
class TickRow:
    at: int
    through: int | None
    outcome: str
    job: int | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    job: int
    number: int
    outcome: str
    worker: int  # pid
    at: int
    error: str


class Evidence:
    """Everything about one run, by job and by process. ``jobs`` are those of no workflow, of which ``flow_judge`` knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.intents: dict[str, int] = {}  # key -> how many jobs
        self.acks: dict[str, tuple[int, int]] = {}  # key -> first id, how many
        self.executions: dict[int, list[Execution]] = collections.defaultdict(list)
        self.twice: list[str] = []  # lines that say the same a second time
        self.problems: list[str] = []  # of the driver
        self.lease = 0.0
        self.up: dict[int, float] = {}  # workers only
        self.killed: dict[int, float] = {}
        self.terminated: dict[int, float] = {}
        self.frozen: dict[int, list[list[float]]] = collections.defaultdict(list)  # [from, to]
        self.child_kills = 0
        self.faults: collections.Counter[str] = collections.Counter()
        self._wall = self._mono = 0.0
        self._read_events(folder / "events")
        self._read_enqueued(folder / "enqueued")
        self._read_ledger(folder / "ledger")
        self._read_database(folder / "chaos.sqlite")

    def clock(self, micros: int) -> float:
        """A time of the database as monotonic time; nobody sets the clock during a run."""
        return micros / 1_000_000 - self._wall + self._mono

    def _read_events(self, path: Path) -> None:
        for line in ledger_lines(path):
            what, _, rest = line.partition(" ")
            if what == "problem":
                self.problems.append(rest)
            elif what == "lease":
                self.lease = float(rest)
            elif what == "clock":
                self._wall, self._mono = map(float, rest.split())
            elif what != "drain":
                role, pid, at = rest.split()
                self._read_event(what, role, int(pid), float(at))

    def _read_event(self, what: str, role: str, pid: int, at: float) -> None:
        if what == "up":
            if role == "worker":
                self.up[pid] = at
            return
        self.faults[f"{what} {role}"] += 1
        if what == "kill":
            self.killed[pid] = at
            self.child_kills += role == "child"
        elif what == "term":
            self.terminated[pid] = at
        elif what == "stop":
            self.frozen[pid].append([at, float("inf")])
        elif what == "cont":
            self.frozen[pid][-1][1] = at

    def _read_enqueued(self, path: Path) -> None:
        for line in ledger_lines(path):
            what, key, *numbers = line.split()
            if what == "intent":
                if key in self.intents:
                    self.twice.append(line)
                self.intents[key] = int(numbers[0])
            else:
                self.acks[key] = int(numbers[0]), int(numbers[1])

    def _read_ledger(self, path: Path) -> None:
        for line in ledger_lines(path):
            what, *numbers = line.split()
            job, number, pid, worker = map(int, numbers[:4])
            at = float(numbers[4])
            tick = int(numbers[5]) if len(numbers) > 5 else None
            known = [e for e in self.executions[job] if e.number == number]
            if what == "start" and not known:
                self.executions[job].append(Execution(job, number, pid, worker, at, tick=tick))
            elif what == "end" and known and known[0].ended is None:
                known[0].ended = at
            else:
                self.twice.append(line)

    def _read_database(self, path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            (self.integrity,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            rows = connection.execute(
                "SELECT j.id, j.task, j.args, state, attempt - releases, failures, interruptions, j.at_most_once,"
                " finished_at, result, coalesce(last_error, ''), s.name, scheduled_for FROM litequeue_jobs AS j"
                " LEFT JOIN litequeue_schedules AS s ON s.id = schedule_id"
                f" WHERE j.task NOT LIKE 'tests.chaos.flows.%' AND j.task <> '{JOIN}' ORDER BY j.id"
            ).fetchall()
            attempts = connection.execute(
                "SELECT job_id, attempt, outcome, w.pid, a.finished_at, error_type FROM litequeue_attempts AS a"
                " JOIN litequeue_workers AS w ON w.id = a.worker_id ORDER BY job_id, attempt"
            ).fetchall()
            ticks = connection.execute(
                "SELECT name, tick_at, through_at, outcome, job_id FROM litequeue_ticks"
                " JOIN litequeue_schedules AS s ON s.id = schedule_id ORDER BY tick_at"
            ).fetchall()
            self.next_ticks = dict(connection.execute("SELECT name, next_tick_at FROM litequeue_schedules").fetchall())
        self.ticks: dict[str, list[TickRow]] = collections.defaultdict(list)
        for name, *row in ticks:
            self.ticks[name].append(TickRow(*row))
        self.jobs: dict[int, JobRow] = {}
        for job, task, args, *fields, result, error, schedule, tick in rows:
            number, name = None if result is None else json.loads(result), task.rpartition(".")[2]
            self.jobs[job] = JobRow(job, name, json.loads(args)[1], *fields, number, error, schedule, tick)
        self.attempts: dict[int, list[AttemptRow]] = collections.defaultdict(list)
        for row in attempts:
            self.attempts[row[0]].append(AttemptRow(*row))

    # -- what happened to a process ------------------------------------------------------------------

    def death(self, execution: Execution) -> float | None:
        """When the process of an execution was killed, or the worker that it belongs to.

        A pool's process that has not noticed yet that its worker is dead may begin what it was given.
        """
        own = self.killed.get(execution.pid)
        if own is not None and own >= execution.began:
            return own
        workers = self.killed.get(execution.worker)
        if workers is not None and workers >= execution.began - ORPHAN_SECONDS:
            return workers
        return None

    def froze(self, worker: int, before: float) -> bool:
        """Whether a worker had been frozen for so long by then that its leases could lapse."""
        # Half a lease: the last renewal may have been a while ago.
        return any(min(end, before) - start >= self.lease / 2 for start, end in self.frozen[worker])

    def was_held_up(self, worker: int, at: float) -> bool:
        """Whether it stood still then, after another one had for so long that nobody could write, if that had the lock."""
        stands = any(start <= at <= end for start, end in self.frozen[worker])
        return stands and any(min(end, at) - start >= self.lease and end >= at - self.lease for times in self.frozen.values() for start, end in times)

    def was_well(self, worker: int, since: float, until: float) -> bool:
        """Whether a worker was up all that time, and nobody touched it."""
        if self.up[worker] > since or self.killed.get(worker, until) < until:
            return False
        if self.terminated.get(worker, until) < until:
            return False
        return not _within(self.frozen[worker], since, until)

    def any_frozen(self, since: float, until: float) -> bool:
        return any(_within(times, since, until) for times in self.frozen.values())


def _within(times: list[list[float]], since: float, until: float) -> bool:
    return any(start < until and end > since for start, end in times)
