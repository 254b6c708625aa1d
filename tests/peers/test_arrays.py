"""numpy in processes with bounds: its arrays count, what it reserves does not, and the threads that it computes in are as nice."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.tasks.bounds import Bounds

from ..support import environment
from . import peer

pytestmark = [pytest.mark.beside, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is kept on Linux")]

PROGRAM = """
import os
import numpy
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

@app.task(pool="process", memory="256M")
def ones(megabytes):
    return float(numpy.ones(megabytes << 17)[-1])

@app.task(pool="process", nice=5)
def threads():
    numpy.ones((500, 500)) @ numpy.ones((500, 500))
    return sorted({os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir("/proc/self/task")})

@app.task(pool="process", cpu_time=0.3)
def multiply():
    while True:
        numpy.ones((1000, 1000)) @ numpy.ones((1000, 1000))

if __name__ == "__main__":
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with app.worker(processes=1):
        jobs = [ones.delay(170), ones.delay(300), ones.delay(170), threads.delay(), multiply.delay()]
        for job in jobs:
            job.wait(timeout=30)
            print(job.info().last_error or (job.get() if job is not jobs[3] else [nice - own for nice in job.get()]))
"""


def test_its_numbers_are_bounds(app: LiteQueue) -> None:
    numpy = peer("numpy")
    task = app.task(pool="process", memory=numpy.int64(1 << 30), cpu_time=numpy.float64(1.5), nice=numpy.int8(3))(math.gcd)
    assert task._code.bounds == Bounds(1 << 30, 1_500_000, 3)


@pytest.mark.slow
def test_its_arrays_are_bound(tmp_path: Path) -> None:
    peer("numpy")
    (tmp_path / "tasks.py").write_text(PROGRAM)
    told = {**environment(), "OPENBLAS_NUM_THREADS": "4"}
    done = subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, env=told, capture_output=True, text=True, timeout=60, check=False)
    first, second, third, nice, last = done.stdout.splitlines()
    assert (first, third, nice, last) == ("1.0", "1.0", "[5]", "CpuTimeExceeded: cpu_time: more than 0.3 s"), done.stderr
    assert second.startswith("MemoryExceeded: memory: more than 256M, of which ") and "Unable to allocate 300. MiB" in second
