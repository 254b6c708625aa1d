"""A pool's processes load code by themselves: what they lack is waited for, and what is named they import too."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from litequeue import LiteQueue
from litequeue.base.outcomes import NotStarted, Succeeded
from litequeue.worker import lacking

from ..pools.test_contract import Harness
from ..support import environment, wait_until, worker_process
from .test_parts import write_module

pytestmark = [pytest.mark.slow, pytest.mark.paired]

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
    monkeypatch.setattr(lacking, "RETRY_SECONDS", 0.5)
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


SLOW = """
import multiprocessing, os, time
from litequeue import LiteQueue

app = LiteQueue({db!r})

if multiprocessing.parent_process() is not None:
    {there}

@app.task(pool="process")
def works():
    return 1
"""


@pytest.fixture
def one_process() -> Iterator[Harness]:
    made = Harness("process", 1, import_seconds=2.0)
    yield made
    made.pool.stop()


def module(folder: Path, name: str, text: str) -> ModuleType:
    write_module(folder, name, text)
    return importlib.import_module(name)


@pytest.mark.parametrize(
    ("kind", "there", "why"),
    [
        ("hangs", "time.sleep(60)", "importing its module has taken more than 2 s"),
        ("exits", "os._exit(3)", "importing its module ended that: exit code 3"),
        ("raises", "raise ValueError('not here')", "ValueError: not here"),
    ],
)
def test_code_that_only_the_pools_process_cannot_import_is_lacking_there_and_no_call_has_begun(
    one_process: Harness, tmp_path: Path, db: Path, monkeypatch: pytest.MonkeyPatch, kind: str, there: str, why: str
) -> None:
    """The job ran for ever, and nobody said so; or it was charged for what its module did."""
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = module(tmp_path, f"it_{kind}", SLOW.format(db=str(db), there=there))
    whole = module(tmp_path, f"beside_what_{kind}", SLOW.format(db=str(db), there="pass"))
    outcome = one_process.run(broken.works, timeout=60_000_000)
    assert isinstance(outcome, NotStarted) and why in str(outcome.no_code), outcome
    assert str(outcome.no_code).startswith("in the pool's process: ")
    assert not one_process.begun, "its timeout has not begun"
    assert one_process.run(whole.works) == Succeeded("1")


def test_a_timeout_begins_when_the_import_has_ended(
    one_process: Harness, tmp_path: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    slow = module(tmp_path, "imports_slowly", SLOW.format(db=str(db), there="time.sleep(0.5)"))
    call = one_process.call(slow.works, timeout=60_000_000)
    one_process.pool.submit([call])
    wait_until(lambda: (one_process.pool.tend(), one_process.pool._slots[0].loading)[1])  # type: ignore[attr-defined]
    assert not one_process.begun
    assert one_process.result(call) == Succeeded("1")
    assert one_process.begun == [call.job.id]


def test_a_module_that_was_loaded_anew_is_loaded_anew_in_the_pools_processes(
    one_process: Harness, tmp_path: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They kept what it was."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    changing = module(tmp_path, "changing", SLOW.format(db=str(db), there="pass"))
    assert one_process.run(changing.works) == Succeeded("1")
    write_module(tmp_path, "changing", SLOW.format(db=str(db), there="pass").replace("return 1", "return 22"))
    importlib.reload(changing)
    assert one_process.run(changing.works) == Succeeded("22")


HANGS = """
import multiprocessing, time
if multiprocessing.current_process().name != "MainProcess":
    time.sleep(60)
from litequeue import LiteQueue
from litequeue.pools.processes import ProcessPool
ProcessPool.__init__.__kwdefaults__["import_seconds"] = 1.0
app = LiteQueue("db.sqlite")

@app.task(pool="process")
def works():
    return 1

if __name__ == "__main__":
    with app.worker(processes=1):
        job = works.delay()
        while "in the pool's process" not in str(job.why_waiting()):
            time.sleep(0.01)
        print(job.state, job.info().failures, job.why_waiting())
"""


def test_a_program_that_hangs_where_it_is_imported_is_named_as_the_reason(tmp_path: Path) -> None:
    """A process that starts imports the program's own file, and nobody waited for that with a clock in his hand."""
    (tmp_path / "script.py").write_text(HANGS)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("available 0 "), done.stderr
    assert f"it has not started within 1 s; it imports {tmp_path / 'script.py'}" in done.stdout
