"""Programs whose main thread has ended while another goes on: an embedded worker goes on as far as Python lets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..support import environment

pytestmark = [pytest.mark.beside, pytest.mark.slow]

PROGRAM = """
import asyncio, concurrent.futures, sys, threading, time
from litequeue import LiteQueue, ResultTimeout

app = LiteQueue("db.sqlite")

@app.task(retries=0)
def in_a_thread(n):
    return n

@app.task(retries=0)
async def in_a_coroutine(n):
    return await asyncio.to_thread(int, n)

@app.task(retries=0)
def with_an_executor(n):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(int, n).result()

@app.task(pool="process", retries=0)
def in_a_process(n):
    return n

def go_on():
    threading.main_thread().join()
    time.sleep(0.2)
    for job in (in_a_thread.delay(1), in_a_thread.delay(2)):
        print(job.get(timeout=10), flush=True)
    others = [in_a_coroutine.delay(3), with_an_executor.delay(4), in_a_process.delay(5)]
    time.sleep(1)
    print(in_a_thread.delay(6).get(timeout=10), flush=True)
    print(sorted({job.state for job in others} - {"available", "running"}), flush=True)

if __name__ == "__main__":
    app.worker(threads=2, processes=1).start()
    if sys.argv[1:] == ["warm"]:
        print(in_a_process.delay(0).get(timeout=20), in_a_coroutine.delay(0).get(timeout=20))
    threading.Thread(target=go_on).start()
"""


@pytest.mark.parametrize("warm", [[], ["warm"]], ids=str)
def test_threads_go_on_and_what_cannot_is_left_to_others(tmp_path: Path, warm: list[str]) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py", *warm], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    if sys.version_info[:2] == (3, 12):  # where nobody starts a thread any more: all is left to others, and nothing breaks
        assert done.stdout.splitlines() == (["0 0"] if warm else []), done.stderr
        assert "ResultTimeout" in done.stderr and "WorkerFailed" not in done.stderr
    else:
        assert done.stdout.splitlines() == [*(["0 0"] if warm else []), "1", "2", "6", "[]"], done.stderr
    assert done.returncode == 0
    with LiteQueue(tmp_path / "db.sqlite") as app:
        left = [info for info in app.jobs(limit=100) if info.state != "succeeded"]
        assert {info.failures for info in left} <= {0}
    code = "import program\nwith program.app.worker(burst=True, threads=2, processes=1) as worker: worker.join(30)\nprint(program.app.stats().states)"
    rest = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert set(eval(rest.stdout)) == {"succeeded"}, rest.stdout + rest.stderr
