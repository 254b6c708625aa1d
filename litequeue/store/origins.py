"""Where the code of each task is, as its producers recorded it: the table ``litequeue_tasks``.

Owns that table. Whether such a record is believed is the worker's to decide (``worker/discovery``).
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from ..base.models import TaskOrigin

RECORD_TASK: Final = """INSERT INTO litequeue_tasks
    (name, module, qualname, directory, options, recorded_at)
VALUES (:task, :module, :qualname, :directory, :options, :now)
ON CONFLICT (name) DO UPDATE SET module = excluded.module, qualname = excluded.qualname,
    directory = excluded.directory, options = excluded.options, recorded_at = excluded.recorded_at
WHERE (litequeue_tasks.module, litequeue_tasks.qualname, litequeue_tasks.directory,
       litequeue_tasks.options)
   IS NOT (excluded.module, excluded.qualname, excluded.directory, excluded.options)"""

# Of a task whose code somebody has who enqueues none of its jobs: where producers saw the code stays as they say.
RECORD_OPTIONS: Final = """INSERT INTO litequeue_tasks
    (name, module, qualname, directory, options, recorded_at)
VALUES (:task, :module, :qualname, :directory, :options, :now)
ON CONFLICT (name) DO UPDATE SET options = excluded.options"""

TASK_ORIGIN: Final = (
    "SELECT name, module, qualname, directory, options FROM litequeue_tasks WHERE name = :task"
)

ALL_TASKS: Final = "SELECT name, module, qualname, directory, options, recorded_at FROM litequeue_tasks ORDER BY name"


def record_origin(connection: sqlite3.Connection, origin: TaskOrigin, now: int) -> None:
    """Inside the caller's transaction; writes nothing where it stands already."""
    connection.execute(RECORD_TASK, _row(origin, now))
    _declare(connection, origin, now)


def record_options(connection: sqlite3.Connection, origin: TaskOrigin, now: int) -> None:
    """The same of its options alone, if the task stands there."""
    connection.execute(RECORD_OPTIONS, _row(origin, now))
    _declare(connection, origin, now)


def _declare(connection: sqlite3.Connection, origin: TaskOrigin, now: int) -> None:
    if origin.limit is not None:
        from .limits import declare  # of few tasks

        declare(connection, origin.limit, now)


def _row(origin: TaskOrigin, now: int) -> dict[str, Any]:
    return {
        "task": origin.task, "module": origin.module, "qualname": origin.qualname, "directory": origin.directory,
        "options": origin.options, "now": now,
    }  # fmt: skip
