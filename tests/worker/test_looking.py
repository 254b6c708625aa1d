"""The round that a worker makes among many queues, against a model of the file: it never rests while there is something that it could take."""

from __future__ import annotations

import random
from bisect import bisect_left
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.store.turn.look import MOST as IN_ONE_LOOK
from litequeue.worker.looking import Looking

from .. import sample
from ..prepared import worker_process
from ..support import wait_until

pytestmark = pytest.mark.beside

MOST = 3


def is_without_code(queue: bytes) -> bool:
    """Whose jobs are seen, and cannot be taken here."""
    return queue < b"q04"


class Model:
    """Queues with so many jobs each, and a worker with so many slots."""

    def __init__(self, looking: Looking, rng: random.Random) -> None:
        self.looking = looking
        self.rng = rng
        self.jobs: dict[bytes, int] = {}
        self.slots = rng.randrange(1, 15)
        self.running = 0
        self.ended = False

    def enqueue(self) -> None:
        queue = b"q%02d" % self.rng.randrange(12)
        self.jobs[queue] = self.jobs.get(queue, 0) + self.rng.randrange(1, 3)
        self.looking.news()

    def end(self) -> None:
        if self.running:
            self.running -= 1
            self.ended = True

    def turn(self) -> None:
        if not (self.looking.yes or self.ended):
            return
        self.ended = False
        room = self.slots - self.running
        if not room:
            self.looking.no()
            return
        names = sorted(self.jobs)
        first = bisect_left(names, self.looking.begin)
        window = names[first : first + MOST]
        taken = 0
        for name in window:
            while taken < room and name in self.jobs and not is_without_code(name):
                taken += 1
                self.jobs[name] -= 1
                if not self.jobs[name]:
                    del self.jobs[name]
        self.running += taken
        self.looking.saw(window[-1] + b"\0" if len(window) == MOST else None, taken == room)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.rng.choice([self.enqueue, self.end, self.end, self.turn, self.turn])()
            if self.rng.random() < 0.2:
                self.come_to_rest()

    def come_to_rest(self) -> None:
        for _ in range(60):
            self.turn()
            if not self.looking.yes and not self.ended:
                break
        else:
            raise AssertionError("it looks for ever")
        assert self.running == self.slots or all(map(is_without_code, self.jobs)), "it rests beside what it could take"


def try_out(kind: type[Looking]) -> None:
    for seed in range(150):
        Model(kind(), random.Random(seed)).run(120)


def test_it_rests_only_where_it_could_take_nothing() -> None:
    try_out(Looking)


class ForgetsNews(Looking):
    def news(self, there_is: bool = True) -> None:
        self.yes = True


class ForgetsWhatIsLeft(Looking):
    def saw(self, rest: bytes | None, left: bool = False) -> None:
        super().saw(rest, False)


class BeginsAnew(Looking):
    def saw(self, rest: bytes | None, left: bool = False) -> None:
        super().saw(rest, left)
        self.begin = b""


@pytest.mark.parametrize("broken", [ForgetsNews, ForgetsWhatIsLeft, BeginsAnew])
def test_the_model_catches_what_breaks_that(broken: type[Looking]) -> None:
    with pytest.raises(AssertionError):
        try_out(broken)


def test_where_one_look_sees_all_each_turn_is_a_round() -> None:
    looking = Looking()
    looking.saw(None, left=True)
    assert (looking.yes, looking.begin) == (True, b"")
    looking.saw(None)
    assert not looking.yes
    looking.news(False)
    assert not looking.yes


@pytest.mark.slow
def test_two_workers_run_all_jobs_of_many_queues_but_those_that_are_paused(sample_app: LiteQueue, db: Path) -> None:
    names = [f"q{n:03}" for n in range(3 * IN_ONE_LOOK)]
    paused = names[: IN_ONE_LOOK + 5]
    for queue in paused:
        sample_app.pause(queue)
    for n, queue in enumerate(names):
        sample.add.apply_async((n, 1), queue=queue)
    with worker_process(db), worker_process(db):
        wait_until(lambda: sample_app.stats().states == {"available": len(paused), "succeeded": len(names) - len(paused)})
        assert sample.add.apply_async((1, 1), queue="q999").get(timeout=10) == 2
        for queue in paused:
            sample_app.resume(queue)
        wait_until(lambda: sample_app.stats().states == {"succeeded": len(names) + 1})
