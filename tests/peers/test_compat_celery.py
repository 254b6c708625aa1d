"""Public projects that were written for Celery run with two kinds of changed lines: imports, and the broker.

Flask's own example with Celery, and Celery's, come with the sources of these packages, which .ci/run fetches; a project with FastAPI is ours, of the
shape of the one that tutorials have.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import Cron, LiteQueue
from litequeue.compat.celery import crontab

from ..support import environment, wait_until, worker_process
from . import peer

pytestmark = [pytest.mark.beside, pytest.mark.slow]

SOURCES = Path(sys.prefix) / "sources"


def unpacked(package: str, folder: str, tmp_path: Path) -> Path:
    """An example project out of a package's sources, or the test's skip with the reason."""
    found = sorted(SOURCES.glob(f"{package}-*.tar.gz"))
    if not found:
        pytest.skip(f"the sources of {package} are not in {SOURCES}; .ci/run fetches them")
    with tarfile.open(found[-1]) as archive:
        root = found[-1].name.removesuffix(".tar.gz")
        archive.extractall(tmp_path, [m for m in archive.getmembers() if m.name.startswith(f"{root}/{folder}/")], filter="data")
    for path in (tmp_path / root).rglob("*"):
        path.chmod(0o700)
    return tmp_path / root / folder


def changed(project: Path, broker: str, instead: str) -> dict[str, int]:
    """Change the imports and the broker, and nothing else: how many lines of each."""
    counts = {"import": 0, "broker": 0}
    for path in project.rglob("*.py"):
        text, imports = re.subn(r"^from celery(\.\w+)? import", "from litequeue.compat.celery import", path.read_text(), flags=re.MULTILINE)
        text, brokers = re.subn(re.escape(broker), instead, text)
        path.write_text(text)
        counts["import"] += imports
        counts["broker"] += brokers
    return counts


def surroundings(**more: str) -> dict[str, str]:
    """Without the tests' own place for compiled modules: there the frameworks, which were compiled as they were installed, would be compiled anew, in 5 s each."""
    return {**{name: value for name, value in environment().items() if name != "PYTHONPYCACHEPREFIX"}, "PYTHONWARNINGS": "ignore", **more}


def driven(code: str, cwd: Path, **more: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=surroundings(**more), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


FLASK = """
import time
from make_celery import flask_app
client = flask_app.test_client()
def ended(result):
    while True:
        found = client.get(f"/tasks/result/{result['result_id']}").get_json()
        if found["ready"]:
            return found
        if found["value"]:
            seen.append(found["value"])
        time.sleep(0.05)
seen = []
print(client.get("/").status_code)
print(ended(client.post("/tasks/add", data={"a": 1, "b": 2}).get_json()))
print(ended(client.post("/tasks/process", data={"total": 2}).get_json()))
print(seen[0], ended({"result_id": "1"})["value"])
"""


def test_the_example_that_flask_brings_runs_with_two_kinds_of_changed_lines(tmp_path: Path) -> None:
    peer("flask")
    project = unpacked("flask", "examples/celery", tmp_path)
    counts = changed(project, 'broker_url="redis://localhost"', f'broker_url="{project}/db.sqlite"')
    assert counts == {"import": 5, "broker": 1}
    path = f"{environment()['PYTHONPATH']}:{project / 'src'}:{project}"
    with worker_process(project / "db.sqlite", "--import", "make_celery", cwd=project, env=surroundings(PYTHONPATH=path)):
        said = driven(FLASK, project, PYTHONPATH=path).splitlines()
    assert said[:3] == [
        "200", "{'ready': True, 'successful': True, 'value': 3}", "{'ready': True, 'successful': True, 'value': {'current': 2, 'total': 2}}",
    ]  # fmt: skip
    assert re.fullmatch(r"\{'current': [12], 'total': 2\} 3", said[3])


NEXT_STEPS = """
from celery import group, chain
from proj.celery import app
from proj.tasks import add, mul, xsum
results = [add.delay(2, 2), chain(add.s(4, 4), mul.s(8))(), group(add.s(i, i) for i in range(4))(), (group(add.s(i, i) for i in range(4)) | xsum.s())()]
with app.worker(burst=True) as worker:
    worker.join(20)
print([result.get(timeout=1) for result in results])
""".replace("from celery", "from litequeue.compat.celery")


def test_celerys_next_steps_run(tmp_path: Path) -> None:
    project = unpacked("celery", "examples/next-steps", tmp_path)
    text = (project / "proj/celery.py").read_text()
    (project / "proj/celery.py").write_text(re.sub(r",\s*backend='rpc://'", "", text))  # which is refused, as the next test has it
    assert changed(project, "broker='amqp://'", f"broker='{project}/db.sqlite'") == {"import": 1, "broker": 1}
    assert driven(NEXT_STEPS, project) == "[4, 64, [0, 2, 4, 6], 12]\n"


def test_a_backend_is_refused_with_what_to_do(tmp_path: Path) -> None:
    project = unpacked("celery", "examples/next-steps", tmp_path)
    changed(project, "broker='amqp://'", f"broker='{project}/db.sqlite'")
    with pytest.raises(AssertionError, match="Celery\\(\\) of litequeue takes no backend: results are kept in the queue's own file"):
        driven(NEXT_STEPS, project)


def test_celerys_periodic_tasks_fire(tmp_path: Path) -> None:
    project = unpacked("celery", "examples/periodic-tasks", tmp_path)
    assert changed(project, "broker='amqp://guest@localhost//'", f"broker='{project}/db.sqlite'") == {"import": 1, "broker": 1}
    (project / "myapp.py").write_text((project / "myapp.py").read_text().replace("(10.0,", "(0.2,"))  # rather than to wait for it
    with worker_process(project / "db.sqlite", "--import", "myapp", cwd=project, env=surroundings()), LiteQueue(project / "db.sqlite") as queue:
        job = wait_until(lambda: [info for info in queue.jobs(state="succeeded") if info.schedule == "add-every-10"], 20)[0]
        assert wait_until(lambda: [piece.text for piece in queue.job(job.id).output()]) == ["hello\n"]


DJANGO = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "proj.settings"
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from demoapp.models import Widget
from demoapp.tasks import add, count_widgets, rename_widget
from django.db import transaction
Widget.objects.create(name="a")
results = [add.delay(2, 3), count_widgets.delay(), rename_widget.delay(1, "b")]
print([result.get(timeout=20) for result in results], Widget.objects.get().name)
with transaction.atomic():
    add.delay_on_commit(1, 1)
    print(add.app.AsyncResult("4").state, add.app.stats().states.get("succeeded"))
print(add.app.AsyncResult("4").get(timeout=20))
"""


def test_celerys_example_with_django_finds_the_tasks_of_its_apps(tmp_path: Path) -> None:
    peer("django")
    project = unpacked("celery", "examples/django", tmp_path)
    assert changed(project, "CELERY_BROKER_URL = 'amqp://guest:guest@localhost'", f"CELERY_BROKER_URL = '{project}/queue.sqlite'") == {"import": 2, "broker": 1}
    with worker_process(project / "queue.sqlite", "--import", "proj.celery", cwd=project, env=surroundings()):
        assert driven(DJANGO, project).splitlines() == ["[5, 1, None] b", "PENDING 3", "2"]


# -- FastAPI -------------------------------------------------------------------------------------------------------------

FASTAPI = {
    "worker.py": """
import os, time
from celery import Celery

celery = Celery(__name__)
celery.conf.broker_url = os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379")
celery.conf.result_backend = os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379")

@celery.task(name="create_task", bind=True, max_retries=2)
def create_task(self, kind):
    if kind == 2 and self.request.retries == 0:
        raise self.retry(countdown=0)
    time.sleep(0.3)
    return 6 // kind
""",
    "main.py": """
from celery.result import AsyncResult
from fastapi import Body, FastAPI
from worker import create_task

app = FastAPI()

@app.post("/tasks", status_code=201)
def run_task(payload=Body(...)):
    return {"task_id": create_task.delay(int(payload["type"])).id}

@app.get("/tasks/{task_id}")
def get_status(task_id: str):
    found = AsyncResult(task_id)
    return {"task_id": task_id, "task_status": found.status, "task_result": str(found.result) if found.failed() else found.result}
""",
    "drive.py": """
import time
from fastapi.testclient import TestClient
import main
client = TestClient(main.app)
for kind in (1, 2, 0):
    task = client.post("/tasks", json={"type": kind}).json()["task_id"]
    first = found = client.get(f"/tasks/{task}").json()
    while found["task_status"] in ("PENDING", "RETRY"):
        time.sleep(0.05)
        found = client.get(f"/tasks/{task}").json()
    print(first["task_status"], found["task_status"], found["task_result"])
""",
}


def test_a_project_with_fastapi_runs_with_two_kinds_of_changed_lines(tmp_path: Path) -> None:
    peer("fastapi")
    peer("httpx")
    for name, text in FASTAPI.items():
        (tmp_path / name).write_text(text)
    broker = 'os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379")'
    assert changed(tmp_path, broker, '"db.sqlite"') == {"import": 2, "broker": 1}
    with worker_process(tmp_path / "db.sqlite", "--import", "worker", cwd=tmp_path, env=surroundings()):
        said = driven("import drive", tmp_path)
    assert said.splitlines() == ["PENDING SUCCESS 6", "PENDING SUCCESS 3", "PENDING FAILURE integer division or modulo by zero"]


# -- crontabs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [
    {"minute": "*/15"}, {"minute": 0, "hour": "*/3,8-17"}, {"minute": "1-58/3,0", "hour": 4}, {"minute": [0, 30], "day_of_week": "mon-fri"}, {"minute": 5, "hour": 6, "day_of_week": 0},
    {"minute": 0, "hour": 0, "day_of_month": "*/10"}, {"minute": 0, "hour": 0, "month_of_year": "*/2", "day_of_month": 1}, {"minute": 0, "hour": 12, "day_of_week": "Monday,thursday"},
    {"minute": 0, "hour": 12, "day_of_week": "fri-mon"}, {"minute": range(0, 60, 5), "hour": {1, 2}}, {"minute": 0, "hour": 0, "day_of_month": "*/2", "day_of_week": "mon"},
    {"minute": 0, "hour": 0, "day_of_week": "*/2"}, {"minute": 30},
], ids=str)  # fmt: skip
def test_a_crontab_fires_when_celerys_does(given: dict[str, Any]) -> None:
    theirs = peer("celery.schedules").crontab(**given)
    ours = Cron(crontab(**given).expression, "UTC")
    moment, end, ticks = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 20, tzinfo=UTC), []
    while (tick := ours.next_after(moment)) is not None and tick < end:
        ticks.append(moment := tick)
    expected = [
        datetime(2027, 1, 1, hour, minute, tzinfo=UTC) + timedelta(days=day)
        for day in range((end - datetime(2027, 1, 1, tzinfo=UTC)).days)
        for hour in sorted(theirs.hour) for minute in sorted(theirs.minute)
        if (date := datetime(2027, 1, 1) + timedelta(days=day)).isoweekday() % 7 in theirs.day_of_week and date.day in theirs.day_of_month and date.month in theirs.month_of_year
    ]  # fmt: skip
    assert ticks == [tick for tick in expected if tick > datetime(2027, 1, 1, tzinfo=UTC)]
