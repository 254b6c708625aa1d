"""Django's own tests of task backends, from the source of a release, with a backend of ours in the place of its dummy: ``python django_own.py SOURCE FOLDER``.

A program, which another Python may run than the one that runs pytest: Django 6 asks for 3.12. Unchanged but for the backend's name; for the package ``django_tasks`` of
PyPI, whose archive comes without its tests, which are the same, also for the names of its modules and of two exceptions. Prints what became of each test, as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import tarfile
import unittest
from pathlib import Path
from typing import Any

import django
from django.conf import settings

MODULES = ("test_tasks", "test_dummy_backend")
NAMES = {
    "from django.tasks.backends.dummy import DummyBackend": "from tasks.ours import Backend as DummyBackend",
    "django.tasks.backends.dummy.DummyBackend": "tasks.ours.Backend",
}
BACKPORT = {r"\bdjango\.tasks\b": "django_tasks", r"\bInvalidTask\b": "InvalidTaskError", r"\bInvalidTaskBackend\b": "InvalidTaskBackendError", "async Tasks": "async tasks"}
OURS = '''
import contextlib
import sqlite3

from litequeue.django import LiteQueueBackend
from litequeue.django.places import joined

class Backend(LiteQueueBackend):
    """With what the dummy has for tests."""

    @property
    def results(self):
        with joined(self.place) as app:
            return [self.shown(number) for number in sorted(info.id for info in app.jobs())]

    def clear(self):
        with contextlib.closing(sqlite3.connect(self.place.path)) as connection, connection:
            connection.execute("DELETE FROM litequeue_jobs")
'''


def unpack(source: Path, folder: Path) -> None:
    """The tests, under the names that they have there."""
    with tarfile.open(source) as archive:
        for member in archive:
            found = re.fullmatch(r"[^/]+/tests/(tasks/\w+\.py)", member.name)
            if found is not None:
                text = archive.extractfile(member).read().decode()  # type: ignore[union-attr]
                for old, new in NAMES.items():
                    text = text.replace(old, new)
                for pattern, new in () if django.VERSION >= (6,) else BACKPORT.items():
                    text = re.sub(pattern, new, text)
                path = folder / found[1]
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
    (folder / "tasks" / "ours.py").write_text(OURS)


def set_up(folder: Path) -> None:
    database = {
        "ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA wal_autocheckpoint=0"},
    }  # fmt: skip
    settings.configure(SECRET_KEY="x", USE_TZ=True, DATABASES={"default": database}, INSTALLED_APPS=["litequeue.django", *([] if django.VERSION >= (6,) else ["django_tasks"])])
    django.setup()
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    setup_test_environment()
    with settings_of(folder):
        call_command("migrate", verbosity=0)


def settings_of(folder: Path) -> Any:
    from django.test import override_settings

    return override_settings(TASKS={"default": {"BACKEND": "litequeue.django.LiteQueueBackend"}})


class Kept(unittest.TestResult):
    """What became of each."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[str, str] = {}

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self.ends[test.id()] = ""

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self.ends[test.id()] = f"skipped: {reason}"

    def stopTest(self, test: Any) -> None:
        for failed, trace in (*self.errors, *self.failures):
            if failed.id().startswith(test.id()):
                self.ends[test.id()] = trace
        super().stopTest(test)


if __name__ == "__main__":
    source, folder = map(Path, sys.argv[1:])
    unpack(source, folder)
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    set_up(folder)
    kept = Kept()
    for name in MODULES:
        unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(f"tasks.{name}")).run(kept)
    print(json.dumps(kept.ends))
