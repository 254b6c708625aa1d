"""Django, which a module of tasks sets up when it is imported: in the worker, and in each process of its pool."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cron import zones

from ..support import environment, worker_process
from . import peer

peer("django")
pytestmark = [pytest.mark.beside, pytest.mark.slow]

ZONE, OFFSET = "Asia/Kathmandu", "+0545"  # nobody's host is there
SITE = {
    "site_settings.py": f"""
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite"}}}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
TIME_ZONE = "{ZONE}"
""",
    "shop/__init__.py": "",
    "shop/models.py": "from django.db import models\nclass Order(models.Model):\n    name = models.TextField()\n",
    "shop/tasks.py": """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
import django
django.setup()
from litequeue import LiteQueue
from shop.models import Order

app = LiteQueue("db.sqlite")

@app.task(retries=0)
def in_a_thread(name):
    return [Order.objects.create(name=name).name, os.environ["TZ"]]

@app.task(pool="process", retries=0)
def in_a_process(name):
    return [Order.objects.create(name=name).name, os.environ["TZ"]]

@app.cron("0 3 * * *")
@app.task
def nightly(): ...
""",
    "enqueue.py": """
from shop.tasks import in_a_process, in_a_thread
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
in_a_thread.delay("a")
in_a_process.delay("b")
""",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a project, in whose queue two jobs wait."""
    for name in ("TZ", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.delenv(name, raising=False)
    for name, text in SITE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run([sys.executable, "enqueue.py"], cwd=tmp_path, env=environment(), check=True, timeout=60)
    return tmp_path


@pytest.mark.parametrize("flags", [(), ("--import", "shop.tasks")], ids=["discovered", "imported"])
def test_tasks_use_its_models_in_threads_and_in_processes_and_its_time_zone_is_said(site: Path, flags: tuple[str, ...]) -> None:
    said = site / "said"
    with said.open("w") as out, LiteQueue(site / "db.sqlite") as app:
        with worker_process(site / "db.sqlite", *flags, cwd=site, stdout=out) as worker:
            assert [app.job(number).get(timeout=60) for number in (1, 2)] == [["a", ZONE], ["b", ZONE]]
            worker.terminate()
            assert worker.wait(20) == 0
        assert [schedule.trigger for schedule in app.schedules.list()] == [f"at 03:00 every day ({ZONE})"]
    log = said.read_text()
    assert f"({ZONE}), which is what the variable TZ says, and the host's zone is {zones.host_name()}" in log
    ends = [line for line in log.splitlines() if "succeeded" in line]
    assert len(ends) == 2
    for line in ends:
        assert re.match(rf"[-\d]+ [\d:]+,\d{{3}}{re.escape(OFFSET)} INFO ", line), line


SHOP = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
import django
django.setup()
from django.core.management import call_command
from django.db import connection, transaction
from litequeue import LiteQueue
from shop.models import Order

app = LiteQueue("site.sqlite")

@app.task(name="ship")
def ship(order): ...

list(app.limits)
call_command("migrate", run_syncdb=True, verbosity=0)
rung = []

def buy(name, fails=False):
    with transaction.atomic():
        order = Order.objects.create(name=name)
        ship.using(connection.connection).delay(order.id)
        transaction.on_commit(lambda: (rung.append(name), app.ring()))
        try:
            with transaction.atomic():
                Order.objects.create(name="inner")
                ship.using(connection.connection).delay(99)
                raise KeyError
        except KeyError:
            pass
        if fails:
            raise ZeroDivisionError

buy("a")
try:
    buy("b", fails=True)
except ZeroDivisionError:
    pass
ship.using(connection.connection).delay(7)  # in autocommit
print([order.name for order in Order.objects.all()], rung, [info.args for info in app.jobs()])
"""


def test_jobs_go_with_djangos_transactions(tmp_path: Path) -> None:
    for name, text in SITE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "buy.py").write_text(SHOP)
    ran = subprocess.run([sys.executable, "buy.py"], check=False, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)
    assert ran.stdout == "['a'] ['a'] ['[7]', '[1]']\n", ran.stderr
