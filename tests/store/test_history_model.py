"""Random operations on a file, with a worker's tally as a worker keeps it, against a trigger that writes down every end: each is counted
once, whoever it was that ended the job, and what a kill costs is missing and not doubled."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from litequeue.base.errors import JobCancelled, LeaseLost
from litequeue.base.history import SPANS
from litequeue.base.models import ClaimedJob, Lease, Settled, Unsettled
from litequeue.store import Store, acks, history
from litequeue.store.links import telling
from litequeue.store.turn import Demand, count, expire
from litequeue.worker.tally import Tally

from ..support import FakeClock, new_job
from .links.driven import Hand, step

pytestmark = pytest.mark.beside

SECOND = 1_000_000
FINAL = ("succeeded", "discarded", "cancelled", "expired")
LOGGED = f"""CREATE TRIGGER litequeue_test_ends AFTER UPDATE OF state ON litequeue_jobs
WHEN old.state <> new.state AND new.state IN {FINAL} BEGIN
    INSERT INTO litequeue_test_log VALUES (new.task, new.queue, new.state); END"""
QUEUES = ("default", "mail")


class Site:
    """A file, one worker's tally, and what the trigger has seen."""

    def __init__(self, hand: Hand, clock: FakeClock, seed: int) -> None:
        self.hand, self.store, self.clock, self.rng = hand, hand.store, clock, random.Random(seed)
        self.tally = Tally(lambda: clock.now() / SECOND)
        self.running: list[ClaimedJob] = []
        self.uncounted: Counter[tuple[str, str, str]] = Counter()  # by a kill
        self.acknowledged = 0  # ends that jobs wrote themselves
        with self.store.database.write(durable=False) as connection:
            connection.execute("CREATE TABLE litequeue_test_log (task TEXT, queue TEXT, state TEXT)")
            connection.execute(LOGGED)

    # -- what happens --------------------------------------------------------------------------------------

    def enqueue(self) -> None:
        now, rng = self.clock.now(), self.rng
        due = rng.choice((0, 0, 2 * SECOND))
        self.store.jobs.enqueue(new_job(
            task=rng.choice("ab"), queue=rng.choice(QUEUES), state="scheduled" if due else "available", run_at=now + due, created_at=now,
            expires_at=rng.choice((None, None, now + 3 * SECOND)), max_attempts=3, at_most_once=rng.randrange(2),
        ))  # fmt: skip

    def enqueue_flow(self) -> None:
        rng = self.rng
        whens = {"when": rng.choice(("success", "failed", "ended"))} if rng.random() < 0.5 else {}
        self.hand.insert(step("a"), step("b", "a"), step("c", "a", "b"), step("d", "c", **whens), step("e", "a", task=telling.JOIN))

    def turn(self, succeeded: list[Settled], others: list[Unsettled], jobs: list[ClaimedJob], demand: Demand | None = None) -> None:
        """As the coordinator: take the tally along, and then count what this one has written."""
        now = self.clock.now()
        turn = self.store.jobs.turn(1, now, now + 5 * SECOND, succeeded=succeeded, others=others, counted=self.tally.rows(), demand=demand)
        if turn.counted:
            self.tally.written()
        by_id = {Lease(job.id, job.attempt): job for job in jobs}
        others_did = turn.lost | turn.ended_themselves | turn.acknowledged
        self.tally.succeeded(now, [by_id[row.id, row.attempt] for row in succeeded], succeeded, others_did)  # type: ignore[index]
        for row in others:
            if Lease(row.id, row.attempt) not in others_did:
                self.tally.other(now, by_id[Lease(row.id, row.attempt)], row)
        self.running += turn.claimed

    def claim(self) -> None:
        self.turn([], [], [], Demand({"thread": self.rng.randrange(1, 5)}))

    def settle(self) -> None:
        now, rng = self.clock.now(), self.rng
        jobs = [self.running.pop(rng.randrange(len(self.running))) for _ in range(min(len(self.running), rng.randrange(1, 4)))]
        succeeded, others = [], []
        for job in jobs:
            if rng.random() < 0.5:
                succeeded.append(Settled(job.id, job.attempt, now, now + 5, "1", now + 9 * SECOND, None))
            else:
                state = rng.choice(("retrying", "scheduled", "available", "discarded", "cancelled"))
                final = now if state in FINAL else None
                others.append(Unsettled(job.id, job.attempt, state, now, final, now + SECOND, final, 1, "E", "m", "t", now, 0))
        self.turn(succeeded, others, jobs)

    def acknowledge(self) -> None:
        """A job writes its end itself, and its worker has the news as well: of that, or of a failure behind it."""
        if not self.running:
            return
        job, now = self.running.pop(), self.clock.now()
        try:
            with self.store.database.write(durable=True) as connection:
                self.store.acks.refuse_lost(connection, job.id, job.attempt)
                self.store.acks.acknowledge(connection, job.id, job.attempt, result="1", started_at=now, finished_at=now + 5, prune_at=now + SECOND)
        except (LeaseLost, JobCancelled):  # it goes on as any other
            return
        self.acknowledged += 1
        if self.rng.random() < 0.2:
            self.kill()  # what the job has written is counted
        elif self.rng.random() < 0.5:
            self.turn([Settled(job.id, job.attempt, now, now + 5, "1", now + SECOND + 1, None)], [], [job])
        else:
            self.turn([], [Unsettled(job.id, job.attempt, "retrying", now, None, now, None, 1, "E", "m", "", now, 0)], [job])

    def cancel(self) -> None:
        self.store.operations.cancel(self.some_job(), self.clock.now())

    def withdraw(self) -> None:
        self.store.futures.withdraw([self.some_job(), self.some_job()], self.clock.now())

    def revive(self) -> None:
        self.store.operations.revive(self.some_job(), self.clock.now())

    def rescue(self) -> None:
        now = self.clock.now()
        self.rng.choice((
            lambda: self.store.leases.rescue_worker(1, "w", now), lambda: self.store.leases.release_worker(1, now),
            lambda: self.store.leases.rescue_lapsed(1, now, now),
        ))()  # fmt: skip

    def kill(self) -> None:
        """What was counted and not written is gone with the process."""
        self.tally.is_urgent = True
        for row in self.tally.rows():
            for end, many in zip(history.ENDS, row.ends, strict=True):
                self.uncounted[row.task, row.queue, end] += many
        self.tally = Tally(lambda: self.clock.now() / SECOND)
        self.running = []
        self.store.leases.rescue_worker(1, "w", self.clock.now())

    def wait(self) -> None:
        self.clock.advance(self.rng.random() * 2)

    def some_job(self) -> int:
        (last,) = self.store.database.one("SELECT ifnull(max(id), 1) FROM litequeue_jobs")
        return self.rng.randrange(max(last - 40, 1), last + 1)

    # -- what must hold ------------------------------------------------------------------------------------

    def check(self) -> None:
        self.tally.is_urgent = True
        self.turn([], [], [])
        with self.store.database.read() as connection:
            seen = Counter(connection.execute("SELECT task, queue, state FROM litequeue_test_log").fetchall())
            for span in SPANS:
                until = self.clock.now() + SECOND
                if span == 0:
                    kept = {pair: [row] for pair, row in history.ever(connection).items()}
                else:
                    kept = {}
                    for row in connection.execute(f"SELECT task, queue, at, {', '.join(history._COLUMNS)} FROM litequeue_metrics WHERE span = ?", (span,)):
                        kept.setdefault((row[0], row[1]), []).append(history._sums(row[2:]))
                counted: Counter[tuple[str, str, str]] = Counter()
                for (task, queue), rows in kept.items():
                    for sums in rows:
                        assert sums.at % (span * SECOND or 1) == 0 and sums.at < until
                        counted.update({(task, queue, end): sums.count(end) for end in FINAL})
                for key in seen.keys() | counted.keys():
                    assert counted[key] + self.uncounted[key] == seen[key], (span, key)


def run(site: Site, steps: int) -> None:
    deeds: list[tuple[Callable[[], None], int]] = [
        (site.enqueue, 4), (site.enqueue_flow, 1), (site.claim, 5), (site.settle, 5), (site.acknowledge, 1), (site.cancel, 2), (site.withdraw, 1),
        (site.revive, 1), (site.rescue, 1), (site.kill, 1), (site.wait, 3),
    ]  # fmt: skip
    names, weights = [deed for deed, _ in deeds], [weight for _, weight in deeds]
    for number in range(steps):
        site.rng.choices(names, weights)[0]()
        if number % 100 == 99:
            site.check()
            site.tally.is_urgent = False
    site.check()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_each_end_is_counted_once(hand: Hand, clock: FakeClock, seed: int) -> None:
    site = Site(hand, clock, seed)
    run(site, 800)
    states = {state for (state,) in rows(site.store, "SELECT DISTINCT state FROM litequeue_test_log")}
    assert states == set(FINAL) and site.acknowledged, "too little was tried"


def rows(store: Store, sql: str) -> list[tuple[str, ...]]:
    with store.database.read() as connection:
        return connection.execute(sql).fetchall()


BROKEN: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "expiries are not counted": lambda patch: patch.setattr(expire, "COUNT", history.count_of("false")),
    "the tally is written twice": lambda patch: patch.setattr(Tally, "written", lambda self: None),
    "what was lost is counted": lambda patch: patch.setattr(Tally, "succeeded", _counting_all(Tally.succeeded)),
    "what a job writes itself is not counted": lambda patch: patch.setattr(acks, "history", _Deaf()),
    "a turn does not take it along": lambda patch: patch.setattr(count, "history", _Deaf()),
    "those that were cancelled for others are not counted": lambda patch: patch.setattr(telling, "COUNT_DOOMED", history.count_of("false")),
    "joins are not counted": lambda patch: patch.setattr(history, "FINAL_OF", "SELECT '[]'"),
}


class _Deaf:
    @staticmethod
    def add(*_: object) -> None:
        pass


def _counting_all(succeeded: Callable[..., None]) -> Callable[..., None]:
    return lambda self, now, jobs, rows, lost: succeeded(self, now, jobs, rows, ())


@pytest.mark.slow
@pytest.mark.parametrize("fault", BROKEN)
def test_the_model_notices(fault: str, hand: Hand, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[fault](monkeypatch)
    with pytest.raises(AssertionError):
        run(Site(hand, clock, 1), 1500)
