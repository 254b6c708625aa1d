"""What a job's handle shows of what the job itself has left."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from litequeue import JobFailed, LiteQueue, current_job
from litequeue.base.models import Said

from .support import wait_until

pytestmark = pytest.mark.beside

SITE = """
import asyncio, itertools, os, time
from litequeue import LiteQueue, current_job
app = LiteQueue({db!r})

def rows():
    # Without an end until somebody has seen the first.
    for number in itertools.count():
        yield number
        if os.path.exists("seen") and number > 4:
            return

def work():
    job = current_job()
    job.meta["file"] = "a.csv"
    for number in job.track(rows(), total=1000, note="rows"):
        time.sleep(0.05)
    job.progress(1000, 1000, "done")
    job.meta["rows"] = 8

@app.task
def in_thread(): work()

@app.task(pool="process")
def in_process(): work()

@app.task
async def in_coroutine():
    job = current_job()
    job.meta["file"] = "a.csv"
    for number in job.track(rows(), total=1000, note="rows"):
        await asyncio.sleep(0.05)
    job.progress(1000, 1000, "done")
    job.meta["rows"] = 8
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["in_thread", "in_process", "in_coroutine"])
def test_a_job_is_followed_in_all_three_pools(kind: str, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site_rows.py").write_text(SITE.format(db=str(db)))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import site_rows  # type: ignore[import-not-found]

    found = []
    with site_rows.app.worker():
        job = getattr(site_rows, kind).delay()
        for progress in job.follow():
            found.append(progress)
            if progress.done and job.state == "running":
                assert (progress.note, job.meta) == ("rows", {"file": "a.csv"}) and progress.speed and progress.left
                (tmp_path / "seen").touch()
    site_rows.app.close()
    del sys.modules["site_rows"]
    assert (tmp_path / "seen").exists(), "while it ran"
    assert (found[-1].done, found[-1].total, found[-1].note, found[-1].share, found[-1].left) == (1000, 1000, "done", 1.0, 0)
    assert job.meta == {"file": "a.csv", "rows": 8} and job.progress() == found[-1]


@pytest.mark.slow
def test_a_loop_follows_while_it_does_other_things_and_a_failure_ends_it(app: LiteQueue) -> None:
    go_on = threading.Event()

    @app.task(name="fails")
    def fails() -> None:
        current_job().progress(1, 3)
        go_on.wait(10)
        current_job().progress(2, 3)
        raise ValueError("no")

    async def main() -> list[float]:
        job, found = fails.delay(), []
        async for progress in job.follow():
            found.append(progress.done)
            go_on.set()
        with pytest.raises(JobFailed):
            await job
        return found

    with app.worker():
        assert asyncio.run(main()) == [1, 2]


def keep(app: LiteQueue, said: dict[int, Said]) -> None:
    app._client.store.jobs.turn(1, 10**15, 10**15, said=said)


def said(job: int, execution: int, text: str | None, meta: str | None = None) -> dict[int, Said]:
    return {job: Said(job, execution, 10**15, text, meta)}


def test_the_last_attempts_word_counts_and_a_job_that_is_gone_has_none(app: LiteQueue) -> None:
    job = app.task(name="t")(lambda: 0).delay()
    assert job.progress() is None and job.meta == {}
    keep(app, said(job.id, 2, "[5, 10, null, 2.5]", '{"a": 1}'))
    keep(app, {**said(job.id, 1, "[9, 10, null, null]"), **said(777, 1, "[1, 2, null, null]")})
    found = job.progress()
    assert found is not None and (found.done, found.total, found.speed, found.left, found.attempt) == (5, 10, 2.5, 2.0, 2)
    assert job.meta == {"a": 1}
    with contextlib.closing(sqlite3.connect(app.path)) as connection:
        assert connection.execute("SELECT count(*) FROM litequeue_progress").fetchone() == (1,)


def test_what_is_shown_goes_with_its_job(app: LiteQueue) -> None:
    job = app.task(name="t")(lambda: 0).delay()
    keep(app, said(job.id, 1, "[1, 2, null, null]"))
    job.cancel()
    app._client.store.operations.prune(10**17, 1.0)
    with contextlib.closing(sqlite3.connect(app.path)) as connection:
        assert connection.execute("SELECT count(*) FROM litequeue_progress").fetchone() == (0,)


@pytest.mark.parametrize("text", ["", "nope", "[]", "[1, 2]", "{}", "null", "[null, 1, null, 1]", '["x", 1, 2, 3]', "[-1, 1, null, 1]", "[NaN, 1, null, 1]", "[1e999, 1, 2, 3]"])
def test_what_somebody_else_has_planted_is_no_progress(app: LiteQueue, text: str) -> None:
    job = app.task(name="t")(lambda: 0).delay()
    keep(app, said(job.id, 1, text, text))
    assert job.progress() is None
    if text in ("[]", "null", "{}"):
        assert job.meta == {}


def test_what_nobody_follows_costs_a_job_no_thread(app: LiteQueue) -> None:
    job = app.task(name="t")(lambda: threading.active_count()).delay()
    with app.worker(threads=1):
        job.get(timeout=10)
        assert not any(thread.name == "litequeue-progress" for thread in threading.enumerate())


@pytest.mark.slow
def test_a_job_that_is_stored_twice_a_second_is_written_no_more_often(app: LiteQueue) -> None:
    @app.task(name="busy")
    def busy() -> None:
        until = time.monotonic() + 1.6
        count = 0
        while time.monotonic() < until:
            current_job().progress(count := count + 1)

    job = busy.delay()
    seen: set[Any] = set()
    with app.worker():
        wait_until(lambda: seen.add(job.progress()) or job.done(), 20)
    assert 3 <= len({found.at for found in seen if found is not None}) <= 6
