"""Graphs of jobs by name, and one who does a worker's turns by hand: for tests of what becomes of those who wait."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from litequeue.base.models import ClaimedJob, Replacement, Settled, Unsettled
from litequeue.base.states import FINAL
from litequeue.store import Store
from litequeue.store.links import graph, invariants
from litequeue.store.links.graph import Edge, Graph, Wait
from litequeue.store.rules import DAY, KEEP, KEEP_DISCARDED
from litequeue.store.turn import Demand, Turn

from ...older import rows
from ...support import FakeClock, new_job

MINUTE = 60 * 1_000_000


class RolledBackError(Exception):
    """A transaction that came to nothing."""


@contextlib.contextmanager
def rolled_back(store: Store, rng: random.Random, share: float) -> Iterator[None]:
    """This share of its transactions comes to nothing, at their end."""
    write = store.database.write

    @contextlib.contextmanager
    def may_fail(**options: Any) -> Iterator[Any]:
        with write(**options) as connection:
            yield connection
            if rng.random() < share:
                raise RolledBackError

    store.database.write = may_fail  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del store.database.write


class Step(NamedTuple):
    """A job to be; ``after`` names others of its graph, or is the id of one that there is."""

    name: str
    after: tuple[str | int, ...] = ()
    when: str = "success"
    takes: str | None = "all"
    fields: Mapping[str, Any] = {}


def step(name: str, *after: str | int, when: str = "success", takes: str | None = "all", **fields: Any) -> Step:
    return Step(name, after, when, takes, fields)


def graph_of(steps: Iterable[Step], now: int) -> Graph:
    steps = list(steps)
    places = {each.name: place for place, each in enumerate(steps)}
    jobs = [new_job(**{"created_at": now, "run_at": now, "max_attempts": 3, **each.fields}) for each in steps]
    edges = [
        Edge(-parent if isinstance(parent, int) else places[parent], place, position)
        for place, each in enumerate(steps)
        for position, parent in enumerate(each.after)
    ]
    waits = [Wait(place, each.when, each.takes) for place, each in enumerate(steps) if each.after]
    return Graph(jobs, edges, waits)


def replacement(job: ClaimedJob, steps: Iterable[Step], now: int) -> tuple[Unsettled, Replacement]:
    """What a worker writes of a job that has put these in its place, of which the last is their end."""
    made = graph_of(steps, now)
    return other(job, "blocked", now), Replacement(job.id, job.attempt, [*made, len(made.jobs) - 1], 9 * MINUTE)


def of(job: int) -> str:
    """What a job comes to."""
    return f"of {job}"


def success(job: ClaimedJob, now: int, keep: int = DAY) -> Settled:
    return Settled(job.id, job.attempt, now, now, json.dumps(of(job.id)), now + keep, None)


def other(job: ClaimedJob, state: str, now: int, **fields: Any) -> Unsettled:
    """The end of an attempt as ``worker/settling`` would have it, for any state but succeeded."""
    final = now if state in FINAL else None
    keep = None if final is None else now + (KEEP_DISCARDED if state == "discarded" else KEEP)
    error = ("ValueError", "no", "tb") if state in ("discarded", "retrying") else (None, None, None)
    run_at = now + MINUTE if state in ("retrying", "scheduled") else None
    row = Unsettled(job.id, job.attempt, state, now, final, run_at, keep, int(error[0] is not None), *error, now, 0)
    return row._replace(**fields)


class Hand:
    """Inserts graphs and does a worker's turns; after each the file is held against the invariants."""

    def __init__(self, store: Store, clock: FakeClock | None = None, worker: int = 1) -> None:
        self.store = store
        self.clock = clock or FakeClock()
        self.worker = worker
        self.running: dict[int, ClaimedJob] = {}

    # -- what happens -----------------------------------------------------------------------------

    def insert(self, *steps: Step) -> dict[str, int]:
        """The ids of the jobs, by their names."""
        now = self.clock.now()
        with self.store.database.write(durable=False) as connection:
            ids = graph.insert(connection, graph_of(steps, now), now)
        self.check()
        return dict(zip([each.name for each in steps], ids, strict=True))

    def turn(
        self, *, succeeded: Iterable[Settled] = (), others: Iterable[Unsettled] = (), replaced: Iterable[Replacement] = (), claim: int = 0
    ) -> Turn:
        now = self.clock.now()
        demand = Demand({"thread": claim}) if claim else None
        turn = self.store.jobs.turn(
            self.worker, now, now + MINUTE, succeeded=list(succeeded), others=list(others), replaced=list(replaced), demand=demand
        )
        self.running |= {job.id: job for job in turn.claimed}
        self.check()
        return turn

    def claim(self, most: int = 100) -> list[int]:
        """The ids of those that it runs from now on."""
        return [job.id for job in self.turn(claim=most).claimed]

    def end(self, *jobs: int, state: str = "succeeded", **fields: Any) -> Turn:
        """End the attempts of jobs that it runs."""
        now, ended = self.clock.now(), [self.running.pop(job) for job in jobs]
        if state == "succeeded":
            return self.turn(succeeded=[success(job, now) for job in ended])
        return self.turn(others=[other(job, state, now, **fields) for job in ended])

    def put_in_its_place(self, job: int, *steps: Step, keep: int = 9 * MINUTE) -> list[int]:
        """The ids of those that take the place of a job that it runs, and is kept so long once it has ended."""
        row, instead = replacement(self.running.pop(job), steps, self.clock.now())
        instead = instead._replace(keep=keep)
        before = self.newest()
        self.turn(others=[row], replaced=[instead])
        return list(range(before + 1, self.newest() + 1))

    def come_to_an_end(self) -> list[int]:
        """Run all that can, well, until there is nothing more to do; the ids in the order in which they ran."""
        ran: list[int] = []
        for _ in range(1000):
            ended = [success(job, self.clock.now()) for job in self.running.values()]
            self.running.clear()
            turn = self.turn(succeeded=ended, claim=100)
            ran += [job.id for job in turn.claimed]
            if not turn.claimed and not turn.look.untold:
                return ran
        raise AssertionError("it comes to no end")

    # -- what is seen -----------------------------------------------------------------------------

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return rows(Path(self.store.path), sql, *values)

    def check(self) -> None:
        with self.store.database.read() as connection:
            found = invariants.broken(connection)
        assert not found, found

    def states(self, jobs: Mapping[str, int]) -> dict[str, str | None]:
        """By name; None for one that is gone."""
        found = dict(self.rows("SELECT id, state FROM litequeue_jobs"))
        return {name: found.get(job) for name, job in jobs.items()}

    def counts(self, job: int) -> tuple[int, int]:
        """How many parents it has not been told of, and how many of the others did not succeed."""
        ((pending, upset),) = self.rows("SELECT pending, upset FROM litequeue_waits WHERE job_id = ?", job)
        return pending, upset

    def cause(self, job: int) -> int | None:
        ((cause,),) = self.rows("SELECT cause FROM litequeue_waits WHERE job_id = ?", job)
        return cause

    def inputs(self, job: int) -> Any:
        ((text,),) = self.rows("SELECT inputs FROM litequeue_waits WHERE job_id = ?", job)
        return None if text is None else json.loads(text)

    def newest(self) -> int:
        ((job,),) = self.rows("SELECT ifnull(max(id), 0) FROM litequeue_jobs")
        return int(job)

    def state(self, job: int) -> str:
        ((state,),) = self.rows("SELECT state FROM litequeue_jobs WHERE id = ?", job)
        return str(state)

    def untold(self) -> int:
        """How many are in the inbox."""
        ((count,),) = self.rows("SELECT count(*) FROM litequeue_jobs WHERE (links = 1 OR links = 5) AND finished_at IS NOT NULL")
        return count


# -- the ways in which a job comes to its end, each by a path of its own ---------------------------------


def by_its_result(hand: Hand, job: int) -> None:
    hand.claim()
    hand.end(job)


def by_its_failure(hand: Hand, job: int) -> None:
    hand.claim()
    hand.end(job, state="discarded")


def by_a_cancel_while_it_waits(hand: Hand, job: int) -> None:
    assert hand.store.operations.cancel(job, hand.clock.now())[0] == "cancelled"


def by_a_cancel_while_it_runs(hand: Hand, job: int) -> None:
    hand.claim()
    assert hand.store.operations.cancel(job, hand.clock.now())[0] == "running"
    hand.end(job, state="cancelled")


def by_a_cancel_before_its_retry(hand: Hand, job: int) -> None:
    """It went back to waiting, and the cancel that came while it ran ends it there."""
    hand.claim()
    hand.store.operations.cancel(job, hand.clock.now())
    hand.end(job, state="retrying")


def by_its_deadline(hand: Hand, job: int) -> None:
    hand.rows("UPDATE litequeue_jobs SET expires_at = ? WHERE id = ?", hand.clock.now() - 1, job)


def by_its_third_dead_worker(hand: Hand, job: int) -> None:
    for _ in range(3):
        hand.claim()
        hand.running.clear()
        hand.store.leases.rescue_worker(hand.worker, "dead", hand.clock.now())


def by_its_only_worker_dying(hand: Hand, job: int) -> None:
    hand.rows("UPDATE litequeue_jobs SET at_most_once = 1 WHERE id = ?", job)
    hand.claim()
    hand.running.clear()
    hand.store.leases.rescue_worker(hand.worker, "dead", hand.clock.now())


def by_its_only_worker_leaving(hand: Hand, job: int) -> None:
    hand.rows("UPDATE litequeue_jobs SET at_most_once = 1 WHERE id = ?", job)
    hand.claim()
    hand.running.clear()
    hand.store.leases.release_worker(hand.worker, hand.clock.now())


def by_its_only_lease_running_out(hand: Hand, job: int) -> None:
    hand.rows("UPDATE litequeue_jobs SET at_most_once = 1 WHERE id = ?", job)
    hand.claim()
    hand.running.clear()
    hand.clock.advance(120)
    hand.store.leases.rescue_lapsed(hand.worker, hand.clock.now(), hand.clock.now())


def by_plain_sql(hand: Hand, job: int) -> None:
    sql = "UPDATE litequeue_jobs SET state = 'discarded', finished_at = ?, prune_at = ? WHERE id = ?"
    hand.rows(sql, hand.clock.now(), hand.clock.now() + KEEP, job)


BAD_ENDS: tuple[Callable[[Hand, int], None], ...] = (
    by_its_failure, by_a_cancel_while_it_waits, by_a_cancel_while_it_runs, by_a_cancel_before_its_retry, by_its_deadline,
    by_its_third_dead_worker, by_its_only_worker_dying, by_its_only_worker_leaving, by_its_only_lease_running_out, by_plain_sql,
)  # fmt: skip
