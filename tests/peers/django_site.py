"""A small project of Django's, with its queue in its own database: for tests of the bridge.

Owns its files, and Django in the process of the tests, which is set up for it once: settings cannot be put away again.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..support import ROOT, registered, wait_until, worker_process

SETTINGS = """
from pathlib import Path
import django

BASE_DIR = Path(__file__).parent
SECRET_KEY = "a key of the site's"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["shop", "litequeue.django", *([] if django.VERSION >= (6,) else ["django_tasks"])]
OPTIONS = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA wal_autocheckpoint=0"}
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "site.sqlite3", "OPTIONS": OPTIONS},
    "deferred": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "site.sqlite3"},
    "bare": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "bare.sqlite3"},
    "memory": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
SILENCED_SYSTEM_CHECKS = ["litequeue.W001", "litequeue.W002"]  # of the databases but for the first
BACKEND = "litequeue.django.LiteQueueBackend"
PER_TASK = {"shop.tasks.twice": {"retries": 1, "backoff": "10ms"}, "shop.tasks.in_a_process": {"pool": "process"}}
TASKS = {
    "default": {"BACKEND": BACKEND, "QUEUES": [], "OPTIONS": {"tasks": PER_TASK}},
    "own": {"BACKEND": BACKEND, "QUEUES": [], "OPTIONS": {"path": BASE_DIR / "own.sqlite3"}},
    "linked": {"BACKEND": BACKEND, "QUEUES": [], "OPTIONS": {"path": BASE_DIR / "link.sqlite3"}},
    "bare": {"BACKEND": BACKEND, "OPTIONS": {"database": "bare"}},
    "deferred": {"BACKEND": BACKEND, "OPTIONS": {"database": "deferred"}},
    "memory": {"BACKEND": BACKEND, "OPTIONS": {"database": "memory"}},
    "dummy": {"BACKEND": f"django{'.' if django.VERSION >= (6,) else '_'}tasks.backends.dummy.DummyBackend"},
}
"""
MODELS = """
from django.db import models

class Order(models.Model):
    name = models.TextField()
    state = models.TextField(default="")
"""
TASKS = """
import asyncio, os, time
try:
    from django.tasks import task
except ImportError:
    from django_tasks import task
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from shop.models import Order

@task
def add(x, y):
    return x + y

@task
def given(*args, **kwargs):
    return [args, kwargs]

@task
def ship(order):
    with transaction.atomic():
        found = Order.objects.get(id=order)
        found.state += "shipped"
        found.save()
    return found.name

@task(takes_context=True)
def in_a_thread(context, name):
    return [name, context.attempt, context.task_result.id, context.task_result.status.value]

@task(takes_context=True)
def in_a_process(context, name):
    return [Order.objects.create(name=name).name, os.getppid(), context.attempt, context.task_result.id]

@task(takes_context=True)
async def in_a_loop(context, name):
    return [(await Order.objects.acreate(name=name)).name, context.attempt, context.task_result.id]

@task(takes_context=True)
def twice(context):
    if context.attempt == 1:
        raise LookupError("not yet")
    return [error.exception_class_path for error in context.task_result.errors]

@task
def fails(message):
    raise ValueError(message)

@task
def leaves():
    raise SystemExit("enough")

@task
def interrupted():
    raise KeyboardInterrupt("^C")

@task
def returns_an_object():
    Order.objects.create(name="an object")
    return object()

@task
def hangs(file):
    with open(file, "a") as out:
        print(os.getpid(), file=out)
    if os.path.getsize(file) < 10:
        time.sleep(60)
    return "at last"

@task
def connected():
    was_closed = connection.connection is None
    connection.ensure_connection()
    return was_closed

@task
def large():
    Order.objects.create(name="large")
    return "x" * 2_000_000

@task
async def connected_in_a_loop():
    ask = sync_to_async(lambda: (connection.ensure_connection(), id(connection.connection))[1])
    before = await ask()
    await asyncio.sleep(0.3)
    return before == await ask()

@task(backend="dummy")
def elsewhere():
    return "not elsewhere"

@task(backend="dummy")
def never_here():
    return "nowhere"

def no_task(x):
    return x

another_name = add
"""
APPS = """
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        try:
            from django.tasks import signals
        except ImportError:
            from django_tasks import signals
        for name in ("task_started", "task_finished"):
            getattr(signals, name).connect(note, dispatch_uid=name)

def note(sender, task_result, signal, **kwargs):
    from shop.models import Order
    if task_result.task.queue_name == "told":
        Order.objects.create(name=f"{sender.__name__} {task_result.id} {task_result.status.value} {task_result.attempts}")
"""
URLS = """
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from shop.models import Order
from shop.tasks import ship

@transaction.atomic
def buy(request):
    Order.objects.count()  # as most that look before they write
    order = Order.objects.create(name=request.GET["name"])
    return HttpResponse(ship.enqueue(order.id).id)

urlpatterns = [path("buy", buy)]
"""
MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
FILES = {
    "site_settings.py": SETTINGS, "manage.py": MANAGE, "shop/__init__.py": "", "shop/models.py": MODELS, "shop/tasks.py": TASKS, "shop/apps.py": APPS,
    "shop/urls.py": URLS,
}  # fmt: skip


def write(folder: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def set_up(folder: Path) -> None:
    """Django in this process, whose time zone stays as it is."""
    zone = os.environ.get("TZ")
    os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
    sys.path.insert(0, str(folder))
    import django

    django.setup()
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()


def environment(**more: str) -> dict[str, str]:
    """For processes of the site; without what this one has set."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "TZ")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


def manage(folder: Path, *words: str, timeout: float = 60, **popen: Any) -> subprocess.CompletedProcess[str]:
    """``python manage.py ...``, to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *words], cwd=folder, env=environment(), capture_output=True, text=True, timeout=timeout, check=False, **popen
    )


@contextlib.contextmanager
def worker(folder: Path, path: Path, *flags: str, before: tuple[str, ...] = (), **popen: Any) -> Iterator[subprocess.Popen[str]]:
    """``python manage.py litequeue worker`` for a file, once it has registered: Django may have to be compiled first, which takes its time beside others."""
    program = (sys.executable, "manage.py", "litequeue", *before)
    with worker_process(path, *flags, program=program, cwd=folder, env=environment(), wait=False, **popen) as process:
        wait_until(lambda: registered(path, process.pid) or process.poll() is not None, 60, "the worker registers")
        yield process
