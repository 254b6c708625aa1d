"""What ``manage.py check`` says of TASKS: what cannot work, and what of a database would make requests wait or fail beside a worker.

Owns these messages. Changes nothing, and opens no file.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from ..base.errors import LitequeueError
from ..store.file.borrowed import FIXED
from . import places

NO_CHECKPOINTS: Final = re.compile(r"wal_autocheckpoint\s*[=(]\s*0\b", re.IGNORECASE)


def of_backend(backend: Any) -> Iterator[CheckMessage]:
    where = f"TASKS[{backend.alias!r}]"
    if not apps.is_installed("litequeue.django"):
        yield Error(
            f"{where}: litequeue.django is not in INSTALLED_APPS, so there is no command for its worker, and nothing makes the queue's tables.",
            hint='Add "litequeue.django" to INSTALLED_APPS.', id="litequeue.E001",
        )  # fmt: skip
    try:
        place = backend.place
    except ImproperlyConfigured as error:
        if "in memory" not in str(error):  # as in tests, which may enqueue nothing
            yield Error(f"{where}: {error}", id="litequeue.E002")
        return
    for name, said in backend.options.get("schedules", {}).items():
        yield from _of_schedule(backend, name, said)
    if place.alias is not None:
        yield from _of_database(where, place.alias)


def _of_schedule(backend: Any, name: str, said: Any) -> Iterator[CheckMessage]:
    from .schedules import new

    try:
        new(backend, name, said)
    except LitequeueError as error:
        yield Error(f"TASKS[{backend.alias!r}]: schedules[{name!r}]: {error}", id="litequeue.E003")


def _of_database(where: str, alias: str) -> Iterator[CheckMessage]:
    options = connections.settings[alias].get("OPTIONS") or {}
    database = f'DATABASES[{alias!r}]["OPTIONS"]'
    if sqlite3.sqlite_version_info < FIXED and not NO_CHECKPOINTS.search(options.get("init_command", "")):
        yield Warning(
            f"{where} has its queue in the database {alias!r}, and this SQLite ({sqlite3.sqlite_version}) can damage a file to which one connection writes while "
            "another makes a checkpoint; from 3.51.3 on it is mended. The worker makes the checkpoints, and Django's connections should make none.",
            hint=f'{database}["init_command"] = "PRAGMA wal_autocheckpoint=0"', id="litequeue.W001",
        )  # fmt: skip
    if not places.is_immediate(alias):
        yield Warning(
            f"{where} has its queue in the database {alias!r}, whose transactions begin without the write lock: one that has read cannot write "
            "once a worker has written meanwhile (database is locked).",
            hint=f'{database}["transaction_mode"] = "IMMEDIATE"', id="litequeue.W002",
        )  # fmt: skip
