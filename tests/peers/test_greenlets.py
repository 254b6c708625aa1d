"""gevent and eventlet, which replace the threads of a process: never those of a worker's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..prepared import worker_process
from ..support import environment, wait_until
from . import peer

pytestmark = [pytest.mark.beside, pytest.mark.slow]

TASK = "from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task\ndef f(n=1):\n    return n\n"
PATCHES = {
    "from gevent import monkey; monkey.patch_all()\n": "gevent.monkey.patch_all()",
    "from gevent.monkey import patch_all\npatch_all()\n": "gevent.monkey.patch_all()",
    "import eventlet\neventlet.monkey_patch()\n": "eventlet.monkey_patch()",
    "from eventlet.patcher import monkey_patch\nmonkey_patch()\n": "eventlet.monkey_patch()",
}


@pytest.fixture(params=PATCHES, ids=lambda patch: patch.split("\n")[0])
def patch(request: pytest.FixtureRequest) -> str:
    peer("gevent" if "gevent" in request.param else "eventlet")
    return str(request.param)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False)


def test_a_module_that_patches_is_reported_and_harms_nobody(tmp_path: Path, patch: str) -> None:
    for name in ("patches", "plain"):
        (tmp_path / f"{name}.py").write_text(TASK)
        assert run(tmp_path, "-c", f"import {name}; {name}.f.delay(7)").returncode == 0
    (tmp_path / "patches.py").write_text(patch + TASK)
    with LiteQueue(tmp_path / "db.sqlite") as app, worker_process(tmp_path / "db.sqlite", cwd=tmp_path) as worker:
        assert app.job(2).get(timeout=20) == 7
        wait_until(lambda: f"{PATCHES[patch]} would replace the threads and sockets" in str(app.job(1).why_waiting()), 15)
        worker.terminate()
        assert worker.wait(10) == 0


def test_a_worker_that_imports_it_does_not_start(tmp_path: Path, patch: str) -> None:
    (tmp_path / "patches.py").write_text(patch + TASK)
    done = run(tmp_path, "-m", "litequeue", "worker", "db.sqlite", "--burst", "--import", "patches")
    assert done.returncode == 2 and f"{PATCHES[patch]} would replace the threads and sockets" in done.stderr


def test_a_program_that_has_patched_starts_no_worker_and_may_enqueue(tmp_path: Path, patch: str) -> None:
    (tmp_path / "patched.py").write_text(patch + TASK + "print(f.delay(3).id)\napp.worker()\n")
    done = run(tmp_path, "patched.py")
    assert done.stdout == "1\n" and "here that has been done already" in done.stderr


@pytest.mark.parametrize("modules", ["gevent, gevent.monkey", "eventlet, eventlet.patcher"])
def test_they_may_be_imported(tmp_path: Path, modules: str) -> None:
    peer(modules.partition(",")[0])
    (tmp_path / "uses.py").write_text(f"import {modules}\n" + TASK)
    done = run(tmp_path, "-c", "import uses\njob = uses.f.delay(5)\nwith uses.app.worker(threads=1): print(job.get(timeout=20))")
    assert done.stdout == "5\n", done.stderr
