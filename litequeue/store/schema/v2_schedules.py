"""Version 2, "schedules": schedules, their ticks, what commands print, and telling people of what was discarded.

Statements only, and never changed: files of this version are in use. Code of version 1 does not serve these files well:
it never lets go a job that is blocked by the one of an earlier tick, and it closes no tick.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
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
