"""Version 9, "limits": how many jobs of one key may run, and start within a time.

Statements only, and never changed: files of this version are in use. Code of version 8 would let limited jobs run without asking.
"""

from __future__ import annotations

from typing import Final

from .v5_steps_and_callbacks import FOREVER

SQL: Final = f"""
ALTER TABLE litequeue_jobs ADD COLUMN limit_key TEXT;  -- the limit's name, or name:value; NULL: unlimited
-- Of limited jobs. 0: it stands in no line, 1: it has a slot (available or running) or has just given it up, 2: it has come into line (blocked),
-- or had, and nobody has looked since, 3: it stands in line.
ALTER TABLE litequeue_jobs ADD COLUMN holds INTEGER;
ALTER TABLE litequeue_schedules ADD COLUMN limit_key TEXT;
CREATE INDEX litequeue_jobs_freed ON litequeue_jobs (id) WHERE holds = 1 AND state <> 'available' AND state <> 'running';
CREATE INDEX litequeue_jobs_holding ON litequeue_jobs (limit_key) WHERE holds = 1;
CREATE INDEX litequeue_jobs_arrived ON litequeue_jobs (id) WHERE holds = 2;
CREATE INDEX litequeue_jobs_line ON litequeue_jobs (limit_key, priority DESC, run_at, id) WHERE holds > 1 AND state = 'blocked';

CREATE TABLE litequeue_limits (
    name TEXT NOT NULL PRIMARY KEY,
    max_running INTEGER,                  -- at once, of each key; NULL: any number
    rate INTEGER,                         -- starts of each key in any time of that length; NULL: any number
    per INTEGER,                          -- microseconds
    declared TEXT                         -- JSON: what code has said last; what people have said since holds until it says something else
) STRICT, WITHOUT ROWID;
-- Keys to be looked at from then on, since a start will have left its window.
CREATE TABLE litequeue_asking (
    limit_key TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    since INTEGER NOT NULL DEFAULT 0      -- when that was said: later than now, where the clock has been set back
) STRICT, WITHOUT ROWID;
CREATE INDEX litequeue_asking_at ON litequeue_asking (at);
CREATE INDEX litequeue_asking_since ON litequeue_asking (since);
-- Starts by the time in which they fell, a 32nd of their limit's. One counts until all of it has left the window.
CREATE TABLE litequeue_starts (
    limit_key TEXT NOT NULL,
    began INTEGER NOT NULL,
    width INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (limit_key, began)
) STRICT, WITHOUT ROWID;

DROP TRIGGER litequeue_events_heard;
CREATE TRIGGER litequeue_events_heard AFTER INSERT ON litequeue_events
WHEN EXISTS (SELECT 1 FROM litequeue_listeners WHERE name = NEW.name)
BEGIN
    UPDATE litequeue_steps SET value = NEW.payload, event = NEW.name, at = NEW.at
    WHERE (job_id, name) IN (SELECT job_id, step FROM litequeue_listeners WHERE name = NEW.name) AND value IS NULL
        AND EXISTS (SELECT 1 FROM litequeue_jobs WHERE id = job_id
            AND state = 'scheduled' AND run_at = ifnull(until, {FOREVER}));
    UPDATE litequeue_jobs SET state = CASE WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END,
        holds = CASE WHEN limit_key IS NULL THEN holds ELSE 2 END,
        run_at = min(run_at, max(NEW.at, ifnull((
        SELECT max(until) FROM litequeue_steps WHERE job_id = litequeue_jobs.id AND value IS NULL), 0)))
    WHERE id IN (SELECT l.job_id FROM litequeue_listeners AS l JOIN litequeue_steps AS s ON s.job_id = l.job_id AND s.name = l.step
            WHERE l.name = NEW.name AND s.value IS NOT NULL)
        AND state = 'scheduled';
    DELETE FROM litequeue_listeners WHERE job_id IN (
        SELECT l.job_id FROM litequeue_listeners AS l JOIN litequeue_steps AS s ON s.job_id = l.job_id AND s.name = l.step
        WHERE l.name = NEW.name AND s.value IS NOT NULL);
END
"""
