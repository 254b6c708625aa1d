"""The guide's chapter of Celery does what it says: its files, its commands, its table."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, wait_until

from .servers import celery_worker, ended, env_of, python, run

pytestmark = pytest.mark.slow

CHAPTER = (ROOT / "litequeue" / "guide" / "celery.md").read_text()
TASKS, CELERYAPP, BESIDE = re.findall(r"```python\n(.*?)```", CHAPTER, re.DOTALL)
COMMANDS = [shlex.split(line) for line in re.findall(r"^\$ (.*)$", CHAPTER, re.MULTILINE)]


@pytest.fixture
def folder(tmp_path: Path, redis: int) -> Path:
    """The guide's two files; only Redis is another one."""
    (tmp_path / "tasks.py").write_text(TASKS)
    text = CELERYAPP.replace("redis://localhost/0", f"redis://localhost:{redis}/14").replace("redis://localhost/1", f"redis://localhost:{redis}/15")
    assert text.count(str(redis)) == 2
    (tmp_path / "celeryapp.py").write_text(text)
    return tmp_path


def test_the_chapter_does_what_it_says(folder: Path, redis: int) -> None:
    env = env_of(redis)
    worker, beat, migrate = COMMANDS
    assert worker == ["celery", "-A", "celeryapp", "worker"], "as celery_worker starts one"
    told = python(folder, env, "import tasks; tasks.charge.delay(17, 9.5); print(tasks.import_file.delay('a.csv').id)")
    assert told == "2\n"
    with celery_worker(folder, env, "-c", "1"):
        done = run(folder, env, *migrate[1:])
        assert (done.stdout, done.returncode) == ("moved 2 jobs to Celery; nothing stays\n", 0), done.stderr
        code = """
import asyncio, celeryapp, tasks
from litequeue import JobFailed
job = tasks.import_file.delay("b.csv")
print(tasks.app.job(2).get(timeout=20), type(job.id).__name__, job.get(timeout=20), job.state, job.done(), job.wait(), job.cancel(), asyncio.run(job._get_async()))
print(tasks.app.job(1).get(timeout=20))
try: tasks.import_file.delay("c.tmp").get(timeout=20)
except JobFailed as error: print(error.type, error.message)
"""
        assert python(folder, env, code) == (
            "a.csv at attempt 1 str b.csv at attempt 1 succeeded True True False b.csv at attempt 1\n(17, 9.5)\nDiscard it is not complete\n"
        )
    log = folder / "beat.log"
    with log.open("w") as out, ended(subprocess.Popen([sys.executable, "-m", *beat, "-l", "debug"], cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)):
        wait_until(lambda: "<at 07:00 every day (Europe/Berlin)>" in log.read_text(), 20, log.read_text())


def test_schedules_can_stay_in_the_file(folder: Path, redis: int) -> None:
    (folder / "celeryapp.py").write_text((folder / "celeryapp.py").read_text().replace("export(tasks.app, celery)\n", BESIDE))
    assert python(folder, env_of(redis), "import celeryapp; print(celeryapp.celery.conf.beat_schedule)") == "{}\n"


def test_celerys_own_name_for_an_app_is_taken_by_whatever_is_called_so(folder: Path, redis: int) -> None:
    """Which is why the chapter says ``import tasks``."""
    (folder / "celeryapp.py").write_text((folder / "celeryapp.py").read_text().replace("import tasks\n", "import tasks\nfrom tasks import app\n"))
    found = python(folder, env_of(redis), "from celery.app.utils import find_app; print(type(find_app('celeryapp')).__name__, type(find_app('celeryapp:celery')).__name__)")
    assert found == "LiteQueue Celery\n"
