"""Jobs that wait for jobs, driven at random: after every transaction the file is as it should be, and in the end nothing waits. One
transaction in ten is rolled back.

The model knows the graphs, and nothing of how the store tells who waits: it looks at the file after each step, and judges by what
the parents are.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue.base.models import ClaimedJob, Settled, Unsettled
from litequeue.store import Store
from litequeue.store.links import graph, invariants, revival, telling
from litequeue.store.links.graph import Edge, Graph, Wait
from litequeue.store.turn import Demand

from ...older import rows
from ...support import FakeClock, new_job
from .driven import RolledBackError, rolled_back

pytestmark = pytest.mark.beside

SECOND = 1_000_000
FINAL = ("succeeded", "discarded", "cancelled", "expired")
OF_JOBS = "SELECT id, state, ifnull(links, 0), result FROM litequeue_jobs"


class Model:
    """A file with graphs of jobs, what was seen of it last, and what is known of the graphs."""

    def __init__(self, store: Store, clock: FakeClock, rng: random.Random) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng
        self.parents: dict[int, list[int]] = {}
        self.wants: dict[int, str] = {}
        self.takes: dict[int, str | None] = {}
        self.seen: dict[int, str] = {}
        self.results: dict[int, str | None] = {}
        self.running: list[ClaimedJob] = []

    # -- what happens -----------------------------------------------------------------------------

    def insert(self) -> None:
        count = self.rng.randrange(1, 7)
        edges: list[Edge] = []
        waits: list[Wait] = []
        for child in range(1, count):
            inside = self.rng.sample(range(child), self.rng.randrange(0, min(child, 3) + 1))
            outside = self.rng.sample(sorted(self.seen), min(len(self.seen), self.rng.choice([0, 0, 0, 1])))
            parents = [*inside, *(-job for job in outside)]
            self.rng.shuffle(parents)
            edges += [Edge(parent, child, place) for place, parent in enumerate(parents)]
            if parents:
                takes = self.rng.choice([None, "all", "one" if len(parents) == 1 else "all"])
                waits.append(Wait(child, self.rng.choice(["success", "success", "success", "failed", "ended"]), takes))
        joins = {wait.child for wait in waits if wait.takes and self.rng.random() < 0.2}
        jobs = [
            new_job(task=telling.JOIN if place in joins else "tests.task", created_at=self.clock.now(), run_at=self.clock.now(), max_attempts=3)
            for place in range(count)
        ]
        with self.store.database.write(durable=False) as connection:
            first = graph.insert(connection, Graph(jobs, edges, waits), self.clock.now()).start
        for edge in edges:
            parent = -edge.parent if edge.parent < 0 else first + edge.parent
            self.parents.setdefault(first + edge.child, []).append(parent)
        for wait in waits:
            self.wants[first + wait.child] = wait.runs_when
            self.takes[first + wait.child] = wait.takes

    def turn(self) -> None:
        now = self.clock.now()
        ended = [self.running.pop() for _ in range(min(len(self.running), self.rng.randrange(3)))]
        good, bad = [], []
        for job in ended:
            state = self.rng.choice(["succeeded"] * 5 + ["discarded", "retrying", "available", "cancelled"])
            if state == "succeeded":
                good.append(Settled(job.id, job.attempt, now, now, json.dumps(f"of {job.id}"), now + SECOND, None))
            else:
                final = now if state in FINAL else None
                bad.append(Unsettled(job.id, job.attempt, state, now, final, now, final, 1, "E", "m", "t", now, 0))
        demand = Demand({"thread": self.rng.randrange(1, 4)}) if self.rng.random() < 0.7 else None
        turn = self.store.jobs.turn(1, now, now + 60 * SECOND, succeeded=good, others=bad, demand=demand)
        for job in turn.claimed:
            self.check_inputs(job)
        self.running += turn.claimed
        self.rng.shuffle(self.running)

    def prune(self) -> None:
        before = set(self.seen)
        self.store.operations.prune(self.clock.now(), 60)
        left = {job for (job,) in rows(Path(self.store.path), "SELECT id FROM litequeue_jobs")}
        for gone in before - left:
            self.seen.pop(gone)
            assert all(self.seen.get(job) != "blocked" for job, parents in self.parents.items() if gone in parents), f"{gone} is gone"

    def cancel(self) -> None:
        if self.seen:
            self.store.operations.cancel(self.rng.choice(sorted(self.seen)), self.clock.now())

    def expire(self) -> None:
        if self.seen:
            job = self.rng.choice(sorted(self.seen))
            rows(Path(self.store.path), "UPDATE litequeue_jobs SET expires_at = 1 WHERE id = ? AND finished_at IS NULL", job)

    def revive(self) -> None:
        final = [job for job, state in self.seen.items() if state in FINAL]
        if not final:
            return
        job = self.rng.choice(final)
        causes = dict(rows(Path(self.store.path), "SELECT job_id, cause FROM litequeue_waits WHERE cause IS NOT NULL"))
        told = {at for at, state, links, _ in rows(Path(self.store.path), OF_JOBS) if state in FINAL and not links & 1}
        below = self.cancelled_below(job, causes, told)
        joined = rows(Path(self.store.path), "SELECT 1 FROM litequeue_jobs WHERE id = ? AND task = ? AND state = 'succeeded'", job, telling.JOIN)
        self.store.operations.revive(job, self.clock.now())
        now = {at: state for at, state, *_ in rows(Path(self.store.path), OF_JOBS)}
        if job in causes or joined:
            assert now == self.seen, "what is cancelled for another's sake, or has brought others together, is not to be put back by itself"
            return
        if now[job] == "cancelled":  # at once again: it had not run, and still may not
            return
        for at in causes:
            assert now[at] == ("blocked" if at in below else "cancelled"), f"{job} was put back, and {at} is {now[at]}"

    def cancelled_below(self, job: int, causes: dict[int, int], told: set[int]) -> set[int]:
        """Those that were cancelled for its sake and for theirs, and that no other failure keeps from running."""
        below: set[int] = set()
        while more := {at for at in causes if at not in below and {job, *below} & set(self.parents[at])}:
            below |= more
        candidates = set(below)
        while bad := {
            at for at in below
            if any((p in told or p in candidates) and p not in {job, *below} and self.seen[p] != "succeeded" for p in self.parents[at])
        }:  # fmt: skip
            below -= bad
        return below

    def do(self, deed: Callable[[], None]) -> None:
        running = list(self.running)
        try:
            deed()
        except RolledBackError:
            self.running = running
            assert {job: state for job, state, *_ in rows(Path(self.store.path), OF_JOBS)} == self.seen, "what was rolled back is there"
        self.check()

    # -- what must hold ---------------------------------------------------------------------------

    def check(self) -> None:
        found = rows(Path(self.store.path), OF_JOBS)
        with self.store.database.read() as connection:
            assert invariants.broken(connection) == []
        states = {job: state for job, state, *_ in found}
        untold = {job for job, state, links, _ in found if state in FINAL and links & 1}
        for job, state in states.items():
            if self.seen.get(job) == "blocked" and state == "available" or job not in self.seen and state == "available":
                parents = [parent for parent in self.parents.get(job, []) if parent in states]
                assert all(states[p] in FINAL and p not in untold for p in parents), f"{job} runs before {parents} have ended"
                good = [states[parent] == "succeeded" for parent in parents]
                wants = self.wants.get(job, "success")
                assert wants == "ended" or (all(good) if wants == "success" else not all(good)), f"{job} wants {wants}: {good}"
        self.seen = states
        self.results = {job: result for job, _, _, result in found}

    def check_inputs(self, job: ClaimedJob) -> None:
        takes = self.takes.get(job.id)
        if takes is None:
            assert job.inputs is None
            return
        assert job.inputs is not None, f"{job.id} got nothing"
        given = json.loads(job.inputs)
        given = given if takes == "all" else [given]
        assert len(given) == len(self.parents[job.id])
        for value, parent in zip(given, self.parents[job.id], strict=True):
            # Of one that failed, or a join: its own parents were looked at when it was let go.
            assert value is None or value == f"of {parent}" or parent in self.takes, f"{job.id} got {given}"

    def come_to_an_end(self) -> None:
        """All that can run does, well."""
        for _ in range(300):
            now = self.clock.now()
            good = [Settled(j.id, j.attempt, now, now, json.dumps(f"of {j.id}"), now + SECOND, None) for j in self.running]
            turn = self.store.jobs.turn(1, now, now + 60 * SECOND, succeeded=good, demand=Demand({"thread": 50}))
            self.running = turn.claimed
            self.check()
            if not self.running and not turn.look.untold and all(state in FINAL for state in self.seen.values()):
                return
            self.clock.advance(1)
        left = {job: state for job, state in self.seen.items() if state not in FINAL}
        raise AssertionError(f"these never end: {left}")


def run(store: Store, clock: FakeClock, seed: int) -> None:
    model = Model(store, clock, random.Random(seed))
    store.open_and_close()
    deeds: list[Callable[[], None]] = [model.insert, *[model.turn] * 6, model.cancel, model.revive, model.revive, model.expire, model.prune]
    with rolled_back(store, model.rng, 0.1):
        for _ in range(60):
            model.do(model.rng.choice(deeds))
            clock.advance(model.rng.choice([0.01, 0.2]))
    model.come_to_an_end()


@pytest.mark.parametrize("seed", range(8))
def test_what_waits_for_jobs_runs_when_it_may_and_all_ends(store: Store, clock: FakeClock, seed: int) -> None:
    run(store, clock, seed)


# -- the variants that it must catch ---------------------------------------------------------------


def telling_only_of_what_a_turn_has_settled(patch: pytest.MonkeyPatch) -> None:
    inbox = telling.UNTOLD
    patch.setattr(telling, "UNTOLD", inbox.replace("finished_at IS NOT NULL", "finished_at IS NOT NULL AND attempt > 0"))


def dooming_only_the_next(patch: pytest.MonkeyPatch) -> None:
    """And then what was cancelled is not told either."""
    patch.setattr(telling, "CANCEL", telling.CANCEL.replace("SET state", "SET links = 0, state"))


def reviving_by_deltas(patch: pytest.MonkeyPatch) -> None:
    delta = """UPDATE litequeue_waits SET pending = pending + 1
    WHERE job_id IN (SELECT value FROM json_each(:ids))"""
    patch.setattr(telling, "RECOUNT", delta)


def reviving_nobody_below(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(revival, "BELOW", "SELECT '[]' WHERE :ids IS NOT NULL")


def letting_all_go_that_have_nothing_pending(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(telling, "DOOMED", "SELECT '[]' WHERE :ids IS NOT NULL AND :limit IS NOT NULL")


def counting_parents_that_are_told_already(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(telling, "RECOUNT", telling.RECOUNT.replace(telling.IS_TOLD, "0"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken",
    [
        telling_only_of_what_a_turn_has_settled, dooming_only_the_next, reviving_by_deltas,
        reviving_nobody_below, letting_all_go_that_have_nothing_pending, counting_parents_that_are_told_already,
    ],
)  # fmt: skip
def test_the_model_catches_it(
    broken: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    for seed in (4, *range(60)):  # first one that most of them were caught with
        store = Store(str(tmp_path / f"{random.random()}.sqlite"))
        try:
            run(store, clock, seed)
        except AssertionError:
            return
        finally:
            store.close()
    pytest.fail("it was not caught")
