"""Jobs of schedules that do not end, and keep their schedules from going on.

Owns what is asked and noted of them. Which of them have run for too long is decided in ``triggers/firing``; that people are
told of each once follows from the note in its tick's row, which is made in the transaction that tells.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, NamedTuple

from ...base.bell import Address
from ...base.models import NewJob, Planned
from ..bells import everyone
from ..file import Database
from ..notices import insert_notices
from .history import IS_OPEN, OPEN

_PLANNED: Final = ", ".join(f"s.{column}" for column in Planned._fields)

UNENDED: Final = f"""SELECT json_group_array(json_array(json_array({_PLANNED}), t.tick_at, j.id, t.reason IS NOT NULL
        AND t.reason LIKE '%' || :note, json_array(s.on_failure, s.mail_to, s.queue), j.state = 'running'))
FROM litequeue_ticks AS t {OPEN}
CROSS JOIN litequeue_jobs AS j ON j.id = t.job_id
CROSS JOIN litequeue_schedules AS s ON s.id = t.schedule_id
WHERE {IS_OPEN} AND t.tick_at < :before AND j.state IN ('running', 'available', 'retrying', 'scheduled') AND s.overlap <> 'allow'"""

NOTE: Final = "its job did not end"
TELL: Final = """UPDATE litequeue_ticks SET reason = coalesce(reason || '; ', '') || :note
WHERE schedule_id = :schedule AND tick_at = :tick AND (reason IS NULL OR reason NOT LIKE '%' || :note)"""


class Unended(NamedTuple):
    """A job of a schedule whose tick was a while ago and that has not ended."""

    schedule: Planned
    tick: int
    job: int
    told: bool
    listening: tuple[str | None, str | None, str]  # the schedule's on_failure, mail_to and queue
    runs: bool  # else it waits


def unended(database: Database, before: int) -> list[Unended]:
    """Those of ticks before then, but for schedules whose jobs may overlap."""
    (text,) = database.one(UNENDED, {"before": before, "note": NOTE})
    return [
        Unended(Planned(*row), tick, job, bool(told), tuple(listening), bool(runs))
        for row, tick, job, told, listening, runs in json.loads(text)
    ]


def tell(database: Database, found: Unended, now: int, jobs: Callable[[], list[NewJob]]) -> list[Address] | None:
    """Note it, and insert the jobs that tell people of it. Whom to wake; None if somebody else was faster."""
    with database.write(durable=False) as connection:
        key = {"schedule": found.schedule.id, "tick": found.tick, "note": NOTE}
        if not connection.execute(TELL, key).rowcount:
            return None
        insert_notices(connection, jobs(), now)
        return everyone(connection)
