"""Version 12, "tags": words by which people find jobs.

Statements only, and never changed: files of this version are in use. Code of version 11 may work on the file: its jobs have none.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- A JSON array of words; NULL: none. Of a schedule: each tick's job's.
ALTER TABLE litequeue_jobs ADD COLUMN tags TEXT;
ALTER TABLE litequeue_schedules ADD COLUMN tags TEXT;
-- Those of jobs, by the words.
CREATE TABLE litequeue_tags (
    tag TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    PRIMARY KEY (tag, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX litequeue_tags_job ON litequeue_tags (job_id)
"""
