"""Version 1, "the queue": jobs and their failed attempts, tasks, workers, paused queues, and a view for people.

Its statements only, and never changed: files of this version are in use. What is added later is a version of its own.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
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
