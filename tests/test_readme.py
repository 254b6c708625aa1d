"""The README's code runs as it stands, and what it says of options and commands is so."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli.grammar import commands
from litequeue.cli.schedules import NO_WORKER
from litequeue.schedules import definition
from litequeue.tasks.code import check_options

from .prepared import litequeue
from .support import ROOT, environment, worker_process

pytestmark = pytest.mark.beside

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


@pytest.mark.slow
def test_the_example_of_schedules_is_declared_by_the_worker_that_has_it(tmp_path: Path) -> None:
    (block,) = (block for block in BLOCKS if "# nightly.py" in block)
    (tmp_path / "nightly.py").write_text(block)
    subprocess.run([sys.executable, "nightly.py"], cwd=tmp_path, env=environment(), timeout=30, check=True)
    done = litequeue("worker", "db.sqlite", "--import", "nightly", "--burst", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed = litequeue("schedules", "db.sqlite", cwd=tmp_path).stdout
    assert re.search(r"month-report +active .* at 09:00 on the 1st of every month", listed), listed
    assert re.search(r"nightly.backup_database +active .* at 03:00 every day \(Europe/Berlin\)", listed), listed
    assert re.search(r"nightly.refresh_feeds +active .* every 15 minutes", listed), listed
    run = litequeue("schedule", "run", "db.sqlite", "nightly.backup_database", cwd=tmp_path).stdout.strip()
    litequeue("worker", "db.sqlite", "--import", "nightly", "--burst", cwd=tmp_path)
    assert "the backup of 20" in litequeue("job", "db.sqlite", run, cwd=tmp_path).stdout


def test_the_table_of_a_schedules_options_is_complete() -> None:
    table = README.split("| option | what becomes of a tick | default |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    about_the_job = {"name", "trigger", "job", "origin", "declared", "declared_for", "on_failure", "mail_to"}
    assert documented == set(inspect.signature(definition.check).parameters) - about_the_job


@pytest.mark.slow
def test_the_commands_that_replace_cron_do(tmp_path: Path) -> None:
    """As the README types them, with another crontab and without a running systemd."""
    session = re.findall(r"^\$ (.*)$", README.split("## Replacing cron")[1].split("## Command line")[0], re.MULTILINE)
    crontab = tmp_path / "bin" / "crontab"
    crontab.parent.mkdir()
    crontab.write_text("#!/bin/sh\necho '30 2 * * * echo backup'\n")
    for name in ("crontab", "systemctl", "loginctl", "pg_dump", "rsync"):
        (crontab.parent / name).write_text(crontab.read_text() if name == "crontab" else "#!/bin/sh\necho $0 $*\n")
        (crontab.parent / name).chmod(0o755)
    env = {**environment(), "HOME": str(tmp_path), "PATH": f"{crontab.parent}:{os.environ['PATH']}"}
    assert len(session) == 7
    for line in session:
        line = line.replace("python -m", f"{sys.executable} -m")
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=30, check=False)
        said = f"{NO_WORKER}\n" if line.endswith("schedules db.sqlite") else ""  # systemd would have started one
        assert (done.returncode, done.stderr) == (0, said), line
    assert "ExecStart" in (tmp_path / ".config/systemd/user/litequeue-db.service").read_text()
    burst = [sys.executable, "-m", "litequeue", "worker", "db.sqlite", "--burst"]
    subprocess.run(burst, cwd=tmp_path, env=env, timeout=30, check=True, capture_output=True)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert [info.name for info in app.schedules.list()] == ["echo", "nightly"]
        (job,) = app.jobs()
        assert job.state == "succeeded"
        assert [p.text for p in app.job(job.id).output() if p.stream == "stdout"] == [
            f"{crontab.parent}/rsync -a src/ backup/\n"
        ]


def test_the_table_of_options_is_complete() -> None:
    table = README.split("| option | meaning | default |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    real = set(check_options.__kwdefaults__ or {}) | {"name"}
    assert documented == real


def test_the_table_of_commands_is_complete() -> None:
    table = README.split("| command | |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    actions = [a for a in commands.build()._actions if hasattr(a, "choices") and isinstance(a.choices, dict)]
    assert documented == set(actions[0].choices)
    flags = set(re.findall(r"--[\w-]+", README.split("## Workers")[1].split("\n\nStart")[0]))
    worker = actions[0].choices["worker"]
    worker.fill(worker)
    assert flags == {o for a in worker._actions for o in a.option_strings} - {"-h", "--help"}


def test_the_states_of_the_readme_are_the_states() -> None:
    from litequeue.base.states import STATES

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
