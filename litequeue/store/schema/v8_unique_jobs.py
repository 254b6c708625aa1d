"""Version 8, "unique jobs": which job has which key.

Statements only, and never changed: files of this version are in use. Code of version 7 may work on the file: what it enqueues has no key.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- The keys of unique jobs. Whether a job keeps others out follows from what it is now: nothing is given back, so nothing can be forgotten.
CREATE TABLE litequeue_keys (
    job_id INTEGER PRIMARY KEY,
    task TEXT NOT NULL,
    key TEXT NOT NULL,
    holds INTEGER                         -- 1: the last job that was made under the key
        CHECK (holds = 1),
    until TEXT NOT NULL                   -- how long it keeps others out
        CHECK (until = 'finish' OR until = 'start' OR until = 'time' OR until = 'gone'),
    until_at INTEGER                      -- time: until then; gone: also, and the job has been deleted
) STRICT;
CREATE UNIQUE INDEX litequeue_keys_held ON litequeue_keys (task, key) WHERE holds = 1;
CREATE INDEX litequeue_keys_gone ON litequeue_keys (until_at) WHERE until = 'gone';
-- Of schedules: the key of each tick's job, JSON.
ALTER TABLE litequeue_schedules ADD COLUMN unique_key TEXT
"""
