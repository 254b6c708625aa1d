"""What people did to jobs, queues and schedules: one row each, kept for ninety days (``levels`` prunes them).

Owns the table. Who records what is ``acting``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .file import Database

RECORD: Final = "INSERT INTO litequeue_actions (at, who, what, target, count) VALUES (:at, :who, :what, :target, :jobs)"
LAST: Final = "SELECT at, who, what, target, count FROM litequeue_actions ORDER BY id DESC LIMIT :limit"


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

    def record(self, action: Action) -> None:
        with self._database.write(durable=False) as connection:
            connection.execute(RECORD, action._asdict())

    def last(self, limit: int) -> list[Action]:
        """The newest first."""
        with self._database.read() as connection:
            return [Action(*row) for row in connection.execute(LAST, {"limit": limit}).fetchall()]
