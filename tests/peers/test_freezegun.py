"""freezegun puts a clock of its own into every module that has one: waits end all the same."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue, ResultTimeout

from ..support import environment

freezegun = pytest.importorskip("freezegun", reason="freezegun is not installed")


def test_a_wait_ends_while_time_stands_still(db: Path) -> None:
    with LiteQueue(db) as app:
        job = app.enqueue("t")
        began = time.perf_counter()
        with freezegun.freeze_time("2026-01-01"):
            assert time.monotonic() == time.monotonic()
            with pytest.raises(ResultTimeout):
                job.get(timeout=0.2)
            assert not job.wait(timeout=0.1)
        assert 0.25 < time.perf_counter() - began < 10


def test_a_worker_runs_jobs_and_gives_up_its_grace_while_time_stands_still(app: LiteQueue) -> None:
    add = app.task(name="add")(lambda x, y: x + y)
    with freezegun.freeze_time("2026-01-01"), app.worker(threads=1, grace=0.1):
        assert add.delay(4, 4).get(timeout=10) == 8


def test_a_wait_ends_where_litequeue_was_imported_while_time_stood_still(tmp_path: Path) -> None:
    code = (
        "import freezegun\nwith freezegun.freeze_time('2026-01-01'):\n    from litequeue import LiteQueue, ResultTimeout\n"
        "    try: LiteQueue('db.sqlite').enqueue('t').get(timeout=0.2)\n    except ResultTimeout: print('it ended')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "it ended\n", done.stderr
