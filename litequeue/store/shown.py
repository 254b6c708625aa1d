"""What a job itself leaves to be seen: its steps, what it printed, how far it says that it is. Read only.

Owns those queries. What stands there may be anybody's: what is none of ours is shown as nothing. How each comes into the file is in ``steps`` and ``turn``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from ..base import stored
from ..base.checks import aware
from .file import Database

if TYPE_CHECKING:
    from ..base.records import JobProgress, OutputPiece, StepInfo

STEPS: Final = """SELECT s.name, s.value, s.until, s.attempt - j.releases, s.at, s.event
FROM litequeue_steps AS s JOIN litequeue_jobs AS j ON j.id = s.job_id WHERE s.job_id = :id ORDER BY s.at DESC, s.name DESC LIMIT :most"""
OUTPUT: Final = """SELECT attempt, number, stream, at, text FROM litequeue_output
WHERE job_id = :id AND (attempt, number) > (:attempt, :number) ORDER BY attempt, number"""
PROGRESS: Final = "SELECT attempt, at, said FROM litequeue_progress WHERE job_id = :id AND said IS NOT NULL"
META: Final = "SELECT meta FROM litequeue_progress WHERE job_id = :id AND meta IS NOT NULL"


# Both only while the attempt is the one that counts.
HEADERS: Final = """SELECT headers, CASE WHEN attempt = :attempt AND state = 'running' THEN (SELECT name FROM litequeue_workers AS w WHERE w.id = worker_id) END
FROM litequeue_jobs WHERE id = :id"""


class Shown:
    """Of one job at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def steps(self, job_id: int, most: int = -1) -> list[StepInfo]:
        """What a job remembers of how far it came; so many of it, the last, or all."""
        from ..base.records import StepInfo

        with self._database.read() as connection:
            rows = reversed(connection.execute(STEPS, {"id": job_id, "most": most}).fetchall())
        return [StepInfo(name, value, None if until is None else aware(until), attempt, aware(at), event)
                for name, value, until, attempt, at, event in rows]  # fmt: skip

    def headers(self, job_id: int, attempt: int) -> tuple[dict[str, Any], str | None]:
        """What came with the enqueue, and the name of the worker that has this attempt."""
        text, worker = self._database.one(HEADERS, {"id": job_id, "attempt": attempt}) or (None, None)
        return stored.loads_as(text, dict), worker

    def output(self, job_id: int, attempt: int, number: int) -> list[OutputPiece]:
        """What a job printed, after a piece that is known already."""
        from ..base.records import OutputPiece

        parameters = {"id": job_id, "attempt": attempt, "number": number}
        with self._database.read() as connection:
            rows = connection.execute(OUTPUT, parameters).fetchall()
        return [OutputPiece(a, n, stream, aware(at), text) for a, n, stream, at, text in rows]

    def progress(self, job_id: int) -> JobProgress | None:
        """What the job said last of how far it is; None if nothing."""
        from ..base.records import JobProgress

        row = self._database.one(PROGRESS, {"id": job_id})
        if row is None:
            return None
        attempt, at, text = row
        done, total, note, speed = _four(text)
        if done is None:
            return None
        return JobProgress(done, total, note, speed, attempt, aware(at))

    def meta(self, job_id: int) -> str | None:
        """JSON, as it is stored: an object; None if nothing is."""
        row = self._database.one(META, {"id": job_id})
        return None if row is None else str(row[0])


def _four(text: str) -> tuple[float | None, float | None, str | None, float | None]:
    """What the task has said, as far as it is what a task can say."""
    try:
        said: Any = stored.loads(text)
    except ValueError:
        said = None
    if type(said) is not list or len(said) != 4:
        return None, None, None, None
    done, total, note, speed = said
    return _amount(done), _amount(total), note if isinstance(note, str) else None, _amount(speed)


def _amount(value: Any) -> float | None:
    return value if type(value) in (int, float) and math.isfinite(value) and value >= 0 else None
