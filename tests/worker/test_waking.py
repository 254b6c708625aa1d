"""Who is woken for a job, by a model: coordinators on one file, whose bells are rung in any order.

Nobody looks unasked, so what is not rung for stays. When all bells have been heard, no job waits that a worker has room for; and
they come to rest, whatever there is that none can take.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base.bell import LOOK, MORE, Address, Ear
from litequeue.base.outcomes import NotStarted, Succeeded, Timed
from litequeue.pools.base import Call, Reason
from litequeue.store import Store, bells
from litequeue.store.jobs import Jobs
from litequeue.store.turn import Turn, listen
from litequeue.worker.config import WorkerConfig
from litequeue.worker.coordinator import Coordinator
from litequeue.worker.discovery import Catalogue
from litequeue.worker.inbox import Inbox
from litequeue.worker.looking import Looking
from litequeue.worker.neighbours import Neighbours
from litequeue.worker.pooling import Pools

from ..older import rows
from ..support import FakeClock, new_job, wait_until

pytestmark = pytest.mark.beside

def task() -> None:
    """What no pool here runs."""


POOL_OF = {"quick": "thread", "rare": "thread", "heavy": "process"}
QUEUES = ("a", "b")


class HeldPool:
    """A pool whose calls run until the test ends them."""

    def __init__(self, kind: str, slots: int) -> None:
        self.kind = kind
        self.slots = slots
        self.calls: list[Call] = []

    def submit(self, calls: Sequence[Call]) -> None:
        self.calls += calls
        assert len(self.calls) <= self.slots

    def tend(self) -> None: ...

    def backlog(self) -> int:
        return 0

    def take_back(self, most: int | None = None) -> list[Call]:
        return []

    def interrupt(self, call: Call, reason: Reason) -> None: ...
    def end_waits(self) -> None: ...
    def stop(self) -> None: ...


class Sleeper:
    """A worker, as far as it is told things: its coordinator, and what it serves."""

    def __init__(self, model: Model, number: int) -> None:
        rng = model.rng
        self.queues = rng.choice([None, None, ("a",), ("b",)])
        slots = rng.choice([(1, 0), (2, 0), (2, 1), (0, 1), (3, 2)])
        self.tasks = {name: code for name, code in model.tasks.items() if name != "rare" or rng.random() < 0.5}
        config = WorkerConfig(threads=slots[0], processes=slots[1], async_=0, queues=self.queues, burst=False)
        self.registration = model.store.workers.register(
            name=f"w{number}", host="h", wake_port=number, queues=self.queues, slots=config.slots, now=model.clock.now()
        )
        self.inbox = Inbox()
        self.room = {kind: count for kind, count in config.slots.items() if count}
        monotonic = model.clock.monotonic
        catalogue = Catalogue(self.tasks, path=model.store.path, origin=lambda task: None, monotonic=monotonic)
        others = Neighbours(lambda: None, model.ring_more, lambda: None, lambda: None, lambda: True)
        self.coordinator = Coordinator(
            self.registration.id, model.store, catalogue, config, model.clock, random.Random(1), self.inbox, others, None
        )

    @property
    def pools(self) -> dict[str, Any]:
        return self.coordinator._pools.made

    def free(self, kind: str) -> int:
        return self.room.get(kind, 0) - (len(self.pools[kind].calls) if kind in self.pools else 0)

    def move(self) -> None:
        """What its thread does until it would sleep."""
        for _ in range(20):
            self.coordinator.receive(0)
            self.coordinator.turn(claiming=True)
            if self.coordinator.seconds_until_due() > 0:
                return
        raise AssertionError("it does not come to rest")


class Model:
    """A file, some workers, and the bells that were rung and not yet heard."""

    def __init__(self, store: Store, clock: FakeClock, rng: random.Random) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng
        app = LiteQueue(store.path)
        for name, pool in POOL_OF.items():
            app.task(name=name, pool=pool)(task)
        self.tasks = dict(app._tasks)
        app.close()
        self.rung: list[tuple[int, bytes]] = []
        self.workers = {number: Sleeper(self, number) for number in range(1, rng.randrange(2, 5))}

    def ring(self, addresses: Sequence[Address], byte: bytes = LOOK) -> None:
        self.rung += [(port, byte) for port, _ in addresses]

    def ring_more(self, addresses: Sequence[Address]) -> None:
        self.ring(addresses, MORE)

    # -- what happens --------------------------------------------------------------------------

    def enqueue(self) -> None:
        task = self.rng.choice(list(POOL_OF))
        fields = {"pool": POOL_OF[task], "queue": self.rng.choice(QUEUES), "max_attempts": 1}
        template = new_job(task=task, created_at=self.clock.now(), run_at=self.clock.now(), **fields)
        *_, addresses = self.store.jobs.enqueue_many(template, [("[]", "{}")] * self.rng.choice([1, 1, 1, 5]))
        self.ring(addresses)

    def hear(self) -> None:
        if self.rung:
            port, byte = self.rung.pop(self.rng.randrange(len(self.rung)))
            self.workers[port].inbox.look(byte == MORE)

    def move(self) -> None:
        self.rng.choice(list(self.workers.values())).move()

    def end(self) -> None:
        worker = self.rng.choice(list(self.workers.values()))
        running = [(pool, call) for pool in worker.pools.values() for call in pool.calls]
        if running:
            pool, call = self.rng.choice(running)
            pool.calls.remove(call)
            outcome = NotStarted() if self.rng.random() < 0.2 else Succeeded("null")
            worker.inbox.ended(call, Timed(outcome, self.clock.now(), 10.0))

    # -- and what must hold --------------------------------------------------------------------

    def come_to_rest(self) -> None:
        for worker in self.workers.values():
            worker.move()
        for _ in range(100 * len(self.workers)):
            if not self.rung:
                return
            port = self.rung[0][0]
            self.hear()
            for worker in self.workers.values():
                worker.move()
        raise AssertionError(f"they wake each other for ever; the last was {port}")

    def check(self) -> None:
        waiting = rows(Path(self.store.path), "SELECT queue, pool, task FROM litequeue_jobs WHERE state = 'available'")
        said = dict(rows(Path(self.store.path), "SELECT wake_port, listening FROM litequeue_workers"))
        for number, worker in self.workers.items():
            for queue, pool, task in waiting:
                could = (worker.queues is None or queue in worker.queues) and task in worker.tasks
                assert not could or not worker.free(pool), f"worker {number} sleeps, and could run {task} of {queue}"
            idle = not worker.coordinator.calls
            full = not any(map(worker.free, worker.room))
            assert said[number] == (bells.IDLE if idle else bells.AWAKE if full else bells.BESIDE_CALLS)


def run(store: Store, clock: FakeClock, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pools, "_build", lambda self, kind: HeldPool(kind, self._config.slots[kind]))
    model = Model(store, clock, random.Random(seed))
    for worker in model.workers.values():
        worker.move()
    deeds: list[Callable[[], None]] = [model.enqueue, model.hear, model.hear, model.move, model.move, model.end]
    try:
        for number in range(60):
            model.rng.choice(deeds)()
            if number % 15 == 14:
                model.come_to_rest()
                model.check()
    finally:
        for worker in model.workers.values():
            worker.registration.close()


@pytest.mark.parametrize("seed", range(12))
def test_no_job_waits_that_a_worker_has_room_for(
    store: Store, clock: FakeClock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store, clock, seed, monkeypatch)


# -- the variants that it must catch ---------------------------------------------------------------


def passing_on_what_was_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Looking, "news", lambda self, there_is=True, *, passed_on=False, news=Looking.news: news(self, there_is))


def passing_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_pass_on", lambda connection, turn: None)


def telling_the_first_whatever_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it has nothing to pass on, since it sees nothing of other queues."""
    everyone = f"SELECT id, listening, {bells._ADDRESS} FROM litequeue_workers WHERE listening > 0"
    monkeypatch.setattr(bells, "FOR_JOB", everyone)


def never_listening_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was told, and found that another had been quicker, says no more that it sleeps."""
    look = Jobs.look
    monkeypatch.setattr(Jobs, "look", lambda self, *words: look(self, *words)._replace(listening=bells.IDLE))


def saying_that_it_sleeps_before_it_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    def listening(connection: sqlite3.Connection, turn: Turn, step: Any = listen.listen) -> None:
        claimed, turn.claimed = turn.claimed, []
        step(connection, turn)
        turn.claimed = claimed

    from litequeue.store.turn import pipeline

    monkeypatch.setattr(pipeline, "STEPS", (*pipeline.STEPS[:-1], listening))


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken",
    [
        passing_on_what_was_passed_on, passing_nothing_on, telling_the_first_whatever_it_serves, never_listening_again,
        saying_that_it_sleeps_before_it_claims,
    ],
)  # fmt: skip
def test_the_model_catches_it(
    broken: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    for seed in (24, 13, *range(60)):  # first those that some of them were caught with
        store = Store(str(tmp_path / f"{random.random()}.sqlite"))
        try:
            run(store, clock, seed, monkeypatch)
        except AssertionError:
            return
        finally:
            store.close()
    pytest.fail("it was not caught")


# -- a real worker ---------------------------------------------------------------------------------


def test_a_worker_that_stops_tells_the_others_since_it_may_have_been_told_alone(db: Path) -> None:
    with LiteQueue(db) as app, contextlib.closing(Ear()) as ear:
        workers = app._client.store.workers
        registered = workers.register(name="peer", host="h", wake_port=ear.port, queues=None, slots={"thread": 1}, now=1)
        ear.listen_for(registered.token)
        with app.worker():
            wait_until(lambda: rows(db, "SELECT 1 FROM litequeue_workers WHERE listening = 2"))  # it knows that it has a peer
            while ear.hear(0.0):
                pass
        heard = ear.hear(5.0)
        assert heard is not None and heard.byte == LOOK
        registered.close()
