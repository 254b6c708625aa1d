"""The app for INSTALLED_APPS, which makes the queue's tables when Django has made its own.

Owns that, and nothing that a request does.
"""

from __future__ import annotations

import contextlib
from typing import Any

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.models.signals import post_migrate


class LiteQueueConfig(AppConfig):
    """The app ``litequeue``."""

    name = "litequeue.django"
    label = "litequeue"
    verbose_name = "litequeue"

    def ready(self) -> None:
        from . import api  # noqa: F401 - with it come Django's checks of TASKS

        post_migrate.connect(make_tables, sender=self, dispatch_uid="litequeue.make_tables")


def make_tables(using: str, **_: Any) -> None:
    """Of the queues that lie in this database. Not in a transaction, whose rollback they would not survive."""
    from .backend import backends
    from .clones import make_whole

    if connections[using].in_atomic_block:
        return
    for backend in backends():
        with contextlib.suppress(ImproperlyConfigured):  # a test's database in memory, say; the checks tell what is wrong
            if backend.place.alias == using:
                backend.app._client.store.reports.is_unused()  # which opens it, and makes what is not there
                make_whole(connections[using], backend.place.path)
