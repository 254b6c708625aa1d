"""Programs with an executor that are killed in the middle of a ``map``: the next one goes on, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..support import environment, wait_until

pytestmark = [pytest.mark.beside, pytest.mark.slow]

PROGRAM = """
import sys, time
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

def item(n):
    with open("ran", "a") as file:
        file.write(f"{n}\\n")
    time.sleep(0.01)
    return n

if __name__ == "__main__":
    how, slots = sys.argv[1:]
    with app.executor(**{slots: 2}, tasks=[item] if how == "resume" else ()) as pool:
        if how == "map":
            print(sum(pool.map(item, range(200))))
        else:
            print(*(future.result() for future in pool.resumed))
"""


@pytest.mark.parametrize("slots", ["threads", "processes"])
def test_killed_twice_in_the_middle_of_a_map_and_resumed_nothing_is_lost(tmp_path: Path, slots: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    ran = tmp_path / "ran"

    def start(how: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "program.py", how, slots], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True)

    def lines() -> list[int]:
        return [int(line) for line in ran.read_text().split()] if ran.exists() else []

    for how, enough in (("map", 30), ("resume", 100)):
        with start(how) as program:
            wait_until(lambda: len(lines()) >= enough, 30)  # noqa: B023
            os.kill(program.pid, signal.SIGKILL)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        left = {job.id for job in app.jobs(limit=1000) if job.state != "succeeded"}
        assert 0 < len(left) < 200 and len(app.jobs(limit=1000)) == 200
        with start("resume") as program:
            output = program.communicate(timeout=60)[0]
        assert program.returncode == 0
        assert set(lines()) == set(range(200))
        assert len(lines()) - 200 <= 2 * 10, "what ran when it was killed, or had ended and was not written yet"
        assert {job.state for job in app.jobs(limit=1000)} == {"succeeded"}
        assert sorted(app.job(job.id).get() for job in app.jobs(limit=1000)) == list(range(200))
        assert [int(n) for n in output.split()] == [app.job(job).get() for job in sorted(left)]
