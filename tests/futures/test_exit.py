"""The end of a program that has not shut its executor down: as with the standard library's, what was submitted is done first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.futures import pending

from ..support import environment

pytestmark = pytest.mark.beside

PROGRAM = """
import sys, time
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

def say(n):
    time.sleep(0.05)
    print(f"{n}\\n", end="", flush=True)  # one write

if __name__ == "__main__":
    how, slots = sys.argv[1:]
    pool = app.executor(**{slots: 2}, tasks=[say] if how == "resume" else ())
    if how == "resume":
        for future in pool.resumed: future.result()
        sys.exit()
    for n in range(6): pool.submit(say, n)
    if how == "no wait": pool.shutdown(wait=False)
    if how == "raises": raise LookupError
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(PROGRAM)
    return subprocess.run([sys.executable, "program.py", *words], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "slots"), [("ends", "threads"), ("raises", "threads"), ("no wait", "processes")])
def test_what_was_submitted_is_done_before_a_program_ends(tmp_path: Path, how: str, slots: str) -> None:
    done = run(tmp_path, how, slots)
    printed = done.stdout.splitlines()
    if len(printed) < 6:  # as in the first releases of Python 3.12
        assert "starts no threads at its exit" in done.stderr and "is left in the queue; end an executor with shutdown()" in done.stderr
        printed += run(tmp_path, "resume", slots).stdout.splitlines()
    assert sorted(printed) == list("012345")
    assert done.returncode == (how == "raises")


def test_after_that_nothing_is_taken(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_exiting", True)
    with app.executor(threads=1) as pool, pytest.raises(RuntimeError, match="^cannot schedule new futures after interpreter shutdown$"):
        pool.submit(abs, -1)
