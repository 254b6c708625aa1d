"""Limited jobs, driven at random: after every transaction no key has more than its slots, in no window more start than its rate says, and nobody
stands in a line that nobody looks at; in the end all have ended.

The model keeps its own list of starts, by a clock that nobody sets, and its own count of what runs. Jobs are retried, snoozed, given back, rescued,
cancelled, put back and replaced, wait for others and for events; queues are paused, limits changed, the clock is set back. One transaction
in ten is rolled back.

By hand, for many seeds: ``python -m tests.store.test_limits_model 0 1000``.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from litequeue.base.exact import Limit, UniqueKey
from litequeue.base.models import (
    Adoption,
    ClaimedJob,
    NewJob,
    Settled,
    Suspension,
    Unsettled,
)
from litequeue.base.states import FINAL
from litequeue.store import Store, keys, leases, limits, operations
from litequeue.store.links import invariants, telling
from litequeue.store.turn import Demand, adopt, fill, promote, settle, suspend

from ..support import FakeClock, new_job
from .links.driven import RolledBackError, rolled_back
from .modelling import caught, run_and_print

pytestmark = pytest.mark.beside

SECOND = 1_000_000
KEYS = ("a", "b:1", "b:2", "c", "d:x", "free")
LIMITS = {"a": Limit("a", 2), "b": Limit("b", 1), "c": Limit("c", None, 4, 8 * SECOND), "d": Limit("d", 2, 3, 5 * SECOND)}
JOBS = "SELECT id, state, queue, limit_key, holds FROM litequeue_jobs"
INBOX = """SELECT limit_key FROM litequeue_jobs WHERE holds = 2
UNION SELECT limit_key FROM litequeue_jobs WHERE holds = 1 AND state <> 'available' AND state <> 'running'
UNION SELECT limit_key FROM litequeue_asking WHERE at <= :latest OR since > :now"""


class Model:
    """A file with limited jobs, and what is known of them."""

    def __init__(self, store: Store, clock: FakeClock, rng: random.Random) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng
        self.limits = dict(LIMITS)
        self.real = 0.0  # seconds, by a clock that nobody sets
        self.starts: dict[str, list[float]] = defaultdict(list)
        self.jobs: dict[int, tuple[str, str, str | None, int | None]] = {}
        self.running: list[ClaimedJob] = []
        self.excess = Counter[str]()  # by key: what ran when its limit became smaller
        self.paused: set[str] = set()
        self.happened = Counter[str]()
        self.asked: set[int] = set()  # to be cancelled, once

    # -- what must hold ---------------------------------------------------------------------------------

    def look(self) -> dict[int, tuple[str, str, str | None, int | None]]:
        now = self.clock.now()
        with self.store.database.read() as connection:
            broken = invariants.broken(connection)
            assert not broken, broken
            self.inbox = {key for (key,) in connection.execute(INBOX, {"now": now, "latest": now + 10 * SECOND}).fetchall()}
            return {row[0]: row[1:] for row in connection.execute(JOBS).fetchall()}

    def limit_of(self, key: str) -> Limit | None:
        return self.limits.get(key.partition(":")[0])

    def check(self) -> None:
        before, self.jobs = self.jobs, self.look()
        for job, (state, _, _, holds) in before.items():
            if state == "blocked" and holds in (2, 3) and job not in self.asked and job in self.jobs:
                assert self.jobs[job][0] != "cancelled", f"{job} stood in line, and was cancelled for another's sake"
        held, running, waiting = Counter[str](), Counter[str](), Counter[str]()
        for job, (state, queue, key, holds) in self.jobs.items():
            if key is None:
                assert holds is None or state in FINAL, f"{job} holds {holds}, and has no limit"
                continue
            if state in ("available", "running"):
                assert holds == 1, f"{job} is {state}, and has no slot"
                assert state == "running" or queue not in self.paused, f"{job} keeps a slot in a paused queue"
                held[key] += 1
                running[key] += state == "running"
            if state == "blocked" and holds in (2, 3) and queue not in self.paused:
                waiting[key] += 1
        for key, count in held.items():
            limit = self.limit_of(key)
            if limit is None or limit.max_running is None:
                continue
            self.excess[key] = min(self.excess[key], running[key])
            assert count <= max(limit.max_running, self.excess[key]), f"{key}: {count} have slots of {limit.max_running}"
        for key in waiting:
            limit = self.limit_of(key)
            full = limit is not None and limit.max_running is not None and held[key] >= limit.max_running
            if limit is not None and limit.rate is not None:
                full = full or held[key] > running[key]  # who has a slot asks, once it has started
            assert key in self.inbox or full, f"{key}: {waiting[key]} stand in line, and nobody looks"

    def start(self, jobs: list[ClaimedJob]) -> None:
        for job in jobs:
            key = job.limit_key
            if key is None:
                continue
            self.starts[key].append(self.real)
            limit = self.limit_of(key)
            if limit is not None and limit.rate is not None and limit.per is not None:
                window = [at for at in self.starts[key] if at > self.real - limit.per / SECOND]
                assert len(window) <= limit.rate, f"{key}: {len(window)} starts within {limit.per / SECOND:g} s"

    # -- what happens -------------------------------------------------------------------------------------

    def a_job(self, **fields: Any) -> NewJob:
        now = self.clock.now()
        key = self.rng.choice(KEYS)
        delay = self.rng.choice([0, 0, 0, SECOND])
        given: dict[str, Any] = {
            "queue": self.rng.choice(["q", "q", "r"]), "priority": self.rng.choice([0, 0, 5]), "limit_key": None if key == "free" else key,
            "created_at": now, "run_at": now + delay, "state": "scheduled" if delay else "available", "max_attempts": 99,
            "expires_at": self.rng.choice([None, None, None, now + delay + 3 * SECOND]), "at_most_once": self.rng.choice([0, 0, 0, 1]),
        }  # fmt: skip
        return new_job(**{**given, **fields})

    def enqueue(self) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            self.store.jobs.enqueue(self.a_job())

    def enqueue_many(self) -> None:
        template = self.a_job()
        of_each = template.columns.limit_key is not None and self.rng.random() < 0.5
        calls = [("[]", "{}", *[self.rng.choice(["b:1", "b:2"])] * of_each) for _ in range(3)]
        self.store.jobs.enqueue_many(template, calls, limited=of_each)

    def enqueue_replacing(self) -> None:
        like = UniqueKey(f"k{self.rng.randrange(2)}", "start", "replace")
        if self.rng.random() < 0.5:
            self.store.jobs.enqueue_unique(self.a_job(), like, None)
        else:
            calls = [("[]", "{}", f"k{self.rng.randrange(3)}") for _ in range(2)]
            self.store.jobs.enqueue_many(self.a_job(), calls, key=like)

    def enqueue_behind(self) -> None:
        ids = [job for job, (state, *_) in self.jobs.items() if state not in FINAL or self.rng.random() < 0.3]
        if ids:
            self.store.flows.enqueue_one(self.a_job(), self.rng.sample(ids, 1), self.rng.choice([None, SECOND]), (), None, None)

    def turn(self, most: int = 3) -> None:
        now, ended, rest = self.clock.now(), [], []
        for job in self.running:
            (ended if self.rng.random() < 0.5 else rest).append(job)
        succeeded, others, waits = [], [], []
        for job in ended:
            end = self.rng.choice(["succeeded", "succeeded", "retrying", "discarded", "available", "unstarted", "scheduled", "waits"])
            if end == "succeeded":
                succeeded.append(Settled(job.id, job.attempt, now, now, "1", now + 20 * SECOND, None))
                continue
            state = {"unstarted": "available", "waits": "scheduled"}.get(end, end)
            final = end == "discarded"
            until = now + SECOND
            others.append(Unsettled(
                job.id, job.attempt, state, now, now if final else None, None if final or end in ("available", "unstarted") else until,
                now + 20 * SECOND if final else None, int(end in ("retrying", "discarded")), None, None, None, now, int(end == "unstarted"),
            ))  # fmt: skip
            if end == "waits":
                waits.append(Suspension(job.id, job.attempt, "w", until, '["happened", "never"]'))
        free = {"thread": self.rng.choice([0, 1, most])}
        demand = Demand({"thread": self.rng.randrange(1, most + 1)}, free=free) if self.rng.random() < 0.8 else None
        turn = self.store.jobs.turn(1, now, now + 60 * SECOND, succeeded=succeeded, others=others, suspended=waits, demand=demand)
        self.start(turn.claimed)
        self.happened["claimed"] += len(turn.claimed)
        assert sum(job.limit_key is not None for job in turn.claimed) <= free["thread"], "claimed ahead"
        self.running = rest + turn.claimed

    def adopt(self) -> None:
        """What was enqueued by who did not know of a limit."""
        job, _ = self.store.jobs.enqueue(self.a_job(limit_key=None, state="available", expires_at=None, run_at=self.clock.now()))
        now = self.clock.now()
        self.store.jobs.turn(1, now, now + SECOND, adoptions=[Adoption(job, "thread", 99, 0, (), self.rng.choice(KEYS[:-1]))])

    def die(self) -> None:
        now = self.clock.now()
        if self.rng.random() < 0.5:
            self.store.leases.rescue_worker(1, "w", now)
        else:
            self.store.leases.release_worker(1, now)
        self.running = []

    def emit(self) -> None:
        self.store.steps.emit("happened", "1", self.clock.now(), self.clock.now() + SECOND, replace=True)

    def cancel(self) -> None:
        if self.jobs:
            job = self.rng.choice(sorted(self.jobs))
            self.asked.add(job)
            self.store.operations.cancel(job, self.clock.now())

    def revive(self) -> None:
        """Put back, or hurry."""
        able = [job for job, (state, *_) in self.jobs.items() if state in FINAL or state in ("scheduled", "retrying")]
        if able:
            self.store.operations.revive(self.rng.choice(able), self.clock.now())

    def pause(self) -> None:
        if "r" in self.paused:
            self.store.operations.resume("r")
            self.paused = set()
        else:
            self.store.operations.pause("r", self.clock.now())
            self.paused = {"r"}

    def move(self) -> None:
        queues = sorted({queue for _, queue, *_ in self.jobs.values()})
        if queues:
            some = [job for job in self.jobs if self.rng.random() < 0.4]
            self.happened["moved"] += self.store.operations.move(some, self.rng.choice([*queues, "r"]))[0]

    def change(self) -> None:
        """Wider only, where a rate is meant: what has started before a narrower one is not undone."""
        name = self.rng.choice(sorted(self.limits))
        limit = self.limits[name]
        if limit.rate is not None:
            new = limit._replace(rate=limit.rate + 1)
        else:
            new = limit._replace(max_running=self.rng.choice([1, 2, 3]))
            for key in KEYS:
                if key.partition(":")[0] == name:
                    self.excess[key] = sum(state == "running" and of == key for state, _, of, _ in self.jobs.values())
        self.store.limits.set(new, self.clock.now())
        self.limits[name] = new

    def set_back(self) -> None:
        self.clock.wall -= self.rng.choice([300_000, 2_000_000, 10_000_000])

    def prune(self) -> None:
        self.store.operations.prune(self.clock.now(), 60)

    def do(self, deed: Callable[[], None]) -> None:
        before = list(self.running), set(self.paused), dict(self.limits), {key: list(starts) for key, starts in self.starts.items()}, Counter(self.excess)
        try:
            deed()
        except RolledBackError:
            self.running, self.paused, self.limits, starts, self.excess = before
            self.starts = defaultdict(list, starts)
            self.happened["rolled back"] += 1
        self.check()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.real += seconds

    def come_to_an_end(self) -> None:
        if self.paused:
            self.do(self.pause)
        for _ in range(400):
            self.do(partial(self.turn, 50))
            if all(state in FINAL for state, *_ in self.jobs.values()):
                return
            self.pass_time(1.1)
        raise AssertionError(f"these never end: { {job: row for job, row in self.jobs.items() if row[0] not in FINAL} }")


def run(store: Store, clock: FakeClock, seed: int, *, deeds: int = 120) -> Counter[str]:
    """What happened, and how often."""
    model = Model(store, clock, random.Random(seed))
    for limit in LIMITS.values():
        store.limits.set(limit, clock.now())
    model.check()
    often: list[tuple[Callable[[], None], int]] = [
        (model.enqueue, 6), (model.enqueue_many, 2), (model.enqueue_replacing, 2), (model.enqueue_behind, 5), (model.turn, 16), (model.adopt, 1),
        (model.die, 2), (model.emit, 1), (model.cancel, 2), (model.revive, 5), (model.pause, 2), (model.move, 2), (model.change, 1), (model.set_back, 1), (model.prune, 1),
    ]  # fmt: skip
    choices = [deed for deed, times in often for _ in range(times)]
    with rolled_back(store, model.rng, 0.1):
        for _ in range(deeds):
            model.do(model.rng.choice(choices))
            model.pass_time(model.rng.choice([0.001, 0.1, 0.4]))
    model.come_to_an_end()
    return model.happened


@pytest.mark.parametrize("seed", range(8))
def test_never_more_than_a_limit_says_and_nobody_waits_unseen(memory: Path, clock: FakeClock, seed: int) -> None:
    store = Store(str(memory / "db.sqlite"))
    run(store, clock, seed)
    store.close()


# -- the variants that it must catch -------------------------------------------------------------------------

Patch = pytest.MonkeyPatch
TO_LINE = "CASE WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END"


def changed(patch: Patch, module: Any, name: str, *changes: tuple[str, str]) -> None:
    sql = getattr(module, name)
    for old, new in changes:
        assert old in sql, old
        sql = sql.replace(old, new)
    patch.setattr(module, name, sql)


def rescuing_to_available(patch: Patch) -> None:
    changed(patch, leases, "RESCUE_WORKER", ("WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END", "ELSE 'available' END"))


def rescuing_with_the_slot(patch: Patch) -> None:
    changed(patch, leases, "RESCUE_WORKER", ("WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END", "ELSE 'available' END"),
            ("OR limit_key IS NULL THEN holds ELSE 2 END", "OR true THEN holds END"))  # fmt: skip


def leaving_to_available(patch: Patch) -> None:
    changed(patch, leases, "RELEASE_WORKER", ("WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END", "ELSE 'available' END"),
            ("OR limit_key IS NULL THEN holds ELSE 2 END", "OR true THEN holds END"))  # fmt: skip


def giving_back_with_the_slot(patch: Patch) -> None:
    changed(patch, settle, "SETTLE_OTHER", ("WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END", "ELSE 'available' END"),
            ("OR limit_key IS NULL THEN holds ELSE 2 END", "OR true THEN holds END"))  # fmt: skip


def promoting_to_available(patch: Patch) -> None:
    changed(patch, promote, "PROMOTE", (TO_LINE, "'available'"))


def reviving_to_available(patch: Patch) -> None:
    changed(patch, operations, "REVIVE", (TO_LINE, "'available'"))


def letting_children_go_to_available(patch: Patch) -> None:
    changed(patch, telling, "RELEASE", ("WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END", "ELSE 'available' END"))


def waking_to_available(patch: Patch) -> None:
    changed(patch, suspend, "WAKE", (TO_LINE, "'available'"))


def adopting_to_available(patch: Patch) -> None:
    changed(patch, adopt, "ADOPT", ("THEN 'blocked' ELSE state END", "THEN state ELSE state END"))


def dropping_slices_as_soon_as_their_beginning_has_left(patch: Patch) -> None:
    """As a token bucket has it, which refills while the window still holds what it gave."""
    for name in ("STARTED", "OVER"):
        changed(patch, fill, name, ("s.began + s.width + ", "s.began + "))


def counting_by_the_window_that_runs(patch: Patch) -> None:
    """Anew from each full time on: twice as many around its beginning."""
    changed(patch, fill, "STARTED", ("WHERE s.began + s.width + l.per > :now", "WHERE s.began >= :now / l.per * l.per"))


def counting_no_starts(patch: Patch) -> None:
    changed(patch, fill, "START", ("l.rate IS NOT NULL", "false"))


def counting_first_starts_alone(patch: Patch) -> None:
    changed(patch, fill, "START", ("l.rate IS NOT NULL", "l.rate IS NOT NULL AND j.attempt < 1"))


def giving_slots_to_more_than_may_start(patch: Patch) -> None:
    changed(patch, fill, "FREE", ("THEN (SELECT count(*) FROM litequeue_jobs WHERE limit_key = k.value AND holds = 1 AND state = 'available')", "THEN 0"))


def ignoring_starts_of_a_time_to_come(patch: Patch) -> None:
    changed(patch, fill, "STARTED", ("> :now GROUP BY", "> :now AND s.began <= :now GROUP BY"))


def forgetting_who_has_left(patch: Patch) -> None:
    patch.setattr(fill, "FREED", "SELECT '[]', '[]' WHERE :limit > 0")


def looking_at_those_alone_who_still_stand_in_line(patch: Patch) -> None:
    """What was cancelled or has expired before anybody looked had given up a slot."""
    changed(patch, fill, "ARRIVED", ("holds = 2", "holds = 2 AND state = 'blocked'"))
    patch.setattr(sys.modules[__name__], "INBOX", INBOX.replace("WHERE holds = 2", "WHERE holds = 2 AND state = 'blocked'"))


def asking_no_more_after_a_start(patch: Patch) -> None:
    patch.setattr(fill, "_asking_later", lambda *_: ())


def asking_once_a_rate_is_used_up(patch: Patch) -> None:
    changed(patch, fill, "ASK_AFTER_START", ("l.rate IS NOT NULL", "false"))


def keeping_slots_in_a_paused_queue(patch: Patch) -> None:
    patch.setattr(limits, "LEAVE", "SELECT :queue")


def moving_slots_into_a_paused_queue(patch: Patch) -> None:
    patch.setattr(operations, "IS_PAUSED", "SELECT 1 WHERE :queue IS NULL")


def resuming_without_asking(patch: Patch) -> None:
    patch.setattr(limits, "ASK_QUEUE", "SELECT :queue")


def narrowing_without_putting_back(patch: Patch) -> None:
    patch.setattr(limits, "PUT_BACK", "SELECT :name")


def widening_without_asking(patch: Patch) -> None:
    patch.setattr(limits, "ASK", "SELECT :name")


def changing_a_key_without_asking(patch: Patch) -> None:
    patch.setattr(limits, "ASK_OF", "SELECT :ids")


def replacing_with_the_slot(patch: Patch) -> None:
    changed(patch, keys, "REPLACE", ("THEN 'available' ELSE 'blocked' END", "THEN 'available' ELSE state END"))


VARIANTS = [
    rescuing_to_available, rescuing_with_the_slot, leaving_to_available, giving_back_with_the_slot, promoting_to_available, reviving_to_available,
    letting_children_go_to_available, waking_to_available, adopting_to_available,
    dropping_slices_as_soon_as_their_beginning_has_left, counting_by_the_window_that_runs, counting_no_starts, counting_first_starts_alone,
    giving_slots_to_more_than_may_start, ignoring_starts_of_a_time_to_come, forgetting_who_has_left, looking_at_those_alone_who_still_stand_in_line,
    asking_no_more_after_a_start, asking_once_a_rate_is_used_up, keeping_slots_in_a_paused_queue, moving_slots_into_a_paused_queue, resuming_without_asking,
    narrowing_without_putting_back, widening_without_asking, changing_a_key_without_asking, replacing_with_the_slot,
]  # fmt: skip


FIRST = (73, 35, 36, 34, 10, 15)  # with which those are caught that were caught last


@pytest.mark.slow
@pytest.mark.parametrize("broken", VARIANTS)
def test_the_model_catches_it(broken: Callable[[Patch], None], memory: Path, monkeypatch: Patch) -> None:
    broken(monkeypatch)
    assert caught(partial(run), memory, [*FIRST, *range(100)]) != -1


if __name__ == "__main__":
    run_and_print(run, range(*map(int, sys.argv[1:])))
