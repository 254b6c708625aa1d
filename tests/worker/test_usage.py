"""From the bounds of a task, and what its attempts used, to what the job shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from litequeue import AttemptInfo, JobFailed, LiteQueue
from litequeue.base.models import ClaimedJob, Settled, Unsettled, Used
from litequeue.base.outcomes import Succeeded, Timed, Usage
from litequeue.cli import main
from litequeue.pools.base import Call
from litequeue.store.turn import Demand
from litequeue.worker.outgoing import Outgoing

from ..pools import hungry

pytestmark = [pytest.mark.beside, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is kept on Linux")]


@pytest.fixture
def starving(db: Path) -> Iterator[LiteQueue]:
    hungry.app._client.bind(str(db))
    yield hungry.app
    hungry.app.close()


@pytest.mark.slow
def test_a_job_says_which_bound_ended_each_of_its_attempts_and_what_it_used(starving: LiteQueue) -> None:
    with starving.worker(processes=1, threads=0, async_=0):
        hog, burner, fine = hungry.eat.delay("bit by bit"), hungry.burn.delay("in C"), hungry.use.delay("computes", 0.1, 40)
        with pytest.raises(JobFailed, match="MemoryExceeded: memory: more than 128M, of which its process had ") as caught:
            hog.get(timeout=30)
        assert caught.value.type == "MemoryExceeded"
        with pytest.raises(JobFailed, match=r"CpuTimeExceeded: cpu_time: more than 0\.4 s"):
            burner.get(timeout=30)
        fine.get(timeout=30)
    info = hog.info()
    assert (info.state, info.failures, info.interruptions) == ("discarded", 2, 0), "retried, as any failure, and no death of a worker"
    assert len(info.attempts) == 2
    for attempt in info.attempts:
        assert attempt.error_type == "MemoryExceeded"
        assert attempt.max_rss_bytes is not None and 110 << 20 < attempt.max_rss_bytes < 140 << 20
        assert attempt.cpu_seconds is not None and attempt.cpu_seconds > 0.01
    assert burner.info().attempts[0].cpu_seconds == 0.4
    assert (fine.info().cpu_seconds or 0) > 0.03 and (fine.info().max_rss_bytes or 0) > 50 << 20 and not fine.info().attempts


def test_what_was_used_is_written_once(app: LiteQueue) -> None:
    code = app.task(name="t")(lambda: 0)._code
    job = ClaimedJob(7, 3, 1, "t", "[]", "{}", "q", "thread", 0, 0, 0, 1, None, None, 0, 0, 0, None)
    outgoing = Outgoing(lambda: 0.0)
    for usage in (None, Usage(1.5, 9)):
        outgoing.end(Call(job, code, 1, None, None, ""), Timed(Succeeded("1"), 1, 1.0, usage), Settled(7, 3, 1, 1, "1", 1, None), 1)
    assert outgoing.used == [Used(7, 2, 1_500_000, 9)]
    outgoing.written(0, ())
    assert not outgoing.used


def test_job_shows_what_was_used(app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = app.task(name="t")(lambda: 0).delay()
    assert main(["job", str(db), str(job.id)]) == 0 and "\nused " not in capsys.readouterr().out
    jobs, now, everything = app._client.store.jobs, 10**15, Demand({"thread": 1})
    jobs.turn(1, 2 * now, 2 * now, demand=everything)
    failed = Unsettled(job.id, 1, "retrying", now, None, now, None, 1, "E", "m", "", now, 0)
    jobs.turn(1, 2 * now, 2 * now, others=[failed], used=[Used(job.id, 1, 64_500_000, 536_870_912)], demand=everything)
    jobs.turn(1, now, now, succeeded=[Settled(job.id, 2, now, now, "1", 3 * now, None)], used=[Used(job.id, 2, 4_500_000, None)])
    assert main(["job", str(db), str(job.id)]) == 0
    out = capsys.readouterr().out
    ended = datetime.fromtimestamp(now / 1e6, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    assert "\nused          4.5 s of CPU\n" in out
    assert f"\nattempt 1 failed, {ended}, 64.5 s of CPU, peak 536.9 MB\n" in out
    assert main(["job", str(db), str(job.id), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cpu_seconds"], found["max_rss_bytes"]) == (4.5, None)
    assert {"cpu_seconds", "max_rss_bytes"} <= set(AttemptInfo.__dataclass_fields__) & found["attempts"][0].keys()
