"""When a program may fork, and what its child finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..support import environment

pytestmark = pytest.mark.beside


def run(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


SLOW = """
import importlib.abc, importlib.machinery, os, signal, sys, threading, time
import litequeue

class Slow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == "litequeue.slow" else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        module.begun = True
        began.set()
        time.sleep(SECONDS if threading.current_thread() is thread else 0)
        module.whole = True

sys.meta_path.insert(0, Slow())
began = threading.Event()
thread = threading.Thread(target=__import__, args=("litequeue.slow",))
thread.start()
began.wait()
since = time.monotonic()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    import litequeue.slow
    os._exit(0 if litequeue.slow.whole else 1)
waited = time.monotonic() - since
print(os.waitpid(pid, 0)[1], "shortly" if waited < 1.7 else waited, thread.is_alive())
thread.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "is_still_at_it"), [(0.3, False), (4.0, True)])
def test_a_child_imports_anew_what_another_thread_was_at_for_long(tmp_path: Path, seconds: float, is_still_at_it: bool) -> None:
    assert run(SLOW.replace("SECONDS", str(seconds)), tmp_path) == f"0 shortly {is_still_at_it}\n"


def test_a_fork_does_not_keep_who_configures_logging_from_an_import(tmp_path: Path) -> None:
    """It held the import lock while it waited for logging's, and dictConfig has that while it imports: both hung."""
    said = run(
        """
import faulthandler, logging.config, os, threading
faulthandler.dump_traceback_later(20, exit=True)
import litequeue
began, go_on = threading.Event(), threading.Event()
def handler():
    began.set()
    go_on.wait(0.3)
    import xmlrpc.server
    return logging.NullHandler()
thread = threading.Thread(target=logging.config.dictConfig, args=({"version": 1, "handlers": {"h": {"()": handler}}, "root": {"handlers": ["h"]}},))
thread.start()
began.wait()
pid = os.fork()
if pid == 0:
    os._exit(0)
thread.join()
print(os.waitpid(pid, 0)[1])
""",
        tmp_path,
    )
    assert said == "0\n"


@pytest.mark.slow
def test_a_signals_handler_may_fork_wherever_it_interrupts(tmp_path: Path) -> None:
    """In the middle of the count it waited for its own thread, for ever."""
    said = run(
        """
import faulthandler, os, random, signal, time
faulthandler.dump_traceback_later(40, exit=True)
from litequeue import LiteQueue
from litequeue.base import forkguard
forkguard.PATIENCE = 0.001
app = LiteQueue("db.sqlite")
forks = 0
def fork(number, frame):
    global forks
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    forks += 1
    again()
def again():
    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.002))
app.stats()
signal.signal(signal.SIGALRM, fork)
again()
until = time.monotonic() + 3
while time.monotonic() < until:
    for _ in range(2000):
        forkguard.enter()
        forkguard.leave()
signal.setitimer(signal.ITIMER_REAL, 0)
print(forks > 50)
""",
        tmp_path,
    )
    assert said == "True\n"
