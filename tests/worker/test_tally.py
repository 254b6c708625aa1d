"""What a worker sums up of its attempts: as a plain count of them would have it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from litequeue.base.history import BOUNDS, ENDS, Counted
from litequeue.base.models import ClaimedJob, Lease, Settled, Unsettled
from litequeue.worker.tally import MOST, Tally

NOW = 1_750_000_020_000_000
MINUTE = 60_000_000


class Ticks:
    at = 0.0

    def __call__(self) -> float:
        return self.at


def job(number: int, task: str = "t", queue: str = "q", due: int = NOW, created: int = 0) -> ClaimedJob:
    return ClaimedJob(number, 1, 0, task, "[]", "{}", queue, "thread", 0, 0, 0, 1, None, None, 0, due, created, None)


def settled(number: int, started: int, took: int) -> Settled:
    return Settled(number, 1, started, started + took, "1", 0, None)


def unsettled(number: int, state: str, started: int | None, ended: int) -> Unsettled:
    return Unsettled(number, 1, state, started, None, None, None, 0, "E", "m", "", ended, 0)


def bucket(micros: int) -> int:
    return next((number for number, bound in enumerate(BOUNDS) if micros <= bound), len(BOUNDS))


@pytest.mark.parametrize("seed", range(6))
def test_the_sums_are_those_of_a_plain_count(seed: int) -> None:
    rng = random.Random(seed)
    ticks = Ticks()
    tally = Tally(ticks)
    ends: Counter[tuple[int, str, str, str]] = Counter()
    runs: Counter[tuple[str, str, int]] = Counter()
    waits: Counter[tuple[str, str, int]] = Counter()
    totals: Counter[str] = Counter()
    taken: list[Counted] = []
    for batch in range(40):
        now = NOW + batch * rng.choice((0, 1, 7)) * 1_000_000
        jobs = [job(n, rng.choice("ab" if batch % 2 else "a"), "q", NOW - rng.randrange(10 ** rng.randrange(1, 11)), NOW - 10**11) for n in range(rng.randrange(8))]
        rows = [settled(each.id, NOW, rng.randrange(10 ** rng.randrange(1, 11))) for each in jobs]
        lost = {Lease(each.id, 1) for each in jobs if rng.random() < 0.2}
        tally.succeeded(now, jobs, rows, lost)
        minute = now - now % MINUTE
        for each, row in zip(jobs, rows, strict=True):
            if Lease(each.id, 1) not in lost:
                ends[minute, each.task, "q", "succeeded"] += 1
                runs[each.task, "q", bucket(row.finished_at - row.started_at)] += 1
                waits[each.task, "q", bucket(NOW - each.run_at)] += 1
                totals["run"] += row.finished_at - row.started_at
                totals["wait"] += NOW - each.run_at
        state, end = rng.choice((("retrying", "failed"), ("discarded", "discarded"), ("scheduled", "snoozed"), ("available", "released"), ("cancelled", "cancelled")))
        tally.other(now, job(1), unsettled(1, state, NOW, NOW + 5))
        ends[minute, "t", "q", end] += 1
        if end in ("failed", "discarded", "cancelled"):
            runs["t", "q", 0] += 1
            waits["t", "q", 0] += 1
            totals["run"] += 5
        if rng.random() < 0.3:
            ticks.at += 2
            taken += tally.rows()
            tally.written()
    tally.is_urgent = True
    taken += tally.rows()
    found: Counter[tuple[int, str, str, str]] = Counter()
    for row_ in taken:
        for name, count in zip(ENDS, row_.ends, strict=True):
            found[row_.at, row_.task, row_.queue, name] += count
    assert +found == ends
    for name, by_bucket in (("runs", runs), ("waits", waits)):
        spread: Counter[tuple[str, str, int]] = Counter()
        for row_ in taken:
            spread.update({(row_.task, row_.queue, number): count for number, count in enumerate(getattr(row_, name))})
        assert +spread == by_bucket, name
    assert sum(row_.run_us for row_ in taken) == totals["run"] and sum(row_.wait_us for row_ in taken) == totals["wait"]


def test_it_is_due_a_second_after_it_was_written_and_at_once_before_the_end() -> None:
    ticks = Ticks()
    tally = Tally(ticks)
    assert not tally.is_due() and tally.due() == float("inf") and tally.rows() == ()
    tally.other(NOW, job(1), unsettled(1, "discarded", None, NOW))
    assert tally.is_due(), "the first"
    tally.written()
    tally.other(NOW, job(2), unsettled(2, "discarded", None, NOW))
    ticks.at = 0.9
    assert not tally.is_due() and tally.rows() == () and tally.due() == 1.0
    tally.is_urgent = True
    assert len(tally.rows()) == 1
    tally.is_urgent, ticks.at = False, 1.0
    assert len(tally.rows()) == 1


def test_more_pairs_than_are_counted_by_name_are_one_and_the_next_minute_begins_anew() -> None:
    tally = Tally(Ticks())
    for number in range(MOST + 5):
        tally.other(NOW, job(number, f"t{number}"), unsettled(number, "discarded", None, NOW))
    rows = tally.rows()
    assert len(rows) == MOST + 1
    assert [(row.task, row.queue, sum(row.ends)) for row in rows if not row.task] == [("", "", 5)]
    tally.other(NOW + MINUTE, job(1, f"t{MOST + 1}"), unsettled(1, "discarded", None, NOW))
    assert tally.rows()[-1].task == f"t{MOST + 1}"


def test_a_clock_that_was_set_back_counts_no_time() -> None:
    tally = Tally(Ticks())
    tally.succeeded(NOW, [job(1, due=NOW + 9_000_000)], [settled(1, NOW, -5_000_000)], ())
    (row,) = tally.rows()
    assert (row.run_us, row.wait_us, row.runs[0], row.waits[0]) == (0, 0, 1, 1)
