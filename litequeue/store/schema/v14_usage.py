"""Version 14, "usage": what attempts have used.

Statements only, and never changed: files of this version are in use. Code of version 13 may work on the file: it keeps none, and leaves that of jobs that it prunes.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- Of attempts in a process of their own that took long enough to be measured, and of commands, whatever they came to.
CREATE TABLE litequeue_usage (
    job_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,             -- which execution
    cpu_time INTEGER NOT NULL,            -- microseconds, with those of what it had waited for
    max_rss INTEGER,                      -- bytes, the most that its process had in memory; NULL: nobody can tell
    PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID
"""
