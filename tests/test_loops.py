"""An app in an event loop, and waiting for several jobs at once."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    JobNotFound,
    LiteQueue,
    ResultTimeout,
    WouldDeadlock,
)
from litequeue.job import Job

from .faults import hog_of_sqlite, hog_of_the_gate


@pytest.fixture
def nap(app: LiteQueue) -> Any:
    @app.task(name="nap")
    def nap(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    return nap


@pytest.mark.beside
def test_jobs_come_as_they_end_however_they_end(app: LiteQueue, nap: Any) -> None:
    @app.task(name="fails")
    def fails() -> None:
        raise ValueError

    slow, quick, failed, gone = nap.delay(0.4), nap.delay(0.15), fails.delay(), nap.apply_async((0,), countdown=60)
    gone.cancel()
    with app.worker(threads=4):
        found = list(app.as_completed([slow, quick, failed, gone, quick], timeout=20))
    assert found == [gone, failed, quick, slow], "what had ended before first, and each once"
    assert list(app.as_completed(found, timeout=0)) == found
    assert list(app.as_completed([])) == []


@pytest.mark.beside
def test_a_loop_takes_them_too_and_goes_on_meanwhile(app: LiteQueue, nap: Any) -> None:
    async def main() -> tuple[list[float], list[float], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with app.worker(threads=4) as worker:
            assert worker.name
            jobs = [await nap.adelay(0.3), await app.aenqueue(nap, 0.1), await app.aenqueue("nap", 0.2)]
            came = [await job async for job in app.as_completed(jobs)]
            gathered = await asyncio.gather(*jobs)
        ticking.cancel()
        return came, gathered, ticks

    came, gathered, ticks = asyncio.run(main())
    assert came == [0.1, 0.2, 0.3] and gathered == [0.3, 0.1, 0.2] and ticks > 10


@pytest.mark.beside
def test_what_cannot_be_waited_for_is_said_at_once(app: LiteQueue, nap: Any, tmp_path: Path) -> None:
    job = nap.delay(0)
    with pytest.raises(InvalidType, match="as_completed takes jobs, not int: 5"):
        app.as_completed([job, 5])  # type: ignore[list-item]
    with LiteQueue(tmp_path / "other.sqlite") as other, pytest.raises(InvalidArgument, match="is a handle of"):
        other.as_completed([job])
    with pytest.raises(JobNotFound, match="there is no job 77"):
        list(app.as_completed([app.job(77)]))
    with pytest.raises(ResultTimeout, match=r"1 of 1 jobs have not ended after 0\.1 s"):
        list(app.as_completed([job], timeout=0.1))

    async def main() -> list[Any]:
        return [found async for found in app.as_completed([job], timeout=0.1)]

    with pytest.raises(ResultTimeout):
        asyncio.run(main())
    with app.transaction(), pytest.raises(WouldDeadlock, match="waiting for jobs inside of a transaction"):
        list(app.as_completed([job]))


@pytest.mark.slow
@pytest.mark.beside
def test_a_task_that_waits_for_several_lends_its_slot(app: LiteQueue, nap: Any) -> None:
    """Else nobody would run what it waits for."""

    @app.task(name="parent")
    def parent() -> list[float]:
        return [job.get() for job in app.as_completed([nap.delay(0.05) for _ in range(4)])]

    jobs = [parent.delay() for _ in range(3)]
    with app.worker(threads=1):
        assert [job.get(timeout=30) for job in jobs] == [[0.05] * 4] * 3


@pytest.mark.slow
@pytest.mark.parametrize("hog", [hog_of_the_gate, hog_of_sqlite])
def test_no_call_blocks_the_loop_while_another_writer_has_the_file(app: LiteQueue, nap: Any, db: Path, hog: Any) -> None:
    gaps: list[float] = []
    others: list[float] = []  # of a thread: what the machine is to blame for
    ended = threading.Event()
    early: list[Job[Any]] = []

    async def watch() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.002)
            last, now = time.monotonic(), last
            gaps.append(last - now)

    def watch_the_machine() -> None:
        last = time.monotonic()
        while not ended.wait(0.002):
            last, now = time.monotonic(), last
            others.append(last - now)

    async def followed(job: Job[Any]) -> None:
        assert [progress async for progress in job.follow()] == []

    async def locked(number: int) -> None:
        async with app.lock(f"lock {number}", timeout=10):
            await asyncio.sleep(0)

    async def completed(*jobs: Job[Any]) -> None:
        assert {done async for done in app.as_completed(jobs)} == set(jobs)

    async def embedded() -> None:
        async with app.worker(threads=1, name="another"):
            pass

    async def one(number: int) -> float:
        """All at once: none is begun only once another has waited for the file."""
        before = early.pop()
        job, other, flow, *_ = await asyncio.gather(
            nap.adelay(number / 1000), app.aenqueue("nap", 0), nap.s(0).adelay(), followed(before), completed(before), locked(number), embedded()
        )
        await asyncio.gather(flow, before, completed(job, other))
        found: float = await job
        return found

    async def main() -> None:
        watching = asyncio.create_task(watch())
        early.append(nap.delay(0))
        async with app.worker(threads=2):
            await one(0)  # all is imported
            early.extend([nap.delay(0.3) for _ in range(6)])
            holder = threading.Thread(target=hold)
            holder.start()
            while not held.is_set():
                await asyncio.sleep(0.01)
            gaps.clear()
            began = time.monotonic()
            assert await asyncio.gather(*(one(number) for number in range(6))) == [number / 1000 for number in range(6)]
            assert time.monotonic() - began > 1.0, "they had to wait"
            await asyncio.to_thread(holder.join)
        watching.cancel()

    held = threading.Event()

    def hold() -> None:
        with hog(db):
            held.set()
            time.sleep(3)

    machine = threading.Thread(target=watch_the_machine)
    machine.start()
    asyncio.run(main())
    ended.set()
    machine.join()
    assert max(gaps) < 0.05 + max(others), sorted(gaps)[-5:]
