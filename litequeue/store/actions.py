"""What people did to jobs, queues and schedules: one row each, kept for ninety days (``levels`` prunes them).

Owns the table. Who records what is ``acting``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .file import Database

RECORD: Final = "INSERT INTO litequeue_actions (at, who, what, target, count) VALUES (:at, :who, :what, :target, :jobs)"
COUNT: Final = "UPDATE litequeue_actions SET count = :jobs WHERE id = :id"
LAST: Final = "SELECT at, who, what, target, count FROM litequeue_actions ORDER BY at DESC, id DESC LIMIT :limit"


class Action(NamedTuple):
    """Something that somebody did."""

    at: int  # microseconds
    who: str
    what: str
    target: str
    jobs: int


class Actions:
    """One file's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, action: Action) -> int:
        """Its row, for ``count``."""
        with self._database.write(durable=False) as connection:
            row = connection.execute(RECORD, action._asdict()).lastrowid
        assert row is not None
        return row

    def count(self, row: int, jobs: int) -> None:
        """So many jobs it has come to."""
        with self._database.write(durable=False) as connection:
            connection.execute(COUNT, {"id": row, "jobs": jobs})

    def last(self, limit: int) -> list[Action]:
        """The newest first."""
        with self._database.read() as connection:
            return [Action(*row) for row in connection.execute(LAST, {"limit": limit}).fetchall()]
