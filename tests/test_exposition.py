"""Metrics as a collector reads them: the format, the numbers, and that counters never fall."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.history import BUCKETS, Counted
from litequeue.exposition import OTHER, exposition
from litequeue.store import history

from .older import rows
from .support import wait_until

pytestmark = pytest.mark.beside

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\n"])*",?)+)\})? (-?[0-9.e+-]+|NaN)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


def read(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """By name of the sample, and the values of its labels; each line must be as the format has it."""
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+|# EOF", line), line
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        labels = tuple(re.sub(r"\\(.)", r"\1", value) for _, value in LABEL.findall(match[2] or ""))
        assert labels not in found[match[1]], line
        found[match[1]][labels] = float(match[3])
    return found


@pytest.fixture
def worked(db: Path) -> Path:
    with LiteQueue(db) as app:

        @app.task(name="shop.pay", retries=1, backoff=0)
        def pay(fine: bool) -> None:
            if not fine:
                raise ValueError("no")

        for fine in (True, True, False):
            pay.delay(fine)
        app.run_worker(burst=True)
        pay.apply_async(args=(True,), queue="mail")
        pay.apply_async(args=(True,), countdown=3600)
        app.pause("mail")
        app.schedules.add("nightly", "shop.pay", args=(True,), every="1h")
        app.schedules.run_now("nightly")
    return db


def exposed(db: Path, *, openmetrics: bool = False) -> str:
    with LiteQueue(db) as app:
        return exposition(app._client.store, app._client.clock.now(), openmetrics=openmetrics)


def test_the_numbers_are_those_of_the_file(worked: Path) -> None:
    found = read(exposed(worked))
    assert found["litequeue_jobs"] == {("default", "available"): 1, ("default", "scheduled"): 1, ("mail", "available"): 1}
    assert found["litequeue_jobs_enqueued_total"] == {(): 6}
    assert found["litequeue_queue_paused"] == {("default",): 0, ("mail",): 1}
    ends = {labels[2]: value for labels, value in found["litequeue_jobs_finished_total"].items()}
    assert ends == {"succeeded": 2, "discarded": 1, "cancelled": 0, "expired": 0}
    outcomes = {labels[2]: value for labels, value in found["litequeue_attempts_total"].items()}
    assert outcomes == {"succeeded": 2, "failed": 1, "discarded": 1, "interrupted": 0, "released": 0, "snoozed": 0}
    assert found["litequeue_run_seconds_count"] == {("default", "shop.pay"): 4} and found["litequeue_wait_seconds_count"] == {("default",): 4}
    buckets = [value for labels, value in found["litequeue_run_seconds_bucket"].items()]
    assert len(buckets) == BUCKETS and buckets == sorted(buckets) and buckets[-1] == 4
    assert found["litequeue_ticks_total"] == {("nightly", "manual"): 1}
    assert set(found["litequeue_schedule_next_tick_timestamp_seconds"]) == {("nightly",)} and "litequeue_schedule_last_success_timestamp_seconds" not in found
    assert found["litequeue_file_bytes"][()] + found["litequeue_log_bytes"][()] > 100_000 and found["litequeue_untold_failures"] == {(): 0}
    with LiteQueue(worked) as app, app.worker(threads=3):
        wait_until(lambda: read(exposed(worked))["litequeue_slots"].get(("thread",)) == 3)
        assert read(exposed(worked))["litequeue_workers"][("well",)] == 1


def test_no_pruning_lowers_a_counter(worked: Path) -> None:
    before = read(exposed(worked))
    with LiteQueue(worked) as app:
        rows(worked, "UPDATE litequeue_jobs SET prune_at = 1 WHERE finished_at IS NOT NULL")
        app._client.store.operations.prune(app._client.clock.now(), 1.0)
        app._client.store.levels.prune(app._client.clock.now() + 500 * 86_400_000_000)
    after = read(exposed(worked))
    for name, samples in before.items():
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            assert after[name] == samples, name


def test_names_that_somebody_made_up_stay_inside_their_quotes(db: Path) -> None:
    names = ('a"} 1\nlitequeue_up 1', "back\\slash\\", "\u202eevil", "")
    with LiteQueue(db) as app:
        with app._client.store.database.write(durable=False) as connection:
            history.add(connection, [Counted(0, name, name, (1, *(0,) * 7)) for name in names])
        found = read(exposition(app._client.store, 0))
    tasks = {labels[1] for labels in found["litequeue_jobs_finished_total"]}
    assert tasks == {'a"} 1nlitequeue_up 1', "back\\slash\\", "\u202eevil", OTHER} and "litequeue_up" not in found


def test_more_pairs_than_are_counted_by_name_are_one_and_none_falls_out(db: Path) -> None:
    def ends(numbers: Iterable[int]) -> dict[tuple[str, ...], float]:
        with LiteQueue(db) as app:
            for number in numbers:
                with app._client.store.database.write(durable=False) as connection:
                    history.add(connection, [Counted(0, f"t{number}", "q", (1, *(0,) * 7))])
            return read(exposition(app._client.store, 0))["litequeue_jobs_finished_total"]

    first = ends(range(history.MOST_EVER))
    assert ("q", "t0", "succeeded") in first and (OTHER, OTHER, "succeeded") not in first
    more = ends([*range(history.MOST_EVER, history.MOST_EVER + 3), 0])
    assert more[OTHER, OTHER, "succeeded"] == 3 and more["q", "t0", "succeeded"] == 2
    assert all(more[labels] >= value for labels, value in first.items())


def test_openmetrics_has_its_own_names_and_an_end(worked: Path) -> None:
    text = exposed(worked, openmetrics=True)
    assert text.endswith("\n# EOF\n") and "# TYPE litequeue_jobs_enqueued counter\nlitequeue_jobs_enqueued_total 6\n" in text
    assert read(text)["litequeue_jobs_enqueued_total"] == {(): 6}


def test_a_success_is_told_as_soon_as_its_job_has_ended(worked: Path) -> None:
    """Its tick is closed when the schedule fires next: a nightly one would have been a day late."""
    with LiteQueue(worked) as app:
        app.task(name="shop.pay")(lambda fine: None)
        app.run_worker(burst=True)
        (tick,) = app.schedules.ticks("nightly")
        told = read(exposed(worked))["litequeue_schedule_last_success_timestamp_seconds"]
    assert tick.finished_at is not None and told == {("nightly",): pytest.approx(tick.finished_at.timestamp(), abs=0.001)}
    rows(worked, "UPDATE litequeue_jobs SET state = 'discarded' WHERE id = ?", tick.job_id)
    assert "litequeue_schedule_last_success_timestamp_seconds" not in read(exposed(worked))
