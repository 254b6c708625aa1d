"""Version 11, "progress": how far running jobs say that they are.

Statements only, and never changed: files of this version are in use. Code of version 10 may work on the file: it keeps none, and leaves that of jobs that it prunes.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- What the last attempt that said anything has said.
CREATE TABLE litequeue_progress (
    job_id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL,             -- which execution
    at INTEGER NOT NULL,                  -- when it was written down
    said TEXT,                            -- JSON: [done, total, note, units a second]; NULL: nothing of that
    meta TEXT                             -- JSON: an object of what the task wants to show; NULL: nothing
) STRICT
"""
