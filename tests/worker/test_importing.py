"""A module that takes long to import, or for ever, holds up its own jobs and nobody else's."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from litequeue import JobFailed, LiteQueue, UnknownTask
from litequeue.base.models import TaskOrigin
from litequeue.tasks.finding import locate
from litequeue.worker.importing import Importer

from ..prepared import litequeue, worker_process
from ..support import environment, wait_until

pytestmark = pytest.mark.beside


class Hours:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hours:
    return Hours()


def test_what_is_asked_for_comes_when_it_is_ready(clock: Hours) -> None:
    ended, gate = threading.Event(), threading.Event()
    importer = Importer(ended.set, clock)

    def work() -> str:
        gate.wait(10)
        return threading.current_thread().name

    assert importer.ask("a", work) is None
    assert importer.ask("a", work) is None and importer.asked == ["a"]
    gate.set()
    assert ended.wait(5)
    assert importer.asked == []
    assert importer.ask("a", work) == "litequeue-import"
    assert importer.wait("a", work) == "litequeue-import", "asked for again it is done again"


@pytest.mark.parametrize("error", [UnknownTask("none"), SystemExit(3), KeyError("x")], ids=repr)
def test_what_it_raises_is_raised_where_it_was_asked_for(clock: Hours, error: BaseException) -> None:
    importer = Importer(lambda: None, clock)

    def work() -> str:
        raise error

    with pytest.raises(UnknownTask if isinstance(error, SystemExit) else type(error)):
        importer.wait("a", work)
    assert importer.wait("b", lambda: 5) == 5


def test_one_that_never_ends_is_given_up_for_now_and_the_others_go_on(clock: Hours) -> None:
    gate = threading.Event()
    importer = Importer(lambda: None, clock, deadline=30)
    assert importer.ask("hangs", lambda: gate.wait(20)) is None
    assert importer.ask("waits", lambda: "came") is None
    assert importer.late() == []
    clock.now = 1.5
    assert importer.late() == []
    assert importer.wait("waits", lambda: "came") == "came"
    clock.now = 31
    assert importer.late() == ["hangs"]
    with pytest.raises(UnknownTask, match="more than 30 s"):
        importer.ask("hangs", lambda: None)
    assert importer.asked == ["hangs"]
    gate.set()
    wait_until(lambda: importer.asked == [])
    assert importer.ask("hangs", lambda: None) is True, "when it has ended after all, it is there"


def test_many_are_imported_one_after_another(clock: Hours) -> None:
    at_once, most = 0, 0
    importer = Importer(lambda: None, clock)

    def work() -> bool:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.002)
        at_once -= 1
        return True

    keys = [str(number) for number in range(20)]
    for key in keys:
        importer.ask(key, work)
    assert [importer.wait(key, work) for key in keys] == [True] * 20
    assert most == 1


TASKS = """
import time
from litequeue import LiteQueue
app = LiteQueue("db.sqlite")
@app.task(retries=0)
def f(n=1):
    return n
@app.task(timeout=0.3)
def spins():
    while True:
        pass
"""
SLOW = """
import os, time
while not os.path.exists("go on"):
    time.sleep(0.01)
""" + TASKS


def enqueue(folder: Path, *calls: str) -> None:
    for call in calls:
        code = f"import sys, {call.partition('.')[0]} as m; print({call.replace(call.partition('.')[0], 'm', 1)}.id)"
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), check=True, capture_output=True)


@pytest.mark.slow
def test_while_a_module_is_imported_all_else_goes_on_and_a_stop_is_obeyed(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text(TASKS)
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "go on").touch()
    enqueue(tmp_path, "slow.f.delay(1)", "quick.f.delay(2)", "quick.spins.delay()")
    (tmp_path / "go on").unlink()
    db = tmp_path / "db.sqlite"
    with LiteQueue(db) as app, worker_process(db, cwd=tmp_path) as worker:
        assert app.job(2).get(timeout=20) == 2
        with pytest.raises(JobFailed, match="TimedOut|timeout"):
            app.job(3).get(timeout=20)
        assert app.job(1).state == "available"
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert time.monotonic() - began < 5
    (tmp_path / "go on").touch()
    with LiteQueue(db) as app, worker_process(db, cwd=tmp_path):
        assert app.job(1).get(timeout=20) == 1


@pytest.mark.slow
def test_a_burst_waits_for_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(TASKS.replace("import time", "import time; time.sleep(0.5)"))
    enqueue(tmp_path, "slow.f.delay(1)")
    with LiteQueue(tmp_path / "db.sqlite") as app:
        command = [sys.executable, "-m", "litequeue", "worker", "db.sqlite", "--burst"]
        subprocess.run(command, cwd=tmp_path, env=environment(), check=True, capture_output=True, timeout=30)
        assert app.job(1).state == "succeeded"


@pytest.mark.slow
def test_a_module_that_wants_the_main_thread_is_imported_there(tmp_path: Path) -> None:
    (tmp_path / "wants.py").write_text("import signal; signal.signal(signal.SIGUSR1, signal.SIG_DFL)\n" + TASKS)
    enqueue(tmp_path, "wants.f.delay(7)")
    with LiteQueue(tmp_path / "db.sqlite") as app, worker_process(tmp_path / "db.sqlite", cwd=tmp_path):
        assert app.job(1).get(timeout=20) == 7


UNGUARDED = """
from litequeue import LiteQueue
app = LiteQueue("db.sqlite")

@app.task(pool={pool!r})
def charge(amount):
    return amount

{what}
"""


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--import", "shop")], ids=["found", "imported"])
@pytest.mark.parametrize(
    ("pool", "what"), [("thread", "charge.delay(4)"), ("process", "charge.delay(4)"), ("thread", "app.send_task('shop.charge', (4,))")]
)
def test_what_a_module_enqueues_when_a_worker_imports_it_is_refused_and_not_done_again(
    tmp_path: Path, pool: str, what: str, flags: tuple[str, ...]
) -> None:
    """The script had enqueued it already: a customer was charged twice, and with processes four times."""
    (tmp_path / "shop.py").write_text(UNGUARDED.format(pool=pool, what=what))
    subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, env=environment(), check=True)
    done = litequeue("worker", "db.sqlite", "--burst", *flags, cwd=tmp_path)
    assert done.returncode == (2 if flags else 0)
    assert 'put what enqueues, waits or starts workers into an if __name__ == "__main__": block (line 9 of ' in done.stderr
    assert f"(line 9 of {tmp_path / 'shop.py'})" in done.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert app.stats().states == {"available": 1}


@pytest.mark.slow
@pytest.mark.parametrize("what", ["app.worker().start()", "app.run_worker()"])
def test_a_worker_that_a_module_starts_when_a_worker_imports_it_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "shop.py").write_text(UNGUARDED.format(pool="thread", what=what))
    done = litequeue("worker", "db.sqlite", "--burst", "--import", "shop", cwd=tmp_path)
    assert done.returncode == 2 and 'into an if __name__ == "__main__": block' in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        ("import nosuchmod", "shop", "ModuleNotFoundError: No module named 'nosuchmod' (line 1 of {}/shop/__init__.py)"),
        ("import json\n\njson.loads('[')", "shop", "(line 3 of {}/shop/__init__.py)"),
        ("def", "shop", "SyntaxError: invalid syntax (__init__.py, line 1)"),
        ("from . import nothing", "shop/__init__.py", "no known parent package"),
    ],
)
def test_an_import_that_fails_says_in_which_line(tmp_path: Path, text: str, words: str, says: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text(text)
    done = litequeue("worker", "db.sqlite", "--import", words, cwd=tmp_path)
    assert done.returncode == 2
    assert says.format(tmp_path) in done.stderr
    assert ("as in --import package.module" in done.stderr) == ("parent package" in says)


@pytest.mark.parametrize("name", ["shop", "./shop.py"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import sys\n\nsys.exit(0)", "SystemExit: 0 (line 3 of {})"),  # as long as the next, it was found compiled where that stood a moment later
        ("import sys\nsys.exit(3)", "SystemExit: 3 (line 2 of {})"),
        ("raise SystemExit", "SystemExit (line 1 of {})"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt (line 1 of {})"),
        ("import argparse\n\nargparse.ArgumentParser().parse_args()", "SystemExit: 2 (line 3 of {})"),
    ],
)
def test_a_module_that_ends_itself_is_told_of_as_one_that_fails(tmp_path: Path, text: str, says: str, name: str) -> None:
    """The worker ended with its code and without a word: 0, or 3, which a damaged file has."""
    (tmp_path / "shop.py").write_text(text)
    done = litequeue("worker", "db.sqlite", "--import", name, cwd=tmp_path)
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"litequeue: --import {name}: ") and says.format(tmp_path / "shop.py") in said
    assert said.endswith('into an if __name__ == "__main__": block')


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nosuch", "No module named 'nosuch'; it is not in {}, in PYTHONPATH or among what is installed"),
        ("shop.nosuch", "No module named 'shop.nosuch'; it is not in {}, in PYTHONPATH or among what is installed"),
        ("./nosuch.py", "there is no file {}/nosuch.py"),
        ("{}/shop", "it is a directory: name a file, or a package as import does"),
        ("shop/", "it is a directory: name a file, or a package as import does"),
    ],
)
def test_what_is_not_there_to_be_imported_is_told_with_where_it_was_looked_for(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    done = litequeue("worker", "db.sqlite", "--import", name.format(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(says.format(tmp_path)), done.stderr


def test_ctrl_c_ends_an_import(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import os, time\nos.mkdir('here')\ntime.sleep(60)")  # no file, in whose end a KeyboardInterrupt is lost
    with worker_process(Path("db.sqlite"), "--import", "shop", cwd=tmp_path, wait=False) as worker:
        wait_until(lambda: (tmp_path / "here").exists(), what="the import is under way")
        worker.send_signal(signal.SIGINT)
        assert worker.wait(10) == 130


def test_a_task_that_another_kind_of_worker_runs_is_not_imported(tmp_path: Path) -> None:
    """As a bridge records it, of code that is none without a framework that is set up."""
    (tmp_path / "framed.py").write_text("raise SystemExit('imported')")
    origin = TaskOrigin("framed.run", "framed", "run", str(tmp_path), '{"run_by": "python manage.py litequeue worker"}')
    with pytest.raises(UnknownTask, match=r"framed.run is run by another worker than this: python manage.py litequeue worker; its code is in "):
        locate(origin)
