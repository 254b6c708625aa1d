"""The guide's chapter on Django: its project, written as it stands there, does what the chapter says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue.options import options_of
from litequeue.options.jobs import TaskOptions

from ..support import ROOT
from . import django_site, peer

HAS_TASKS = peer("django").VERSION >= (6,)
if not HAS_TASKS:
    peer("django_tasks")
pytestmark = [pytest.mark.beside, pytest.mark.slow]

TEXT = (ROOT / "litequeue" / "guide" / "django.md").read_text()
BLOCKS = re.findall(r"```python\n# (\S+?)(, at its end)?\n(.*?)```", TEXT, re.DOTALL)

REQUESTS = """
import json, time
import django
django.setup()
from django.db import transaction
from django.test import Client
from django.test.utils import setup_test_environment
from shop.models import Order
from shop.tasks import charge, digest, ship

setup_test_environment()
client = Client()
bought = client.get("/buy", {"name": "a book"}).json()
try:
    with transaction.atomic():
        lost = ship.enqueue(Order.objects.create(name="lost").id)
        raise KeyError
except KeyError:
    pass
while (looked := client.get(f"/look/{bought['ship']}").json())["status"] != "SUCCESSFUL":
    time.sleep(0.05)
paid = charge.get_result(bought["charge"])
mailed = digest.enqueue()
while not (paid.is_finished and mailed.is_finished):
    time.sleep(0.05)
    paid.refresh()
    mailed.refresh()
print(json.dumps([looked["value"], paid.return_value, len(paid.errors), mailed.return_value, [order.name for order in Order.objects.all()]]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files: dict[str, str] = {"manage.py": django_site.MANAGE, "shop/__init__.py": ""}
    for name, is_more, text in BLOCKS:
        files[name] = files[name] + text if is_more else text
    if not HAS_TASKS:  # as the chapter says
        files = {name: text.replace("from django.tasks import", "from django_tasks import") for name, text in files.items()}
        files["site_settings.py"] = files["site_settings.py"].replace('    "shop",\n', '    "shop",\n    "django_tasks",\n')
    return django_site.write(tmp_path, files)


def test_the_project_of_the_chapter_does_what_it_says(project: Path) -> None:
    assert [name for name, _, _ in BLOCKS] == ["site_settings.py", "shop/tasks.py", "shop/models.py", "shop/urls.py", "site_settings.py"]
    migrate, worker = re.findall(r"^python manage.py (.*)$", TEXT, re.MULTILINE)
    for words in (["check"], [*migrate.split(), "--run-syncdb"]):  # the chapter's site has its migrations
        done = django_site.manage(project, *words)
        assert done.returncode == 0 and "litequeue." not in done.stdout + done.stderr, done.stdout + done.stderr
    assert worker == "litequeue worker"
    with django_site.worker(project, project / "db.sqlite3"):
        env = django_site.environment(DJANGO_SETTINGS_MODULE="site_settings")
        ran = subprocess.run([sys.executable, "-c", REQUESTS], cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert ran.stdout == '["a book is shipped", "paid at attempt 2", 1, 1, ["a book"]]\n', ran.stderr
        listed = django_site.manage(project, "litequeue", "schedules").stdout
        assert re.search(r"^digest +active .* at 07:00 every day \(Europe/Berlin\) +shop.tasks.digest$", listed, re.MULTILINE), listed
    job = django_site.manage(project, "litequeue", "jobs", "--task", "shop.tasks.charge")
    assert "paid at attempt 2" in job.stdout


def test_without_its_two_lines_the_checks_ask_for_them(project: Path) -> None:
    settings = project / "site_settings.py"
    settings.write_text(re.sub(r'    "OPTIONS": \{\n.*?\n    \},\n', "", settings.read_text(), count=1, flags=re.DOTALL))
    said = django_site.manage(project, "check").stderr
    assert 'HINT: DATABASES[\'default\']["OPTIONS"]["transaction_mode"] = "IMMEDIATE"' in said
    assert ("litequeue.W001" in said) == (__import__("sqlite3").sqlite_version_info < (3, 51, 3))


def test_the_chapter_names_all_checks_and_only_options_that_there_are() -> None:
    source = (ROOT / "litequeue" / "django" / "checks.py").read_text()
    assert set(re.findall(r'"(litequeue\.[EW]\d{3})"', source)) == set(re.findall(r"^\| `(litequeue\.[EW]\d{3})` \|", TEXT, re.MULTILINE))
    named = TEXT.partition("such as `retries`")[2].partition(", but for")[0]
    assert set(re.findall(r"`(\w+)[`=]", named)) <= options_of(TaskOptions).keys()
