"""What jobs print, over all of them, in the order in which it was written down: for who follows it.

Owns the reading of that order. A number that only rises stands for each piece (``turn/output`` writes it, in the transaction that stores the piece), so that
following is one range of a key: nothing is missed and nothing comes twice, however jobs write, end, are retried or pruned meanwhile. The table of the pieces
itself, whose key begins with the job, cannot serve: a job that began and ended between two looks is in no index, and to find what is new among 200,000 pieces took
38 ms with all of them in memory, each half second. By the order a look takes 7 us where nothing is new, and 2 us a piece. It costs 2 us a piece of 200 characters, which took
8.5 without; a job that prints nothing pays nothing.

So many as ``turn/output.FOLLOWED`` can be looked back on; with the piece, which is trimmed or goes with its job, its place is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..base.models import label
from .file import Database

_PIECES: Final = """SELECT p.seq, p.job_id, j.task, (SELECT name FROM litequeue_schedules AS s WHERE s.id = j.schedule_id), p.attempt, p.number, o.stream, o.at, o.text,
    j.state IS NOT 'running'
FROM (SELECT * FROM litequeue_printed WHERE {which} LIMIT :most) AS p
CROSS JOIN litequeue_output AS o ON o.job_id = p.job_id AND o.attempt = p.attempt AND o.number = p.number
LEFT JOIN litequeue_jobs AS j ON j.id = p.job_id
WHERE o.stream <> 'usage' ORDER BY p.seq"""
AFTER: Final = _PIECES.format(which="seq > :after AND seq <= :upto ORDER BY seq")
BEFORE: Final = _PIECES.format(which="seq < :before ORDER BY seq DESC")
UP_TO: Final = "SELECT max(seq) FROM (SELECT seq FROM litequeue_printed WHERE seq > :after ORDER BY seq LIMIT :most)"
DOWN_TO: Final = "SELECT min(seq) FROM (SELECT seq FROM litequeue_printed WHERE seq < :before ORDER BY seq DESC LIMIT :most)"
LAST: Final = "SELECT ifnull(max(seq), 0) FROM litequeue_printed"


class Piece(NamedTuple):
    """Some of what an attempt printed, or logged."""

    seq: int
    job: int
    label: str  # its task
    attempt: int
    number: int  # two next to each other, or some is missing between
    stream: str  # stdout, stderr or log
    at: int  # when it was written down, microseconds
    text: str
    is_over: bool  # its job does not run any more


class PrintedPieces:
    """The order, of one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> int:
        """Where it stands now."""
        found: int = self._database.one(LAST, {})[0]
        return found

    def after(self, seq: int, most: int) -> tuple[int, list[Piece]]:
        """The next pieces, as they were written, out of so many places; and where to go on: the same place, if there are none yet."""
        with self._database.read() as connection:
            (upto,) = connection.execute(UP_TO, {"after": seq, "most": most}).fetchone()
            if upto is None:
                return seq, []
            return upto, _pieces(connection.execute(AFTER, {"after": seq, "upto": upto, "most": most}).fetchall())

    def before(self, seq: int, most: int) -> tuple[int | None, list[Piece]]:
        """The pieces before a place, as they were written, out of so many places; and before what to go on: None, if there are no more."""
        with self._database.read() as connection:
            (downto,) = connection.execute(DOWN_TO, {"before": seq, "most": most}).fetchone()
            return downto, [] if downto is None else _pieces(connection.execute(BEFORE, {"before": seq, "most": most}).fetchall())


def _pieces(rows: Sequence[tuple[int, int, str | None, str | None, int, int, str, int, str, int]]) -> list[Piece]:
    return [
        Piece(seq, job, label(task or "?", schedule), attempt, number, stream, at, text, bool(is_over))
        for seq, job, task, schedule, attempt, number, stream, at, text, is_over in rows
    ]
