"""``manage.py flush``, which empties a database: Django's own, and then the jobs of the queues that lie there, whose tables are no models'.

Owns that second part. Each TransactionTestCase of Django's ends with this command, so that the next begins with an empty database.
"""

from __future__ import annotations

import contextlib
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.commands import flush
from django.db import connections

from litequeue.acting import USUAL, Acting
from litequeue.base.search import Query
from litequeue.django.backend import backends


class Command(flush.Command):
    """The command."""

    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        deleted = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            deleted.append(sql.startswith("DELETE"))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            super().handle(**options)
        is_cancelled = options["interactive"] and not any(deleted)
        if not is_cancelled and not connection.in_atomic_block:  # whose rollback the jobs would not come back with
            _empty(options["database"])


def _empty(using: str) -> None:
    """But for jobs that a worker is running, and for schedules, which are the settings'."""
    query = Query().with_term("state", *USUAL["purge"])
    for backend in backends():
        with contextlib.suppress(ImproperlyConfigured):  # of one in memory, say, where no job can be
            if backend.place.alias != using:
                continue
            acting = Acting(backend.app._client, "manage.py flush")
            if acting.count(query, 1):
                for _ in acting.act("purge", query):
                    pass
