"""Tests of a site with its queue in a file, as Django runs them: in clones of the database, and each from an empty one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from litequeue import LiteQueue

from . import django_site, peer

if peer("django").VERSION < (6,):
    peer("django_tasks")
pytestmark = [pytest.mark.beside, pytest.mark.slow]

SETTINGS = """
DATABASES = {"default": DATABASES["default"] | {"TEST": {"NAME": BASE_DIR / "test.sqlite3"}}}
TASKS = {name: TASKS[name] for name in ("default", "dummy")}
"""
WRITES_AFTER_US = """
INSTALLED_APPS += ["django.contrib.contenttypes"]
"""
TESTS = """
import os
from django.apps import apps
from django.db import connection
from django.test import TestCase, TransactionTestCase
from litequeue.django.api import task_backends
from shop.models import Order
from shop.tasks import add

def look(case):
    os.write(1, f"in {os.path.basename(connection.settings_dict['NAME'])}\\n".encode())  # whole, beside other processes
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.models import ContentType

        case.assertTrue(ContentType.objects.filter(app_label="shop", model="order").exists())
    case.assertEqual(add.get_result(add.enqueue(1, 2).id).status, "READY")

class First(TestCase):
    def test_one(self):
        look(self)

    def test_two(self):
        look(self)

class Second(TestCase):
    def test_one(self):
        look(self)

class Whole(TransactionTestCase):
    def test_one(self):
        self.left_by_none()

    def test_two(self):
        self.left_by_none()

    def left_by_none(self):
        self.assertEqual([len(task_backends["default"].app.jobs()), Order.objects.count()], [0, 0])
        add.enqueue(1, 2)
        Order.objects.create(name="a")

class Third(Whole):
    serialized_rollback = True  # without the signal that follows a flush
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    files = {**django_site.FILES, "site_settings.py": django_site.SETTINGS + SETTINGS, "shop/tests.py": TESTS}
    return django_site.write(tmp_path, files)


def run(site: Path, *words: str) -> str:
    done = django_site.manage(site, "test", "--noinput", *words)
    assert done.returncode == 0 and "Ran 7 tests" in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("more", ["", WRITES_AFTER_US], ids=["alone", "with an app that writes after us"])
def test_tests_in_parallel_find_the_tables_in_their_clones_run_after_run(site: Path, more: str) -> None:
    with (site / "site_settings.py").open("a") as settings:
        settings.write(more)
    for _ in range(2):
        used = re.findall(r"in (\S+\.sqlite3)\n", run(site, "--parallel", "3"))
        assert len(used) == 3 and set(used) <= {f"test_{number}.sqlite3" for number in (1, 2, 3)}


def test_the_log_of_a_clone_whose_processes_were_killed_does_not_reach_the_next(site: Path) -> None:
    run(site, "--parallel", "3", "--keepdb")
    clone = site / "test_1.sqlite3"
    with LiteQueue(clone) as app:
        app.enqueue("shop.tasks.add", 1, 2)
        killed = {name: (site / name).read_bytes() for name in ("test_1.sqlite3", "test_1.sqlite3-wal")}
    assert killed["test_1.sqlite3-wal"]
    for gone in (False, True):
        for name, content in killed.items():
            (site / name).write_bytes(content)
        if gone:
            clone.unlink()
        run(site, "--parallel", "3")
        assert not clone.exists()


def test_each_test_with_transactions_of_its_own_begins_without_the_jobs_of_the_last(site: Path) -> None:
    run(site)


def test_a_flush_takes_the_jobs_with_the_rows_unless_it_is_cancelled(site: Path) -> None:
    assert django_site.manage(site, "migrate", "--run-syncdb").returncode == 0
    with LiteQueue(site / "site.sqlite3") as app:
        app.enqueue("shop.tasks.add", 1, 2)
        assert "Flush cancelled" in django_site.manage(site, "flush", input="no\n").stdout
        assert len(app.jobs()) == 1
        done = django_site.manage(site, "flush", input="yes\n")
        assert (done.returncode, app.jobs()) == (0, []), done.stderr
