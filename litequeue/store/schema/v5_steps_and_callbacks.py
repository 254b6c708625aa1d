"""Version 5, "steps and callbacks": what a job remembers of how far it came, what has happened that jobs wait for, what is made
once a job has ended, and batches.

Statements only, and never changed: files of this version are in use. Code of version 4 may work on the file: to it a job that sleeps, or
waits for an event, is a scheduled one; callbacks wait until a worker of this version tells of them.
"""

from __future__ import annotations

from typing import Final

_NOW: Final = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"  # unixepoch('subsec') is of SQLite 3.42
FOREVER: Final = 221_845_392_000_000_000  # the year 9000: when a job is due that waits for an event without an end
_KEEP: Final = 30 * 86_400 * 1_000_000

SQL: Final = f"""
-- What is enqueued once a job has succeeded, or was discarded.
CREATE TABLE litequeue_callbacks (
    job_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    runs_when TEXT NOT NULL CHECK (runs_when = 'success' OR runs_when = 'failed'),
    job TEXT NOT NULL,                    -- JSON
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;
ALTER TABLE litequeue_schedules ADD COLUMN links INTEGER;

-- Batches: workflows to which jobs are added one by one.
ALTER TABLE litequeue_flows ADD COLUMN open INTEGER;
ALTER TABLE litequeue_flows ADD COLUMN children TEXT;
ALTER TABLE litequeue_waits ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- Of a job that has put another in its place: it ends with that one. What it had been given itself.
ALTER TABLE litequeue_waits ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE litequeue_waits ADD COLUMN own_inputs TEXT;

-- What a job's code has done for good, by its name: a later execution is given the value, and goes on behind it.
CREATE TABLE litequeue_steps (
    job_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT,                           -- JSON; NULL: it sleeps, or waits for an event
    until INTEGER,                        -- that long, at most
    event TEXT,                           -- whose payload the value is
    attempt INTEGER NOT NULL,             -- which wrote it
    at INTEGER NOT NULL,
    PRIMARY KEY (job_id, name)
) STRICT, WITHOUT ROWID;

-- What has happened. The first payload stays; who comes later to wait for it has it at once.
CREATE TABLE litequeue_events (
    name TEXT NOT NULL PRIMARY KEY,
    payload TEXT NOT NULL DEFAULT 'null',  -- JSON; no CHECK, since json_valid counts as unsafe in a schema before SQLite 3.41
    at INTEGER NOT NULL DEFAULT ({_NOW}),
    prune_at INTEGER NOT NULL DEFAULT ({_NOW} + {_KEEP})
) STRICT, WITHOUT ROWID;
CREATE INDEX litequeue_events_prunable ON litequeue_events (prune_at);

-- Which job waits for which events, in which of its steps.
CREATE TABLE litequeue_listeners (
    name TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    step TEXT NOT NULL,
    PRIMARY KEY (name, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX litequeue_listeners_job ON litequeue_listeners (job_id);

-- Whoever emits, in whatever language: those who wait go on. One that has timed out, and is elsewhere by now, is left alone. run_at never
-- falls behind the end of a sleep, or of a wait in vain, that the job has behind it: that these are over is seen by it alone.
CREATE TRIGGER litequeue_events_heard AFTER INSERT ON litequeue_events
WHEN EXISTS (SELECT 1 FROM litequeue_listeners WHERE name = NEW.name)
BEGIN
    UPDATE litequeue_steps SET value = NEW.payload, event = NEW.name, at = NEW.at
    WHERE (job_id, name) IN (SELECT job_id, step FROM litequeue_listeners WHERE name = NEW.name) AND value IS NULL
        AND EXISTS (SELECT 1 FROM litequeue_jobs WHERE id = job_id
            AND state = 'scheduled' AND run_at = ifnull(until, {FOREVER}));
    UPDATE litequeue_jobs SET state = 'available', run_at = min(run_at, max(NEW.at, ifnull((
        SELECT max(until) FROM litequeue_steps WHERE job_id = litequeue_jobs.id AND value IS NULL), 0)))
    WHERE id IN (SELECT l.job_id FROM litequeue_listeners AS l JOIN litequeue_steps AS s ON s.job_id = l.job_id AND s.name = l.step
            WHERE l.name = NEW.name AND s.value IS NOT NULL)
        AND state = 'scheduled';
    DELETE FROM litequeue_listeners WHERE job_id IN (
        SELECT l.job_id FROM litequeue_listeners AS l JOIN litequeue_steps AS s ON s.job_id = l.job_id AND s.name = l.step
        WHERE l.name = NEW.name AND s.value IS NOT NULL);
END
"""
