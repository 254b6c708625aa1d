"""Kill -9 of one worker after the other at random moments of a flow of 200 jobs with steps: what was stored is not done again.

By hand, for more rounds: ``python -m tests.crash.test_flow_of_steps --rounds 50 --seed 1``.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sqlite3
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from ..prepared import worker_process
from ..support import children_of, ledger_lines, wait_until
from . import stepping
from .logged import alive

pytestmark = pytest.mark.beside

LIVES = 100  # of workers; more in one round, and it does not get on
Done = tuple[int, str]


class Figures(NamedTuple):
    kills: int
    effects: int
    repeated: int  # effects that came before a kill, and whose step was stored only after it
    carried_over: int  # steps that were stored when a worker was killed under their job
    given_up: int  # jobs that were put back by hand
    seconds: float


STORED = "SELECT job_id, name FROM litequeue_steps WHERE value IS NOT NULL"


def count(db: Path) -> int:
    with contextlib.closing(sqlite3.connect(db, timeout=10)) as connection:
        return len(connection.execute(STORED).fetchall())


class Evidence(NamedTuple):
    """What has been done and what is stored; nobody works on the file."""

    effects: Counter[Done]
    stored: set[Done]
    unfinished: set[int]
    given_up: frozenset[int] = frozenset()

    @classmethod
    def of(cls, db: Path, ledger: Path) -> Evidence:
        lines = [line.split() for line in ledger_lines(ledger)]
        with contextlib.closing(sqlite3.connect(db, timeout=10)) as connection:
            stored = connection.execute(STORED).fetchall()
            unfinished = connection.execute("SELECT id FROM litequeue_jobs WHERE finished_at IS NULL").fetchall()
            given_up = connection.execute("SELECT id FROM litequeue_jobs WHERE state = 'discarded'").fetchall()
        effects = Counter((int(job), step) for job, step in lines)
        return cls(effects, set(stored), {job for (job,) in unfinished}, frozenset(job for (job,) in given_up))

    def steps_of(self, job: int) -> set[str]:
        return {step for at, step in self.stored if at == job}


def judge(before: Evidence, after: Evidence) -> None:
    """One worker has lived in between."""
    assert before.stored <= after.stored, "a stored step is gone"
    for step, count in after.effects.items():
        since = count - before.effects[step]
        if step in before.stored:
            assert since == 0, f"{step} was stored, and done again"
        else:
            assert since <= 1, f"{step} was done {since} times by one worker"
            assert since == 1 or step not in after.stored, f"{step} is stored, and nobody has done it"
    assert all(after.effects[step] for step in after.stored)


def run(folder: Path, rng: random.Random) -> Figures:
    db, ledger = folder / "db.sqlite", folder / "ledger"
    app = stepping.app
    app._client.bind(str(db))
    began, kills, carried_over, given_up, ended = time.monotonic(), 0, 0, 0, False
    try:
        flow = stepping.flow_of(str(ledger)).delay()
        before = Evidence.of(db, ledger)
        past = [before]
        while not ended:
            with worker_process(db, "--threads", "4", "--log-level", "error") as worker:
                wait_until(lambda before=before: count(db) > len(before.stored) or flow.done)  # each gets somewhere
                ended = flow.wait(timeout=rng.uniform(0.001, 0.25))
                family = [worker.pid, *children_of(worker.pid)]
                worker.kill()
                worker.wait(10)
                wait_until(lambda family=family: not any(map(alive, family)))
            after = Evidence.of(db, ledger)
            judge(before, after)
            for job in after.given_up:  # three workers have died under it, and only under the first it got a step further
                assert past[-1].steps_of(job) == past[-3].steps_of(job), f"{job} got on, and was given up"
            if after.given_up:
                given_up += flow.retry()  # as people would
                ended = False
            past.append(after)
            kills += not ended
            carried_over += sum(job in after.unfinished for job, _ in after.stored)
            before = after
            assert kills < LIVES, "it does not get on"
        seconds = time.monotonic() - began
        assert flow.get(timeout=1) == stepping.expected()
        jobs = [job.id for job in flow.jobs() if job.info().task != "litequeue.join"]
        assert len(jobs) == stepping.JOBS
        assert before.stored == {(job, step) for job in jobs for step in stepping.STEPS}  # a sleep has no value
        assert before.effects.keys() == before.stored
        effects = before.effects.total()
        return Figures(kills, effects, effects - len(before.effects), carried_over, given_up, seconds)
    finally:
        app.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_a_flow_whose_workers_are_killed_no_stored_step_is_done_again(memory: Path, seed: int) -> None:
    figures = run(memory, random.Random(seed))
    assert figures.kills and figures.repeated and figures.carried_over


# -- that it would be seen -----------------------------------------------------------------------------------------

NOTHING = Evidence(Counter(), set(), {1})
ONCE = Evidence(Counter({(1, "a"): 1}), {(1, "a")}, {1})
LOST = Evidence(Counter({(1, "a"): 1}), set(), {1})


def test_what_may_happen_may_happen() -> None:
    for before, after in ((NOTHING, ONCE), (NOTHING, LOST), (LOST, LOST), (ONCE, ONCE)):
        judge(before, after)
    judge(LOST, Evidence(Counter({(1, "a"): 2}), {(1, "a")}, {1}))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (ONCE, Evidence(Counter({(1, "a"): 2}), {(1, "a")}, {1}), "done again"),
        (ONCE, LOST, "is gone"),
        (NOTHING, Evidence(Counter({(1, "a"): 2}), {(1, "a")}, {1}), "2 times by one worker"),
        (LOST, ONCE, "nobody has done it"),
    ],
)
def test_what_may_not_happen_is_seen(before: Evidence, after: Evidence, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        judge(before, after)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    found = list[Figures]()
    for number in range(words.seed, words.seed + words.rounds):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            found.append(run(Path(folder), random.Random(number)))
        print(f"seed {number}: {found[-1]}", flush=True)
    steps = len(found) * stepping.JOBS * len(stepping.STEPS)
    print(f"{len(found)} rounds, {steps:,} steps, {sum(f.kills for f in found):,} kills ({min(f.kills for f in found)} to "
          f"{max(f.kills for f in found)} a round), {sum(f.effects for f in found):,} effects, {sum(f.repeated for f in found):,} of them "
          f"repeated since a kill fell before the store; {sum(f.carried_over for f in found):,} stored steps carried over a kill, "
          f"{sum(f.given_up for f in found)} jobs given up and put back")  # fmt: skip


if __name__ == "__main__":
    main()
