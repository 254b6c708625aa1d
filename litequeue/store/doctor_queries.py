"""The SQL of the doctor's questions: constants with named parameters, under the rules of ``queries``."""

from __future__ import annotations

from typing import Final

INTEGRITY: Final = "PRAGMA integrity_check(10)"
QUICK_CHECK: Final = "PRAGMA quick_check(10)"
TRIGGERS: Final = """SELECT name FROM sqlite_master
WHERE type = 'trigger' AND lower(substr(tbl_name, 1, 10)) = 'litequeue_'"""
LIVE_WORKERS: Final = """SELECT id, pid, lock_file, leaving_at IS NOT NULL, heartbeat_at
FROM litequeue_workers WHERE stopped_at IS NULL"""
HELD_BY_WORKERS: Final = """SELECT worker_id, count(*), sum(lease_expires_at < :now), max(lease_expires_at)
FROM litequeue_jobs WHERE state = 'running' GROUP BY worker_id"""
# Of each queue, pool and task: how many, and the oldest.
AVAILABLE_BY_TASK: Final = """SELECT min(id), count(*), min(run_at) FROM (
    SELECT id, queue, pool, task, run_at FROM litequeue_jobs WHERE state = 'available' LIMIT 100000)
GROUP BY queue, pool, task ORDER BY min(run_at) LIMIT 200"""
NEWEST: Final = """SELECT max(stamp) FROM (
    SELECT max(heartbeat_at) AS stamp FROM litequeue_workers
    UNION ALL
    SELECT max(created_at) FROM (SELECT created_at FROM litequeue_jobs ORDER BY id DESC LIMIT 100))"""
SCHEDULES: Final = """SELECT count(*), count(paused_at),
    count(CASE WHEN fires_at IS NOT NULL AND paused_at IS NULL AND disabled_at IS NULL THEN 1 END),
    count(CASE WHEN fires_at < :before AND paused_at IS NULL AND disabled_at IS NULL THEN 1 END),
    min(CASE WHEN fires_at < :before AND paused_at IS NULL AND disabled_at IS NULL THEN fires_at END)
FROM litequeue_schedules"""
# A job that tells of a failure is ticked off as it is made.
UNTOLD: Final = """SELECT count(*), max(id) FROM litequeue_jobs
WHERE (state = 'discarded' OR state = 'retrying') AND reported_at = created_at"""
DISABLED: Final = """SELECT name, disabled_why FROM litequeue_schedules
WHERE disabled_at IS NOT NULL ORDER BY name LIMIT 20"""
