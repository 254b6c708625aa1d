"""What users do to jobs and queues that exist: cancel, retry, pause; and what time does: prune.

Owns those transactions. A worker's own path is in jobs.py.
"""

from __future__ import annotations

import json

from . import queries, schedule_queries
from .file.database import Database
from .jobs import KEEP, ports_to_wake


class Operations:
    """Changes that come from people and from housekeeping."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel(self, job_id: int, now: int) -> tuple[str | None, bool, list[int]]:
        """Cancel a waiting job at once, ask for it of a running one.

        Its state now (None: no such job), whether that was of any use, and the workers to wake. A final
        state is left alone.
        """
        with self._database.write(durable=True) as connection:
            parameters = {"id": job_id, "now": now, "prune_at": now + KEEP}
            done = connection.execute(queries.CANCEL_WAITING, parameters).rowcount
            done = done or connection.execute(queries.CANCEL_RUNNING, parameters).rowcount
            row = connection.execute(queries.STATE, parameters).fetchone()
            return (row[0] if row else None), done > 0, ports_to_wake(connection)

    def revive(self, job_id: int, now: int) -> tuple[str | None, list[int]]:
        """Put a final job back as if new; let a waiting one run now. Its state, and whom to wake."""
        with self._database.write(durable=True) as connection:
            parameters = {"id": job_id, "now": now}
            if connection.execute(queries.REVIVE, parameters).rowcount:
                connection.execute(schedule_queries.REOPEN, parameters)
            else:
                connection.execute(queries.HURRY, parameters)
            row = connection.execute(queries.STATE, parameters).fetchone()
            return (row[0] if row else None), ports_to_wake(connection)

    def pause(self, queue: str, now: int) -> None:
        with self._database.write(durable=True) as connection:
            connection.execute(queries.PAUSE, {"queue": queue, "now": now})

    def resume(self, queue: str) -> list[int]:
        with self._database.write(durable=True) as connection:
            connection.execute(queries.RESUME, {"queue": queue})
            return ports_to_wake(connection)

    def prune(self, now: int, limit: int) -> int:
        """Delete up to ``limit`` final jobs whose time has come, with their attempts and output. How many.

        What became of them stays with their ticks.
        """
        (text,) = self._database.one(queries.PRUNABLE, {"now": now, "limit": limit})
        if text == "[]":
            return 0
        with self._database.write(durable=False) as connection:
            # Ask again inside: somebody may have revived one since.
            (text,) = connection.execute(queries.PRUNABLE, {"now": now, "limit": limit}).fetchone()
            connection.execute(schedule_queries.CLOSE_ALL)
            connection.execute(queries.PRUNE_ATTEMPTS, {"ids": text})
            connection.execute(queries.PRUNE_OUTPUT, {"ids": text})
            connection.execute(queries.PRUNE_JOBS, {"ids": text})
        return len(json.loads(text))
