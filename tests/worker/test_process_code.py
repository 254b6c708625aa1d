"""A pool's processes load code by themselves: what they lack is waited for, and what is named they import too."""

from __future__ import annotations

from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.worker import discovery

from ..support import environment, wait_until, worker_process
from .test_parts import write_module

pytestmark = pytest.mark.slow

TASKS = """
from litequeue import LiteQueue

app = LiteQueue({db!r})
set_up = ""

@app.task(pool="process", retries=0)
def where():
    return set_up
"""


def test_half_a_deploy_costs_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: Path) -> None:
    """The worker has the module, and its processes cannot import what the module needs by now: discarded at once."""
    monkeypatch.setattr(discovery, "RETRY_SECONDS", 0.5)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_module(tmp_path, "half_deployed", TASKS.format(db=str(db)))
    import half_deployed  # type: ignore[import-not-found]

    app: LiteQueue = half_deployed.app
    whole = (tmp_path / "half_deployed.py").read_text()
    (tmp_path / "half_deployed.py").write_text("import comes_a_little_later")
    job = half_deployed.where.delay()
    with app, app.worker(processes=1, stale="run"):
        wait_until(lambda: "No module named 'comes_a_little_later'" in str(job.why_waiting()), 20)
        assert "in the pool's process" in str(job.why_waiting())
        assert (job.state, job.info().failures) == ("available", 0)
        (tmp_path / "half_deployed.py").write_text(whole)
        assert job.get(timeout=30) == ""
        assert job.info().failures == 0


def test_a_module_that_is_named_is_imported_in_the_pools_processes_too(tmp_path: Path, db: Path) -> None:
    """Django's setup(), say; and a module may choose how multiprocessing starts processes."""
    write_module(tmp_path, "deployed", TASKS.format(db=str(db)))
    write_module(
        tmp_path,
        "set_up",
        "import deployed, multiprocessing\n"
        "from deployed import app\n"
        "multiprocessing.set_start_method('fork')\n"
        "deployed.set_up = 'done'\n",
    )
    with LiteQueue(db) as app:
        app.stats()
    flags = ("--processes", 1, "--import", "deployed", "--import", "set_up")
    env = environment()
    env["PYTHONPATH"] += f":{tmp_path}"
    with worker_process(db, *flags, env=env), LiteQueue(db) as app:
        job = app.enqueue("deployed.where")
        assert job.get(timeout=30) == "done"
