"""Unique jobs, driven at random: after every transaction no key is had by two, and each enqueue came to what the jobs' states say.

The model remembers which job was made last under each key, and judges by what that is now. One transaction in ten is rolled back; the clock is
set back, workers die, jobs are cancelled, put back and deleted.

By hand, for many seeds: ``python -m tests.store.test_keys_model 0 1000``.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from litequeue import AlreadyEnqueued
from litequeue.base.exact import Enqueued, UniqueKey
from litequeue.base.models import ClaimedJob, Settled, Unsettled
from litequeue.base.states import FINAL
from litequeue.store import Store, keys, operations
from litequeue.store.turn import Demand

from ..support import FakeClock, new_job
from .links.driven import RolledBackError, rolled_back
from .modelling import caught, run_and_print

pytestmark = pytest.mark.beside

SECOND = 1_000_000
JOBS = """SELECT id, state, attempt, releases, args, run_at, created_at, expires_at, cancel_requested_at, lease_expires_at FROM litequeue_jobs"""


class Row(NamedTuple):
    id: int
    state: str
    attempt: int
    releases: int
    args: str
    run_at: int
    created_at: int
    expires_at: int | None
    cancel_requested_at: int | None
    lease_expires_at: int | None

    @property
    def has_started(self) -> bool:
        return self.attempt > self.releases


class Held(NamedTuple):
    """Who was made last under a key."""

    job: int
    until: str | int
    until_at: int | None


class Model:
    """A file with unique jobs, and what is known of their keys."""

    def __init__(self, store: Store, clock: FakeClock, rng: random.Random) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng
        self.jobs: dict[int, Row] = {}
        self.held: dict[str, Held] = {}
        self.key_of: dict[int, str] = {}
        self.without: set[int] = set()  # put back when another had their key, or replaced after they had started
        self.running: list[ClaimedJob] = []
        self.happened = Counter[str]()
        self.calls = 0

    # -- what must hold ---------------------------------------------------------------------------------

    def look(self) -> dict[int, Row]:
        with self.store.database.read() as connection:
            self.rows = connection.execute("SELECT job_id, key, until FROM litequeue_keys").fetchall()
            return {row[0]: Row(*row) for row in connection.execute(JOBS).fetchall()}

    def taken(self, key: str, latest: int | None) -> int | None:
        """By which job."""
        held, now = self.held.get(key), self.clock.now()
        if held is None:
            return None
        if held.until_at is not None:
            return held.job if now < held.until_at and (latest is None or held.until_at <= latest) else None
        row = self.jobs.get(held.job)
        if row is None or row.state in FINAL or held.until == "start" and row.has_started:
            return None
        if row.lease_expires_at is None and (row.cancel_requested_at is not None or row.expires_at is not None and row.expires_at <= now):
            return None
        return held.job

    def check(self) -> None:
        self.jobs = self.look()
        for key in {key for _, key, _ in self.rows}:
            live = [
                job for job, of, _ in self.rows
                if of == key and job in self.jobs and self.jobs[job].state not in FINAL and job not in self.without
                and not (self.jobs[job].lease_expires_at is None and self.jobs[job].cancel_requested_at is not None)
                and key.startswith("finish")
            ]  # fmt: skip
            overdue = {job for job in live if (at := self.jobs[job].expires_at) is not None and at <= self.clock.now()}
            assert len(set(live) - overdue) <= 1, f"{key} is had by {live}"
        known = {job for job, *_ in self.rows}
        for job, key in self.key_of.items():
            assert job not in self.jobs or job in known, f"{job} has lost {key}"
        for job, _, until in self.rows:
            assert job in self.jobs or until == "gone", f"a key of {job} is left behind"

    # -- what happens -------------------------------------------------------------------------------------

    def a_key(self) -> UniqueKey:
        kind = self.rng.choice(["finish", "finish", "start", "time", "debounce"])
        text = f"{kind} {self.rng.randrange(3)}"
        if kind == "debounce":
            return UniqueKey(text, "start", "replace", 2 * SECOND, self.rng.choice([None, 5 * SECOND]))
        until = self.rng.choice([2 * SECOND, 60 * SECOND]) if kind == "time" else kind
        return UniqueKey(text, until, self.rng.choice(["return", "return", "raise", "replace"]))

    def a_job(self, key: UniqueKey) -> Any:
        self.calls += 1
        now = self.clock.now()
        delay = key.debounce or self.rng.choice([0, 0, SECOND])
        expires = self.rng.choice([None, None, None, now + delay + SECOND])
        state = "scheduled" if delay else "available"
        return new_job(args=f"[{self.calls}]", created_at=now, run_at=now + delay, state=state, expires_at=expires, max_attempts=3)

    def judge(self, key: UniqueKey, args: str, job: Any, found: Enqueued | None) -> None:
        """Of one enqueue, by what was before; None: it was refused."""
        latest = self.clock.now() + key.until if isinstance(key.until, int) else None
        holder = self.taken(key.text, latest)
        may_change = holder in self.jobs and not self.jobs[holder].has_started and self.jobs[holder].state not in FINAL
        if found is None:
            assert holder is not None, f"{key.text} was free, and refused"
            self.happened["refused"] += 1
            return
        if holder is not None and (key.on_conflict == "return" or key.on_conflict == "replace" and may_change):
            assert found == (holder, False), f"{key.text} is had by {holder}, and {found} came"
            after = self.look()
            if key.on_conflict == "replace":
                now, row = self.clock.now(), after[holder]
                due = job.run_at if key.max_wait is None else min(job.run_at, row.created_at + key.max_wait)
                assert (row.args, row.run_at) == (args, due), f"{holder} is not as it was to be"
                assert row.state == ("scheduled" if due > now else "available")
                self.happened["replaced"] += 1
            elif holder in self.jobs:
                assert after[holder] == self.jobs[holder], f"{holder} has changed"
                self.happened["returned"] += 1
            return
        assert found.is_new and found.id not in self.jobs, f"{key.text} was free, and {found} came"
        if holder is not None:
            self.without.add(holder)
            self.happened["made beside one that had started"] += 1
        self.held[key.text] = Held(found.id, key.until, latest)
        self.key_of[found.id] = key.text
        self.happened["made"] += 1

    def enqueue(self) -> None:
        key = self.a_key()
        job = self.a_job(key)
        try:
            found, _ = self.store.jobs.enqueue_unique(job, key, None)
        except AlreadyEnqueued as error:
            assert error.job_id == self.taken(key.text, self.clock.now() + key.until if isinstance(key.until, int) else None)
            self.judge(key, job.args, job, None)
        else:
            self.judge(key, job.args, job, found)

    def enqueue_many(self) -> None:
        like = self.a_key()._replace(on_conflict=self.rng.choice(["return", "replace"]), text="")
        kind = "debounce" if like.debounce else like.until if isinstance(like.until, str) else "time"
        if like.debounce:
            like = like._replace(on_conflict="replace")
        job = self.a_job(like)
        texts = [f"{kind} {self.rng.randrange(3)}" for _ in range(self.rng.randrange(1, 5))]
        calls = [(f"[{n}, {self.calls}]", "{}", text) for n, text in enumerate(texts)]
        ids, is_new, _ = self.store.jobs.enqueue_many(job, calls, key=like)
        assert is_new is not None
        last = like.on_conflict == "replace"
        for text in dict.fromkeys(texts):
            places = [n for n, each in enumerate(texts) if each == text]
            assert len({ids[n] for n in places}) == 1, "one key, two jobs"
            assert not any(is_new[n] for n in places[1:]), "a second one is new"
            self.judge(like._replace(text=text), calls[places[-1 if last else 0]][0], job, Enqueued(ids[places[0]], is_new[places[0]]))
        self.happened["many"] += 1

    def turn(self) -> None:
        now, ended, rest = self.clock.now(), [], []
        for job in self.running:
            (ended if self.rng.random() < 0.5 else rest).append(job)
        succeeded, others = [], []
        for job in ended:
            end = self.rng.choice(["succeeded", "succeeded", "retrying", "discarded", "available", "scheduled"])
            if end == "succeeded":
                succeeded.append(Settled(job.id, job.attempt, now, now, "1", now + self.rng.choice([0, 5 * SECOND]), None))
            else:
                final = end == "discarded"
                others.append(Unsettled(
                    job.id, job.attempt, end, now, now if final else None, None if final else now + SECOND, now if final else None,
                    int(end in ("retrying", "discarded")), None, None, None, now, int(end == "available"),
                ))  # fmt: skip
        demand = Demand({"thread": self.rng.randrange(1, 3)}) if self.rng.random() < 0.7 else None
        turn = self.store.jobs.turn(1, now, now + 60 * SECOND, succeeded=succeeded, others=others, demand=demand)
        self.running = rest + turn.claimed

    def die(self) -> None:
        self.store.leases.rescue_worker(1, "w", self.clock.now())
        self.running = []

    def cancel(self) -> None:
        if self.jobs:
            self.store.operations.cancel(self.rng.choice(sorted(self.jobs)), self.clock.now())

    def revive(self) -> None:
        ended = [job for job, row in self.jobs.items() if row.state in FINAL]
        if not ended:
            return
        job = self.rng.choice(ended)
        state, _ = self.store.operations.revive(job, self.clock.now())
        assert state == "available"
        text = self.key_of[job]
        self.without.discard(job)
        if text not in self.held or self.held[text].job != job:
            holder = self.taken(text, None)
            asked = self.store.reports.key_holder(job, self.clock.now())
            if holder is None:
                with self.store.database.read() as connection:
                    until, until_at = connection.execute("SELECT until, until_at FROM litequeue_keys WHERE job_id = ?", (job,)).fetchone()
                self.held[text] = Held(job, until, until_at)
                assert asked is None
                self.happened["its key again"] += 1
            else:
                assert asked == holder
                self.without.add(job)
                self.happened["without its key"] += 1

    def set_back(self) -> None:
        self.clock.wall -= self.rng.choice([300_000, 3 * SECOND, 90 * SECOND])

    def prune(self) -> None:
        while self.store.operations.prune(self.clock.now(), 60):
            self.happened["pruned"] += 1
        there, now = self.look(), self.clock.now()
        for key, held in list(self.held.items()):  # a time that was over once is forgotten with its job, wherever the clock is set
            if held.until_at is not None and held.until_at <= now and held.job not in there:
                del self.held[key]

    def do(self, deed: Callable[[], None]) -> None:
        before = dict(self.held), dict(self.key_of), set(self.without)
        running = list(self.running)
        try:
            deed()
        except RolledBackError:
            self.held, self.key_of, self.without = before
            self.running = running
            if deed != self.prune:
                assert self.look() == self.jobs, "what was rolled back is there"
            self.happened["rolled back"] += 1
        self.check()


def run(store: Store, clock: FakeClock, seed: int, *, deeds: int = 150) -> Counter[str]:
    """What happened, and how often."""
    model = Model(store, clock, random.Random(seed))
    store.open_and_close()
    often: list[tuple[Callable[[], None], int]] = [
        (model.enqueue, 10), (model.enqueue_many, 3), (model.turn, 8), (model.die, 1), (model.cancel, 1), (model.revive, 3),
        (model.set_back, 1), (model.prune, 2),
    ]  # fmt: skip
    choices = [deed for deed, times in often for _ in range(times)]
    with rolled_back(store, model.rng, 0.1):
        for _ in range(deeds):
            model.do(model.rng.choice(choices))
            clock.advance(model.rng.choice([0.001, 0.3, 1.5]))
    return model.happened


@pytest.mark.parametrize("seed", range(8))
def test_no_key_is_had_by_two_and_none_is_left_behind(memory: Path, clock: FakeClock, seed: int) -> None:
    store = Store(str(memory / "db.sqlite"))
    run(store, clock, seed)
    store.close()


# -- the variants that it must catch -------------------------------------------------------------------------

Patch = pytest.MonkeyPatch


def changed(patch: Patch, name: str, old: str, new: str) -> None:
    sql = getattr(keys, name)
    assert old in sql, old
    patch.setattr(keys, name, sql.replace(old, new))


def keeping_others_out_though_it_has_expired(patch: Patch) -> None:
    changed(patch, "HOLDER", "ifnull(j.expires_at, :now + 1) <= :now", "false")


def letting_one_lie_that_has_expired(patch: Patch) -> None:
    changed(patch, "EXPIRE", "WHERE id", "WHERE false AND id")


def keeping_others_out_after_it_has_started(patch: Patch) -> None:
    for name in ("HOLDER", "HOLDERS"):
        changed(patch, name, "k.until = 'finish' OR j.attempt = j.releases", "true")


def counting_what_was_given_back_as_a_start(patch: Patch) -> None:
    changed(patch, "HOLDER", "j.attempt = j.releases", "j.attempt = 0")


def letting_go_of_a_key_while_its_job_retries(patch: Patch) -> None:
    changed(patch, "HOLDER", "j.finished_at IS NULL AND", "j.finished_at IS NULL AND j.state <> 'retrying' AND")


def keeping_others_out_for_as_long_as_the_clock_was_set_back(patch: Patch) -> None:
    changed(patch, "HOLDER", "AND k.until_at <= :latest", "")


def replacing_a_job_that_has_started(patch: Patch) -> None:
    changed(patch, "REPLACE", "AND attempt = releases", "")


def putting_off_for_ever(patch: Patch) -> None:
    changed(patch, "REPLACE", "min(:run_at, litequeue_jobs.created_at + :most)", ":run_at")


def taking_a_key_back_that_another_has(patch: Patch) -> None:
    changed(patch, "HOLDER_FOR", "SELECT k.job_id, CASE", "SELECT k.job_id, 0 AND CASE")


def running_without_a_key_that_is_free(patch: Patch) -> None:
    patch.setattr(operations.keys, "revived", lambda *_: None)


def forgetting_a_time_with_its_job(patch: Patch) -> None:
    changed(patch, "PRUNE", "AND NOT (holds IS 1 AND until_at IS NOT NULL AND until_at > :now)", "OR :now IS NULL")


def leaving_keys_of_deleted_jobs(patch: Patch) -> None:
    for name in ("PRUNE", "OUTLIVE"):
        patch.setattr(keys, name, "SELECT :ids, :now")


def counting_the_first_of_a_batch_where_the_last_replaces_it(patch: Patch) -> None:
    changed(patch, "PICK", "CASE WHEN :last THEN max(rowid) ELSE min(rowid) END", "CASE WHEN :last THEN min(rowid) ELSE min(rowid) END")


def replacing_many_that_have_started(patch: Patch) -> None:
    changed(patch, "STARTED", "AND attempt = releases", "")


VARIANTS = [
    keeping_others_out_though_it_has_expired, letting_one_lie_that_has_expired, keeping_others_out_after_it_has_started, counting_what_was_given_back_as_a_start,
    letting_go_of_a_key_while_its_job_retries, keeping_others_out_for_as_long_as_the_clock_was_set_back, replacing_a_job_that_has_started,
    putting_off_for_ever, taking_a_key_back_that_another_has, running_without_a_key_that_is_free, forgetting_a_time_with_its_job,
    leaving_keys_of_deleted_jobs, counting_the_first_of_a_batch_where_the_last_replaces_it,
    replacing_many_that_have_started,
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("broken", VARIANTS)
def test_the_model_catches_it(broken: Callable[[Patch], None], memory: Path, monkeypatch: Patch) -> None:
    broken(monkeypatch)
    assert caught(partial(run), memory, range(100)) != -1


if __name__ == "__main__":
    run_and_print(run, range(*map(int, sys.argv[1:])))
