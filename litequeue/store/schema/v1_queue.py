"""The tables, and the ordered migrations that make them.

Owns every CREATE statement and the schema's version. Tables are prefixed ``litequeue_`` because the file
may hold the app's own tables too; the version lives in ``litequeue_meta`` because ``user_version`` and
``application_id`` are the app's. Documented for people who read the file with plain SQL; columns are added,
never renamed. Times are integer microseconds since the epoch, UTC, in columns named ``*_at``.

The CHECKs are chains of OR and CASE, not ``IN (...)`` lists: SQLite builds an IN list anew for each
inserted row (measured: 14 us a row with two IN lists, 7 us with the same rules as OR chains).
"""

from __future__ import annotations

import sqlite3
from typing import Final

from ..base.errors import SchemaTooNew

VERSION_1: Final = """
CREATE TABLE litequeue_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL DEFAULT 'default',
    task TEXT NOT NULL,
    args TEXT NOT NULL DEFAULT '[]',      -- JSON array
    kwargs TEXT NOT NULL DEFAULT '{}',    -- JSON object
    state TEXT NOT NULL DEFAULT 'available',
    pool TEXT NOT NULL DEFAULT 'thread'
        CHECK (pool = 'thread' OR pool = 'process' OR pool = 'async'),
    priority INTEGER NOT NULL DEFAULT 0,  -- higher runs first
    run_at INTEGER NOT NULL DEFAULT 0,    -- not before; also the order within a priority
    attempt INTEGER NOT NULL DEFAULT 0,   -- claims so far; rises at claim, never falls
    releases INTEGER NOT NULL DEFAULT 0,  -- claims that were given back before anything ran
    failures INTEGER NOT NULL DEFAULT 0,  -- those that count against max_attempts
    interruptions INTEGER NOT NULL DEFAULT 0,  -- workers that died under it
    max_attempts INTEGER,                 -- NULL: the worker that knows the task fills it in
    timeout INTEGER,                      -- microseconds; NULL: as the task says
    soft_timeout INTEGER,
    at_most_once INTEGER NOT NULL DEFAULT 0,
    worker_id INTEGER,                    -- the worker that claimed it last
    lease_expires_at INTEGER,
    -- The defaults of times are for rows that people insert by hand; litequeue passes its own clock's.
    created_at INTEGER NOT NULL
        DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    started_at INTEGER,
    finished_at INTEGER,
    expires_at INTEGER,                   -- not started by then: expired
    cancel_requested_at INTEGER,
    prune_at INTEGER,                     -- a final job is deleted after this
    result TEXT,                          -- JSON
    last_error TEXT,
    CHECK (attempt >= 0 AND attempt < 1000000000000 AND releases >= 0 AND releases <= attempt
        AND failures >= 0 AND failures <= attempt AND interruptions >= 0 AND interruptions <= attempt),
    CHECK (CASE
        WHEN state = 'available' OR state = 'scheduled' OR state = 'retrying' OR state = 'blocked'
            THEN lease_expires_at IS NULL AND finished_at IS NULL AND prune_at IS NULL
        WHEN state = 'running'
            THEN lease_expires_at IS NOT NULL AND finished_at IS NULL AND worker_id IS NOT NULL
        WHEN state = 'succeeded' OR state = 'discarded' OR state = 'cancelled' OR state = 'expired'
            THEN lease_expires_at IS NULL AND finished_at IS NOT NULL AND prune_at IS NOT NULL
        ELSE 0 END)
) STRICT;

CREATE INDEX litequeue_jobs_available ON litequeue_jobs (queue, pool, priority DESC, run_at, id)
    WHERE state = 'available';
CREATE INDEX litequeue_jobs_due ON litequeue_jobs (run_at)
    WHERE state = 'scheduled' OR state = 'retrying';
CREATE INDEX litequeue_jobs_running ON litequeue_jobs (worker_id)
    WHERE state = 'running';
CREATE INDEX litequeue_jobs_expiring ON litequeue_jobs (expires_at)
    WHERE expires_at IS NOT NULL AND finished_at IS NULL AND lease_expires_at IS NULL;
CREATE INDEX litequeue_jobs_cancelling ON litequeue_jobs (worker_id)
    WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL;
CREATE INDEX litequeue_jobs_prunable ON litequeue_jobs (prune_at)
    WHERE prune_at IS NOT NULL;

-- Attempts that did not succeed; the successful one is the job's own row.
CREATE TABLE litequeue_attempts (
    job_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,             -- which execution: the job's attempt less its releases
    outcome TEXT NOT NULL,                -- failed, discarded, cancelled, interrupted
    worker_id INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    error_type TEXT NOT NULL,
    error_message TEXT NOT NULL,
    traceback TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, attempt)
) STRICT;

-- Where a task's code is, as its producers saw it, and the options for an enqueue by name.
CREATE TABLE litequeue_tasks (
    name TEXT PRIMARY KEY,
    module TEXT NOT NULL,
    qualname TEXT NOT NULL,
    directory TEXT NOT NULL,
    options TEXT NOT NULL,                -- JSON object
    recorded_at INTEGER NOT NULL
) STRICT;

CREATE TABLE litequeue_workers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    lock_file TEXT NOT NULL,              -- in DB-workers/, held locked while the worker lives
    wake_port INTEGER                     -- UDP on loopback: one byte means "look"
        CHECK (wake_port > 0 AND wake_port < 65536),
    queues TEXT,                          -- JSON array; NULL: all
    slots TEXT NOT NULL,                  -- JSON object: pool -> concurrency
    unknown_tasks TEXT NOT NULL DEFAULT '{}',  -- JSON object: task -> why it cannot run here
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    leaving_at INTEGER,                   -- shut down with calls still running: release, not rescue
    stopped_at INTEGER
) STRICT;
CREATE INDEX litequeue_workers_live ON litequeue_workers (id) WHERE stopped_at IS NULL;

-- Only queues that somebody paused have a row.
CREATE TABLE litequeue_queues (
    name TEXT PRIMARY KEY,
    paused_at INTEGER
) STRICT;

-- For people: the same jobs with readable times (UTC).
CREATE VIEW litequeue_jobs_readable AS SELECT
    id, task, queue, state, attempt - releases AS attempt, failures, max_attempts, priority, args, kwargs, result, last_error,
    strftime('%Y-%m-%d %H:%M:%f', created_at / 1e6, 'unixepoch') AS created,
    strftime('%Y-%m-%d %H:%M:%f', run_at / 1e6, 'unixepoch') AS due,
    strftime('%Y-%m-%d %H:%M:%f', started_at / 1e6, 'unixepoch') AS started,
    strftime('%Y-%m-%d %H:%M:%f', finished_at / 1e6, 'unixepoch') AS finished,
    (finished_at - started_at) / 1e6 AS seconds,
    (SELECT name FROM litequeue_workers WHERE litequeue_workers.id = worker_id) AS worker
FROM litequeue_jobs
"""

# Schedules, their ticks, what commands print, and telling people of what was discarded.
VERSION_2: Final = """
ALTER TABLE litequeue_jobs ADD COLUMN schedule_id INTEGER;
ALTER TABLE litequeue_jobs ADD COLUMN scheduled_for INTEGER;  -- the tick that it was made for
ALTER TABLE litequeue_jobs ADD COLUMN reported_at INTEGER;    -- discarded: whoever asked has been told
UPDATE litequeue_jobs SET reported_at = finished_at WHERE state = 'discarded';
CREATE INDEX litequeue_jobs_blocked ON litequeue_jobs (schedule_id, id) WHERE state = 'blocked';
CREATE INDEX litequeue_jobs_unreported ON litequeue_jobs (id)
    WHERE state = 'discarded' AND reported_at IS NULL;

CREATE TABLE litequeue_schedules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    trigger TEXT NOT NULL,                -- JSON object: cron and timezone, every, at, ...
    -- The job of each tick, as in litequeue_jobs.
    task TEXT NOT NULL,
    args TEXT NOT NULL DEFAULT '[]',
    kwargs TEXT NOT NULL DEFAULT '{}',
    queue TEXT NOT NULL DEFAULT 'default',
    pool TEXT NOT NULL DEFAULT 'thread',
    priority INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER,
    timeout INTEGER,
    soft_timeout INTEGER,
    at_most_once INTEGER NOT NULL DEFAULT 0,
    expires INTEGER,                      -- microseconds after the tick
    -- What to do when it could not be on time, or its last job still runs.
    catch_up TEXT NOT NULL DEFAULT 'latest'
        CHECK (catch_up = 'latest' OR catch_up = 'skip' OR catch_up = 'all'),
    grace INTEGER NOT NULL CHECK (grace >= 0),  -- microseconds
    overlap TEXT NOT NULL DEFAULT 'skip'
        CHECK (overlap = 'skip' OR overlap = 'queue' OR overlap = 'allow'),
    jitter INTEGER NOT NULL DEFAULT 0 CHECK (jitter >= 0),
    on_failure TEXT,                      -- a command for sh, given the failure as JSON
    mail_to TEXT,
    module TEXT,                          -- the code that declares it; NULL: added at run time
    directory TEXT,
    anchor_at INTEGER NOT NULL,           -- what intervals count from
    next_tick_at INTEGER,                 -- NULL: none, or it waits for its job to finish
    fires_at INTEGER,                     -- that tick with its jitter
    awaiting INTEGER NOT NULL DEFAULT 0,  -- the next tick counts from the end of the last one's job
    boot TEXT,                            -- of a trigger that fires once per boot: the last one
    ticks INTEGER NOT NULL DEFAULT 0,     -- fired so far
    revision INTEGER NOT NULL DEFAULT 0,  -- rises with each change by people or code
    paused_at INTEGER,
    disabled_at INTEGER,                  -- by litequeue itself
    disabled_why TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((next_tick_at IS NULL) = (fires_at IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
) STRICT;
CREATE INDEX litequeue_schedules_due ON litequeue_schedules (fires_at)
    WHERE fires_at IS NOT NULL AND paused_at IS NULL AND disabled_at IS NULL;
CREATE INDEX litequeue_schedules_awaiting ON litequeue_schedules (id) WHERE awaiting = 1;
CREATE INDEX litequeue_schedules_boot ON litequeue_schedules (boot) WHERE boot IS NOT NULL;

-- What became of each tick. Kept longer than the jobs.
CREATE TABLE litequeue_ticks (
    schedule_id INTEGER NOT NULL,
    tick_at INTEGER NOT NULL,
    through_at INTEGER,                   -- one row for many that were missed: the last of them
    decided_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,                -- fired, late, manual, skipped or missed
    reason TEXT,
    job_id INTEGER,
    job_state TEXT,                       -- once that is final
    job_finished_at INTEGER,
    PRIMARY KEY (schedule_id, tick_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX litequeue_ticks_open ON litequeue_ticks (schedule_id, job_id)
    WHERE job_id IS NOT NULL AND job_finished_at IS NULL;
CREATE INDEX litequeue_ticks_decided ON litequeue_ticks (decided_at);

-- What a job's attempts printed, in pieces, while they run.
CREATE TABLE litequeue_output (
    job_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,             -- which execution
    number INTEGER NOT NULL,
    stream TEXT NOT NULL,                 -- stdout, stderr, or usage: JSON
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (job_id, attempt, number)
) STRICT, WITHOUT ROWID
"""

MIGRATIONS: Final[tuple[str, ...]] = (VERSION_1, VERSION_2)
CURRENT: Final = len(MIGRATIONS)

_META = "CREATE TABLE IF NOT EXISTS litequeue_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"
_HAS_META = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'litequeue_meta'"
_GET = "SELECT value FROM litequeue_meta WHERE key = 'schema_version'"
_PUT = """INSERT INTO litequeue_meta (key, value) VALUES ('schema_version', :version)
ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
_COUNT = "SELECT count(*) FROM sqlite_master"


def version(connection: sqlite3.Connection) -> int:
    """The schema's version in this file; 0 where our tables are not."""
    if connection.execute(_HAS_META).fetchone() is None:
        return 0
    row = connection.execute(_GET).fetchone()
    return 0 if row is None else int(row[0])


def refuse_newer(found: int, path: str) -> None:
    """Raise SchemaTooNew for a version that this code does not know."""
    if found > CURRENT:
        raise SchemaTooNew(
            f"{path} has schema version {found}, this litequeue knows up to {CURRENT}: upgrade litequeue"
        )


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database holds nothing at all, ours or anyone's."""
    return bool(connection.execute(_COUNT).fetchone()[0] == 0)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to CURRENT inside the caller's write transaction: all of it or nothing."""
    found = version(connection)
    if found < CURRENT:
        connection.execute(_META)
        for migration in MIGRATIONS[found:]:
            for statement in _statements(migration):
                connection.execute(statement)
        connection.execute(_PUT, {"version": str(CURRENT)})


def _statements(script: str) -> list[str]:
    # executescript() commits first, which would let a kill leave half a migration behind.
    found, pending = [], ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
