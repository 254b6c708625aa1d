"""Jobs that step, sleep and wait for events, driven at random: after every transaction the file is as it should be, and in the end
nothing waits.

The jobs run for real, through what tasks are given, an operation at a time; in between anything happens. The model remembers what
it saw of each step, when each wait was to end and which event came first, and judges by that. One transaction in ten is rolled back.

By hand, for many seeds: ``python -m tests.store.test_steps_model 0 1000``.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from litequeue import EventTimeout, LeaseLost
from litequeue.base.models import ClaimedJob, Lease
from litequeue.base.outcomes import (
    Cancelled,
    Failed,
    Outcome,
    Snoozed,
    Succeeded,
    Suspended,
    Timed,
)
from litequeue.base.states import FINAL
from litequeue.payload import Codec
from litequeue.store import Store, operations, steps
from litequeue.store.links import invariants
from litequeue.store.rules import FOREVER
from litequeue.store.schema import ledger
from litequeue.store.turn import Demand
from litequeue.store.turn import settle as settling
from litequeue.store.turn import suspend as suspending
from litequeue.tasks import durable
from litequeue.tasks.context import JobContext
from litequeue.tasks.durable import Suspend
from litequeue.worker.settling import settle, suspension, until_of

from ..support import FakeClock, new_job
from .links.driven import RolledBackError, rolled_back
from .modelling import caught, run_and_print

pytestmark = pytest.mark.beside

SECOND = 1_000_000
ENDED = {"succeeded", "discarded", "cancelled", "expired"}
SEEN = {
    "jobs": "SELECT id, state, attempt, run_at FROM litequeue_jobs",
    "steps": "SELECT job_id, name, value, until, event FROM litequeue_steps",
    "events": "SELECT name, payload FROM litequeue_events",
    "listeners": "SELECT job_id, name, step FROM litequeue_listeners",
}
EMIT = "INSERT INTO litequeue_events (name, payload, at) VALUES (?, ?, ?)"


class Fails(Exception):
    """What a task raises."""


class Snoozes(Exception):
    def __init__(self, seconds: float) -> None:
        self.delay = int(seconds * SECOND)


# -- what jobs do ---------------------------------------------------------------------------------------------


class Op(NamedTuple):
    """One operation of a job, ``key`` the name under which it is stored."""

    kind: str  # step, sleep, wait, fail, snooze
    key: str = ""
    seconds: float | None = None
    names: tuple[str, ...] = ()
    times: int = 0  # that it fails


class Attempt:
    """One execution of a job in the hands of a worker, who may not know that it is his no longer."""

    def __init__(self, model: Model, job: ClaimedJob) -> None:
        self.job = job
        self.live = True
        self.outcome: Outcome | None = None
        self.context = JobContext(job, 99, None, model.clock.now())
        self.context._opener, self.context._codec = lambda: model.store, Codec()
        self.to_do = model.work(self)


class Row(NamedTuple):
    """A stored step."""

    value: str | None
    until: int | None
    event: str | None


class Wait(NamedTuple):
    """Why a job is put aside: until then, or one of these events."""

    until: int | None
    names: Sequence[str] = ()


class Model:
    """A file with jobs, what was seen of it last, and what is known of the jobs."""

    def __init__(self, store: Store, clock: FakeClock, rng: random.Random, *, late_waits: bool = True) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng
        self.late_waits = late_waits  # whether a frozen worker, too, tells of jobs that are put aside
        self.numbers = itertools.count(1)
        self.names = [f"e{n}" for n in range(5)]
        self.programs: dict[int, list[Op]] = {}
        self.attempts: list[Attempt] = []
        self.done = Counter[tuple[int, int]]()  # how often a job has failed, or snoozed, at this place
        self.emitted: dict[str, tuple[str, int]] = {}  # the first payload, and when
        self.seen: dict[str, list[tuple[Any, ...]]] = {}
        self.jobs: dict[int, tuple[str, int]] = {}
        self.rows: dict[tuple[int, str], Row] = {}
        self.ends: dict[tuple[int, str], int] = {}  # of waits and sleeps, from when they were first put aside
        self.timed_out: set[tuple[int, str]] = set()
        self.latest = clock.now()  # the clock has been there
        self.aside: dict[int, Wait] = {}
        self.happened = Counter[str]()

    # -- the work itself ----------------------------------------------------------------------------

    def work(self, attempt: Attempt) -> Generator[None, None, list[Any]]:
        """The task: between two of its operations anything may happen."""
        given = []
        for place, op in enumerate(self.programs[attempt.job.id]):
            yield
            given.append(getattr(self, op.kind)(attempt, op, place))
        return given

    def step(self, attempt: Attempt, op: Op, place: int) -> Any:
        at = attempt.job.id, op.key
        known = self.rows.get(at)
        ran: list[str] = []
        value = attempt.context.step("s", lambda: ran.append(f"{at} {next(self.numbers)}") or ran[0])
        if ran:
            assert attempt.live, f"{at}: what came too late was stored"
            assert known is None, f"{at} ran again"
            self.expect(step=(at, json.dumps(value)))
        else:
            assert known is not None and json.loads(known.value or "0") == value, f"{at}: {value}, and stored was {known}"
            self.happened["steps that were stored before"] += 1
        return value

    def sleep(self, attempt: Attempt, op: Op, place: int) -> None:
        attempt.context.sleep(op.seconds, name="z")
        if attempt.live:
            assert self.latest >= self.ends[attempt.job.id, op.key], f"{attempt.job.id}, {op.key}: it wakes too early"
            self.happened["slept"] += 1

    def wait(self, attempt: Attempt, op: Op, place: int) -> Any:
        at = attempt.job.id, op.key
        several = len(op.names) > 1
        try:
            given = attempt.context.wait_for(op.names if several else op.names[0], timeout=op.seconds, name="w")
        except EventTimeout:
            if attempt.live:
                assert self.latest >= self.ends[at], f"{at} times out too early"
                self.happened["timed out" if at not in self.timed_out else "timed out again"] += 1
                self.timed_out.add(at)
            return None
        except Suspend:
            assert not attempt.live or at not in self.timed_out, f"{at}: had timed out, and waits again"
            raise
        name, payload = given if several else (op.names[0], given)
        assert name in op.names and self.emitted[name][0] == json.dumps(payload), f"{at} was given {given}"
        assert not attempt.live or at not in self.timed_out, f"{at}: had timed out, and was given {given}"
        self.happened["was given an event"] += 1
        return given

    def fail(self, attempt: Attempt, op: Op, place: int) -> None:
        if self.done[attempt.job.id, place] < op.times:
            self.done[attempt.job.id, place] += 1
            raise Fails

    def snooze(self, attempt: Attempt, op: Op, place: int) -> None:
        if self.done[attempt.job.id, place] < op.times:
            self.done[attempt.job.id, place] += 1
            assert op.seconds is not None
            raise Snoozes(op.seconds)

    def go_on(self, attempt: Attempt) -> None:
        """One operation further, as the pools would have it."""
        try:
            next(attempt.to_do)
        except StopIteration as end:
            attempt.outcome = Succeeded(json.dumps(end.value))
        except Suspend as put_aside:
            attempt.outcome = Suspended(put_aside.step, put_aside.delay, put_aside.until, put_aside.names)
        except Snoozes as snooze:
            attempt.outcome = Snoozed(snooze.delay)
        except (Fails, RolledBackError, LeaseLost) as error:
            if isinstance(error, LeaseLost):
                assert not attempt.live, f"{attempt.job.id} was refused, and it is his"
                self.happened["steps that came too late"] += 1
            again = self.rng.random() < 0.8
            attempt.outcome = Failed(type(error).__name__, "", "", int(self.rng.choice([0, 0.5]) * SECOND) if again else None)

    # -- what happens ---------------------------------------------------------------------------------

    def insert(self) -> None:
        self.names += [f"e{len(self.names)}", f"e{len(self.names) + 1}"]
        ops = list[Op]()
        counts = Counter[str]()

        def key(kind: str) -> str:
            counts[kind] += 1
            return kind if counts[kind] == 1 else f"{kind}#{counts[kind]}"

        for _ in range(self.rng.randrange(2, 8)):
            kind = self.rng.choice(["step", "step", "sleep", "wait", "wait", "wait", "fail", "snooze"])
            seconds = self.rng.choice([0.05, 0.3, 2.0] if kind == "wait" else [0.1, 2.0, 5.0])
            if kind == "step":
                ops.append(Op(kind, key("s")))
            elif kind == "sleep":
                ops.append(Op(kind, key("z"), seconds))
            elif kind == "wait":
                names = self.rng.sample(self.names[-8:], self.rng.choice([1, 1, 2, 3]))
                ops.append(Op(kind, key("w"), self.rng.choice([None, seconds, seconds]), tuple(names)))
                if ops[-1].seconds is not None and self.rng.random() < 0.3:  # with an ear still open, should it time out
                    ops.append(Op("snooze", seconds=2.0, times=1))
            else:
                ops.append(Op(kind, seconds=seconds, times=self.rng.randrange(1, 3)))
        now = self.clock.now()
        job, _ = self.store.jobs.enqueue(new_job(created_at=now, run_at=now, max_attempts=99))
        self.programs[job] = ops

    def run(self) -> None:
        """One of those that run goes on."""
        able = [attempt for attempt in self.attempts if attempt.outcome is None and attempt.live]
        if able:
            self.go_on(self.rng.choice(able))

    def late(self) -> None:
        """One whose worker was frozen, and does not know."""
        able = [attempt for attempt in self.attempts if attempt.outcome is None and not attempt.live]
        if able:
            self.go_on(self.rng.choice(able))

    def turn(self, most: int | None = None) -> None:
        ended = [attempt for attempt in self.attempts if attempt.outcome is not None]
        ended = ended if most is None else self.rng.sample(ended, min(len(ended), self.rng.randrange(1, most)))
        if not self.late_waits:
            late = [one for one in ended if not one.live and isinstance(one.outcome, Suspended)]
            self.attempts = [one for one in self.attempts if one not in late]
            ended = [one for one in ended if one not in late]
        now = self.clock.now()
        rows: dict[bool, list[Any]] = {True: [], False: []}
        waits, put_aside = [], []
        for one in ended:
            assert one.outcome is not None
            call: Any = SimpleNamespace(job=one.job, keep_succeeded=9 * SECOND, keep_discarded=9 * SECOND)
            row = settle(call, Timed(one.outcome, now, 0.0), now, self.rng)
            rows[isinstance(one.outcome, Succeeded)].append(row)
            if isinstance(one.outcome, Suspended):
                waits.append(suspension(one.job, one.outcome, now))
                put_aside.append((one, Wait(until_of(one.outcome, now), one.outcome.names)))
            elif not isinstance(one.outcome, Succeeded) and row.state in ("scheduled", "retrying"):  # type: ignore[union-attr]
                put_aside.append((one, Wait(row.run_at)))  # type: ignore[union-attr]
        demand = Demand({"thread": 50 if most is None else self.rng.randrange(1, 4)}) if most is None or self.rng.random() < 0.8 else None
        lease = now + self.rng.choice([SECOND, SECOND, 60 * SECOND])
        turn = self.store.jobs.turn(1, now, lease, succeeded=rows[True], others=rows[False], suspended=waits, demand=demand)
        for one in ended:
            was_lost = Lease(one.job.id, one.job.attempt) in turn.lost
            assert was_lost is not one.live, f"{one.job.id}: what came of attempt {one.job.attempt} {'counts not' if was_lost else 'counts'}"
            if was_lost and isinstance(one.outcome, Suspended):
                self.happened["waits that came too late"] += 1
        for one, wait in put_aside:
            if one.live:
                self.aside[one.job.id] = wait
                if isinstance(one.outcome, Suspended) and one.outcome.delay is not None:
                    assert wait.until is not None
                    self.ends[one.job.id, one.outcome.step] = wait.until
        self.attempts = [one for one in self.attempts if one not in ended]
        self.attempts += [Attempt(self, job) for job in turn.claimed]
        for one in self.attempts:
            if one.job.id in turn.look.cancelled and self.rng.random() < 0.5:
                one.outcome = Cancelled("")
        self.expect(ended=ended)

    def emit(self) -> None:
        names = [name for _, name, _ in self.seen["listeners"]]
        name = self.rng.choice(names if names and self.rng.random() < 0.7 else self.names)
        self.emit_it(name, json.dumps(f"payload {next(self.numbers)}"))

    def emit_it(self, name: str, payload: str) -> None:
        now = self.clock.now()
        if self.rng.random() < 0.5:
            first, _ = self.store.steps.emit(name, payload, now, now + 10**15)
            assert first is (name not in self.emitted), f"{name} was said to be {'the first' if first else 'known'}"
        else:
            with self.store.database.write(durable=False) as connection:
                ignore = EMIT.replace("INSERT", "INSERT OR IGNORE") if name in self.emitted else EMIT
                connection.execute(ignore, (name, payload, now))
        self.emitted.setdefault(name, (payload, now))

    def cancel(self) -> None:
        if self.jobs:
            job = self.rng.choice(sorted(self.jobs))
            self.store.operations.cancel(job, self.clock.now())
            self.expect(hit=job)

    def revive(self) -> None:
        """Put back, or hurry."""
        if self.jobs:
            able = [job for job, (state, _) in self.jobs.items() if state not in ("available", "running")]
            job, from_start = self.rng.choice(sorted(able or self.jobs)), self.rng.random() < 0.3
            before = self.jobs[job][0]
            after, _ = self.store.operations.revive(job, self.clock.now(), from_start=from_start)
            anew = from_start and before != "running" or before == "succeeded"
            if before in ENDED:
                assert after == "available"
            self.happened[f"put back {'anew' if anew else before}"] += 1
            self.expect(hit=job, anew=anew)

    def die(self) -> None:
        """The worker is gone, has left, or is frozen for longer than its leases."""
        now = self.clock.now()
        how = self.rng.choice(["died", "left", "froze", "froze", "froze"])
        if how == "died":
            self.store.leases.rescue_worker(1, "w", now)
        elif how == "left":
            self.store.leases.release_worker(1, now)
        else:
            self.clock.advance(2)
            self.store.leases.rescue_lapsed(1, self.clock.now(), self.clock.now())
        if how != "froze":  # its process is no more
            self.attempts = []
        self.expect(ended=self.attempts)

    def set_back(self) -> None:
        """Somebody sets the clock back: what was over stays over."""
        self.clock.wall -= self.rng.choice([300_000, 2_000_000, 10_000_000])

    def prune(self) -> None:
        self.store.operations.prune(self.clock.now(), 60)
        self.expect(pruned=True)

    # -- what must hold -------------------------------------------------------------------------------

    def expect(self, **what: Any) -> None:
        """What the transaction that has just been committed explains."""
        self.explained = what

    def look(self) -> dict[str, list[tuple[Any, ...]]]:
        with self.store.database.read() as connection:
            broken = invariants.broken(connection)
            assert not broken, broken
            return {name: sorted(connection.execute(sql).fetchall()) for name, sql in SEEN.items()}

    def check(self) -> None:
        self.latest = max(self.latest, self.clock.now())
        explained, self.explained = self.explained, {}
        self.seen = self.look()
        jobs = {job: (state, attempt) for job, state, attempt, _ in self.seen["jobs"]}
        for gone in self.jobs.keys() - jobs.keys():
            assert explained.get("pruned") and self.jobs[gone][0] in ENDED, f"{gone} is gone"
            self.forget(gone)
            self.aside.pop(gone, None)
        self.check_events()
        self.check_steps({(job, name): Row(*rest) for job, name, *rest in self.seen["steps"]}, explained)
        for job, _, run_at in ((job, state, run_at) for job, state, _, run_at in self.seen["jobs"] if job in self.aside):
            self.check_wait(job, jobs[job][0], run_at, explained.get("hit") == job)
        for one in self.attempts:
            was, one.live = one.live, one.live and jobs.get(one.job.id) == ("running", one.job.attempt)
            assert one.live or not was or one in explained.get("ended", ()), f"{one.job.id} was taken from its worker"
        assert {job for job, *_ in self.seen["listeners"]} | {job for job, *_ in self.seen["steps"]} <= jobs.keys()
        self.jobs = jobs

    def check_events(self) -> None:
        assert self.seen["events"] == sorted((name, payload) for name, (payload, _) in self.emitted.items()), "a payload has changed"

    def check_steps(self, found: dict[tuple[int, str], Row], explained: dict[str, Any]) -> None:
        if explained.get("anew"):
            self.forget(explained["hit"])
            assert not any(job == explained["hit"] for job, _ in found), "it is to begin anew, and has steps"
        for at, row in self.rows.items():
            now = found.get(at)
            assert now is not None, f"{at} is forgotten"
            if row.value is not None:
                assert now == row, f"{at} has changed"
            elif now.value is None:
                assert now.until == row.until or now.until in self.behind(at[0]), f"{at} has changed its end"
            else:
                assert at not in self.timed_out, f"{at} had timed out, and has a value"
        at, value = explained.get("step", (None, None))
        for new in found.keys() - self.rows.keys():
            assert found[new].value is None or found[new].event is not None or (at, value) == (new, found[new].value), f"{new} from nowhere"
        for at, row in found.items():
            if row.until is not None:
                assert row.until == self.ends[at] or row.until in self.behind(at[0]), f"{at} ends at {row.until}, and not at {self.ends[at]}"
                self.ends[at] = row.until
            if row.event is not None and self.rows.get(at, Row(None, None, None)).value is None:
                assert row.value == self.emitted[row.event][0], f"{at} has the payload of another"
                (op,) = (op for op in self.programs[at[0]] if op.key == at[1])
                came = {name: self.emitted[name][1] for name in op.names if name in self.emitted}
                assert row.event == min(came, key=came.__getitem__), f"{at}: {row.event} was not the first"
        self.rows = found

    def check_wait(self, job: int, state: str, run_at: int, hit: bool) -> None:
        wait = self.aside[job]
        came = [name for name in wait.names if name in self.emitted]
        if state in ("scheduled", "retrying"):
            assert not came, f"{job} waits for {came}, which has happened"
            assert run_at == (FOREVER if wait.until is None else wait.until) or run_at in self.behind(job), f"{job} is put aside until {run_at}"
            self.aside[job] = wait._replace(until=None if wait.until is None else run_at)
            return
        due = wait.until is not None and wait.until <= self.latest
        assert came or due or hit or state == "cancelled", f"{job}: nobody and nothing has woken it"
        self.happened["woken " + ("by an event" if came else "in time" if due else "before its time")] += 1
        del self.aside[job]

    def behind(self, job: int) -> list[int]:
        """The ends of waits that a job has behind it; to a clock that was set back they may be still to come."""
        return [end + 1 for (of, _), end in self.ends.items() if of == job and self.clock.now() <= end <= self.latest]

    def forget(self, job: int) -> None:
        """It begins anew, or is gone."""
        self.rows = {at: row for at, row in self.rows.items() if at[0] != job}
        self.ends = {at: end for at, end in self.ends.items() if at[0] != job}
        self.timed_out = {at for at in self.timed_out if at[0] != job}

    # -- and so on ------------------------------------------------------------------------------------

    def do(self, deed: Callable[[], None]) -> None:
        self.explained: dict[str, Any] = {}
        try:
            deed()
        except RolledBackError:
            self.happened["rolled back"] += 1
            assert self.look() == self.seen, "what was rolled back is there"
            self.explained = {}
        self.check()

    def come_to_an_end(self) -> None:
        """Everything happens, and all that can run does."""
        for name in {name for ops in self.programs.values() for op in ops for name in op.names} - self.emitted.keys():
            self.clock.advance(0.001)
            self.do(lambda name=name: self.emit_it(name, '"at last"'))  # type: ignore[misc]
        for _ in range(300):
            self.do(self.turn)
            while able := [one for one in self.attempts if one.outcome is None]:
                for one in able:
                    self.do(lambda one=one: self.go_on(one))  # type: ignore[misc]
            if all(state in FINAL for state, _ in self.jobs.values()):
                return
            self.clock.advance(3)
        raise AssertionError(f"these never end: { {job: state for job, (state, _) in self.jobs.items() if state not in FINAL} }")


def run(store: Store, clock: FakeClock, seed: int, *, deeds: int = 120, late_waits: bool = True) -> Counter[str]:
    """What happened, and how often."""
    model = Model(store, clock, random.Random(seed), late_waits=late_waits)
    store.open_and_close()
    model.seen = model.look()
    often: list[tuple[Callable[[], None], int]] = [
        (model.insert, 2), (model.run, 14), (lambda: model.turn(4), 10), (model.emit, 3), (model.revive, 4),
        (model.cancel, 2), (model.die, 2), (model.late, 4), (model.prune, 1), (model.set_back, 1),
    ]  # fmt: skip
    choices = [deed for deed, times in often for _ in range(times)]
    with rolled_back(store, model.rng, 0.1):
        for _ in range(deeds):
            model.do(model.rng.choice(choices))
            clock.advance(model.rng.choice([0.001, 0.05, 0.2]))
    model.come_to_an_end()
    return model.happened


@pytest.mark.parametrize("seed", range(8))
def test_steps_are_kept_waits_end_as_they_should_and_all_comes_to_an_end(memory: Path, clock: FakeClock, seed: int) -> None:
    store = Store(str(memory / "db.sqlite"))
    run(store, clock, seed)
    store.close()


# -- the variants that it must catch ---------------------------------------------------------------------------

Patch = pytest.MonkeyPatch


def trigger(patch: Patch, *changes: tuple[str, str]) -> None:
    """Of what wakes those who wait."""
    number = 9  # whose statements make it, in place of version 5's
    sql = ledger.MIGRATIONS[number - 1].sql
    for old, new in changes:
        assert old in sql, old
        sql = sql.replace(old, new)
    changed = [found._replace(sql=sql) if found.number == number else found for found in ledger.MIGRATIONS]
    patch.setattr(ledger, "MIGRATIONS", tuple(changed))


def suspending_without_looking_at_what_has_happened(patch: Patch) -> None:
    """The wake-up is lost."""
    patch.setattr(suspending, "HAPPENED", "SELECT '[]' WHERE :ids IS NOT NULL")


def looking_at_what_has_happened_before_it_listens(patch: Patch) -> None:
    patch.setattr(suspending, "LISTEN", suspending.LISTEN.replace("WHERE true", "WHERE n.value NOT IN (SELECT name FROM litequeue_events)"))


def emitting_over_the_first_payload(patch: Patch) -> None:
    patch.setattr(steps, "EMIT", steps.EMIT.replace("NOTHING", "UPDATE SET payload = excluded.payload"))


def giving_an_event_to_who_has_timed_out(patch: Patch) -> None:
    trigger(patch, (f"state = 'scheduled' AND run_at = ifnull(until, {FOREVER})", "true"))


def waking_whoever_has_listened_once(patch: Patch) -> None:
    """It snoozes by now, or retries."""
    trigger(
        patch,
        ("WHERE l.name = NEW.name AND s.value IS NOT NULL)\n        AND", "WHERE l.name = NEW.name)\n        AND"),
        ("AND state = 'scheduled';", "AND (state = 'scheduled' OR state = 'retrying');"),
    )


def waking_nobody(patch: Patch) -> None:
    trigger(patch, ("WHEN EXISTS", "WHEN NOT EXISTS"))


def waking_only_who_waits_for_ever(patch: Patch) -> None:
    trigger(patch, (f"run_at = ifnull(until, {FOREVER})", f"run_at = {FOREVER}"))


def listening_on_after_the_wait_is_over(patch: Patch) -> None:
    patch.setattr(suspending, "FORGET", "SELECT :rows")


def storing_a_step_without_the_fence(patch: Patch) -> None:
    patch.setattr(steps, "KEEP", steps.KEEP.replace("WHERE id = :job AND attempt = :attempt AND state = 'running'", "WHERE id = :job"))


def storing_a_step_by_the_attempt_alone(patch: Patch) -> None:
    """Which is still the last, though it was rescued."""
    patch.setattr(steps, "KEEP", steps.KEEP.replace("AND state = 'running'", "AND true"))


def putting_aside_without_the_fence(patch: Patch) -> None:
    for name in ("FORGET", "KEEP", "LISTEN"):
        patch.setattr(suspending, name, getattr(suspending, name).replace("AND j.attempt = v.attempt", ""))


def reviving_with_the_steps_of_the_life_before(patch: Patch) -> None:
    patch.setattr(operations.steps, "FORGET", "SELECT :job")


def reviving_without_any_steps(patch: Patch) -> None:
    patch.setattr(operations, "REOPEN", f"{operations.steps.FORGET} OR :id IS NULL")


def going_on_when_woken_whatever_the_time(patch: Patch) -> None:
    sleep = durable.Durable.sleep

    def sleeps(self: durable.Durable, duration: Any, *, name: str = "sleep") -> Any:
        try:
            return sleep(self, duration, name=name)
        except Suspend as put_aside:
            if put_aside.until is None:
                raise

    patch.setattr(durable.Durable, "sleep", sleeps)


def beginning_a_sleep_anew_when_woken(patch: Patch) -> None:
    keep = suspending.KEEP.replace("SET until = excluded.until", "SET until = excluded.until + 1")
    patch.setattr(suspending, "KEEP", keep)


def trying_again_by_the_clock_alone(patch: Patch) -> None:
    """Which was set back: what had timed out waits again."""
    assert steps.AFTER_ITS_WAITS in settling.SETTLE_OTHER
    patch.setattr(settling, "SETTLE_OTHER", settling.SETTLE_OTHER.replace(steps.AFTER_ITS_WAITS, "0"))


def forgetting_a_wait_that_has_just_ended(patch: Patch) -> None:
    assert "until = litequeue_jobs.run_at" in operations.REVIVE
    patch.setattr(operations, "REVIVE", operations.REVIVE.replace("until = litequeue_jobs.run_at", "false"))


VARIANTS = [
    trying_again_by_the_clock_alone, forgetting_a_wait_that_has_just_ended,
    suspending_without_looking_at_what_has_happened, looking_at_what_has_happened_before_it_listens,
    emitting_over_the_first_payload, giving_an_event_to_who_has_timed_out, waking_whoever_has_listened_once, waking_nobody,
    waking_only_who_waits_for_ever, listening_on_after_the_wait_is_over, storing_a_step_without_the_fence,
    storing_a_step_by_the_attempt_alone, putting_aside_without_the_fence, reviving_with_the_steps_of_the_life_before,
    reviving_without_any_steps, going_on_when_woken_whatever_the_time, beginning_a_sleep_anew_when_woken,
]  # fmt: skip


FIRST = (316, 75, 134)  # with which those were caught that were caught last


@pytest.mark.slow
@pytest.mark.parametrize("broken", VARIANTS)
def test_the_model_catches_it(broken: Callable[[Patch], None], memory: Path, monkeypatch: Patch) -> None:
    broken(monkeypatch)
    assert caught(partial(run, late_waits=broken is putting_aside_without_the_fence), memory, [*FIRST, *range(100)]) != -1


if __name__ == "__main__":
    run_and_print(run, range(*map(int, sys.argv[1:])))
