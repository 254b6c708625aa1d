"""The README's code runs as it stands, and what it says of options and commands is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli import parser
from litequeue.tasks import check_options

from .support import ROOT, environment, litequeue, worker_process

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_the_first_example_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(BLOCKS[0])
    with worker_process(Path("db.sqlite"), cwd=tmp_path, wait=False):
        done = subprocess.run(
            [sys.executable, "tasks.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True,
            timeout=30, check=False,
        )  # fmt: skip
    assert (done.stdout, done.stderr) == ("8\n", "")


def test_the_other_examples_run_together(tmp_path: Path) -> None:
    steering, embedded = BLOCKS[1], BLOCKS[2]
    extra = """
        for path in ("missing", "unfinished", "locked"):
            try:
                print(import_file.delay(path).get(timeout=10))
            except Exception as error:
                print(error)
"""
    script = tmp_path / "script.py"
    script.write_text(steering + embedded + extra)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "imported prices.csv at attempt 1", "job 2 failed: Discard: there is no such file",
        "imported unfinished at attempt 2", "imported locked at attempt 3",
    ], done.stderr  # fmt: skip


def test_the_table_of_options_is_complete() -> None:
    table = README.split("| option | meaning | default |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    real = set(check_options.__kwdefaults__ or {}) | {"name"}
    assert documented == real


def test_the_table_of_commands_is_complete() -> None:
    table = README.split("| command | |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    actions = [a for a in parser.build()._actions if hasattr(a, "choices") and isinstance(a.choices, dict)]
    assert documented == set(actions[0].choices)
    flags = set(re.findall(r"--[\w-]+", README.split("## Workers")[1].split("\n\nStart")[0]))
    worker = actions[0].choices["worker"]
    assert flags == {o for a in worker._actions for o in a.option_strings} - {"-h", "--help"}


def test_the_states_of_the_readme_are_the_states() -> None:
    from litequeue.states import STATES

    section = README.split("## States")[1].split("## Threads")[0]
    assert all(state in section for state in STATES if state != "blocked")


def test_the_commands_of_a_session_exist(tmp_path: Path) -> None:
    with LiteQueue(tmp_path / "db") as app:
        app.enqueue("t")
    for command in ("worker", "enqueue", "jobs", "job", "retry", "cancel", "pause", "resume", "stats", "bench", "demo"):
        assert litequeue(command, "--help").returncode == 0


def test_every_promise_names_tests_that_exist() -> None:
    section = README.split("## What is guaranteed")[1].split("What is *not* guaranteed")[0]
    promises = section.split("\n- **")[1:]
    where = ""
    for promise in promises:
        named = re.findall(r"(?:([\w/]+): )?`(\w+)`(?=[,;\]\n ])", promise[promise.rindex("["):])
        assert named, promise
        for file, test in named:
            where = file or where
            source = (ROOT / "tests" / f"{where}.py").read_text()
            assert re.search(rf"def test_{test}\(", source), f"{where} has no test_{test}"
