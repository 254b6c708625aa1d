"""What became of each tick: its row, the end of its job, and for how long that is kept.

Owns ``litequeue_ticks``. A row is written in the transaction that decides the tick; the end of its job is written before
the job is pruned, so that the history outlives it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from ...base.checks import MICROS, aware
from ...base.models import Fire, JobColumns
from ..keys import hold
from ..rules import HAS_COME, NO_LINE
from ..tags import note
from .keyed import Keyed, kept_out

KEEP_TICKS: Final = 90 * 86_400 * 1_000_000
KEEP_OF_EACH: Final = 10_000  # ticks of one schedule
THIN_EVERY: Final = 1_000

# Ticks whose jobs have not ended, as far as is written: by this index, or SQLite walks each schedule's whole history
# (measured: 200 schedules that have fired hourly for 90 days took 180 ms to fire, 25 ms with it).
OPEN: Final = """INDEXED BY litequeue_ticks_open"""
IS_OPEN: Final = "t.job_id IS NOT NULL AND t.job_finished_at IS NULL"

# The outcome of ticks whose jobs have ended, written where it outlives the job. Of each schedule the oldest hundred:
# where jobs heap up because nobody runs them, a tick must not cost as much as all of them.
CLOSE_OF: Final = f"""UPDATE litequeue_ticks SET (job_state, job_finished_at) = (
    SELECT j.state, j.finished_at FROM litequeue_jobs AS j WHERE j.id = litequeue_ticks.job_id)
WHERE (schedule_id, tick_at) IN (
    SELECT t.schedule_id, t.tick_at
    FROM json_each(:schedules) AS v CROSS JOIN litequeue_ticks AS t {OPEN}
    CROSS JOIN litequeue_jobs AS j ON j.id = t.job_id AND j.finished_at IS NOT NULL
    WHERE t.schedule_id = v.value AND {IS_OPEN} AND t.job_id <= coalesce((
        SELECT t.job_id FROM litequeue_ticks AS t {OPEN}
        WHERE t.schedule_id = v.value AND {IS_OPEN} ORDER BY t.job_id LIMIT 1 OFFSET 100), 9223372036854775807))"""
CLOSE_ALL: Final = """UPDATE litequeue_ticks SET job_state = j.state, job_finished_at = j.finished_at
FROM litequeue_jobs AS j
WHERE litequeue_ticks.job_id IS NOT NULL AND litequeue_ticks.job_finished_at IS NULL
  AND j.id = litequeue_ticks.job_id AND j.finished_at IS NOT NULL"""
REOPEN: Final = """UPDATE litequeue_ticks SET job_state = NULL, job_finished_at = NULL
WHERE (schedule_id, tick_at) = (SELECT schedule_id, scheduled_for FROM litequeue_jobs WHERE id = :id)"""

# In the order given, so that the ids can be told from the last one.
FIRE_JOBS: Final = f"""INSERT INTO litequeue_jobs
    (task, args, kwargs, state, run_at, created_at, expires_at, schedule_id, scheduled_for, {", ".join(JobColumns._fields)}, holds)
SELECT s.task, s.args, s.kwargs, CASE WHEN s.limit_key IS NULL THEN json_extract(v.value, '$[2]') ELSE 'blocked' END, :now, :now, :now + s.expires,
    s.id, json_extract(v.value, '$[1]'), {", ".join(f"s.{column}" for column in JobColumns._fields)},
    CASE WHEN s.limit_key IS NOT NULL THEN CASE WHEN json_extract(v.value, '$[2]') = 'blocked' THEN {NO_LINE} ELSE {HAS_COME} END END
FROM json_each(:jobs) AS v CROSS JOIN litequeue_schedules AS s ON s.id = json_extract(v.value, '$[0]')
ORDER BY v.key"""

RECORD_TICKS: Final = """INSERT INTO litequeue_ticks
    (schedule_id, tick_at, through_at, decided_at, outcome, reason, job_id)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), :now,
    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(:ticks) WHERE true
ON CONFLICT (schedule_id, tick_at) DO NOTHING"""

COUNT_TICKS: Final = """INSERT INTO litequeue_tick_counts (schedule_id, outcome, count)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[3]'), count(*) FROM json_each(:ticks) WHERE true GROUP BY 1, 2
ON CONFLICT DO UPDATE SET count = count + excluded.count"""

# The last sign of life of the workers that had started when a tick came, and the first start after it.
AROUND: Final = """SELECT
    max(CASE WHEN started_at <= :tick THEN coalesce(stopped_at, heartbeat_at) END),
    min(CASE WHEN started_at > :tick THEN started_at END)
FROM litequeue_workers"""
BEAT_LATE: Final = 20 * MICROS  # a worker shows itself every ten seconds

# -- keeping it short --------------------------------------------------------------------------------

OLD_TICK: Final = "SELECT 1 FROM litequeue_ticks WHERE decided_at < :before LIMIT 1"
PRUNE_TICKS: Final = """DELETE FROM litequeue_ticks WHERE (schedule_id, tick_at) IN (
    SELECT schedule_id, tick_at FROM litequeue_ticks
    WHERE decided_at < :before ORDER BY decided_at LIMIT :limit)"""
THIN_TICKS: Final = """DELETE FROM litequeue_ticks
WHERE schedule_id = :id AND tick_at < (
    SELECT tick_at FROM litequeue_ticks WHERE schedule_id = :id ORDER BY tick_at DESC LIMIT 1 OFFSET :keep)"""
MUCH_FIRED: Final = """SELECT json_group_array(id) FROM litequeue_schedules
WHERE id IN (SELECT value FROM json_each(:schedules)) AND ticks % :every < :step"""


def insert_fired(
    connection: sqlite3.Connection, jobs: Sequence[Fire], rows: list[list[Any]], now: int
) -> list[tuple[int, int, int]]:
    """Make the jobs of ticks, and the rows of all. As (schedule, tick, job)."""
    first = 0
    keyed = kept_out(connection, jobs, now) if jobs else Keyed(jobs, [], {})
    jobs, rows = keyed.jobs, rows + keyed.rows
    if jobs:
        text = json.dumps([job[:3] for job in jobs])
        connection.execute(FIRE_JOBS, {"jobs": text, "now": now})
        # AUTOINCREMENT under the write lock: nobody's ids can lie between ours.
        (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
        first = last - len(jobs) + 1
        note(connection, first, last)
    fired = [(id_, tick, first + n) for n, (id_, tick, _, _) in enumerate(jobs)]
    for schedule, _, job in fired:
        if schedule in keyed.keys:
            hold(connection, *keyed.keys[schedule], job, now)
    outcomes = [job[3] for job in jobs]
    ticks = [
        [id_, tick, None, outcome, _why_late(connection, tick, now) if outcome == "late" else None, job]
        for (id_, tick, job), outcome in zip(fired, outcomes, strict=True)
    ]
    if ticks or rows:
        text = json.dumps(ticks + rows)
        connection.execute(RECORD_TICKS, {"ticks": text, "now": now})
        connection.execute(COUNT_TICKS, {"ticks": text})
    return fired


def _why_late(connection: sqlite3.Connection, tick: int, now: int) -> str | None:
    """That no worker ran when it came, as far as the rows of workers go back; None if one did."""
    before, after = connection.execute(AROUND, {"tick": tick}).fetchone()
    if before is not None and before >= tick - BEAT_LATE:
        return None
    since = "" if before is None else f" from {_shown(before)}"
    return f"no worker ran{since} to {_shown(now if after is None else min(after, now))}"


def _shown(stamp: int) -> str:
    return aware(stamp).isoformat(sep=" ", timespec="seconds")


def thin(connection: sqlite3.Connection, schedules: str, most: int) -> None:
    """Bound the history of a schedule that fires often; ``most``: ticks that any of them has just had."""
    (text,) = connection.execute(
        MUCH_FIRED, {"schedules": schedules, "every": THIN_EVERY, "step": most}
    ).fetchone()
    for id_ in json.loads(text):
        connection.execute(THIN_TICKS, {"id": id_, "keep": KEEP_OF_EACH - 1})
