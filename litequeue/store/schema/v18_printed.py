"""Version 18, "in the order of printing": which piece of output came after which, over all jobs.

Statements only, and never changed: files of this version are in use. Code of version 17 may work on the file: what its workers keep is not followed over all jobs.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- The last of the pieces in litequeue_output, as they were written; one that is gone there is nothing any more.
CREATE TABLE litequeue_printed (
    seq INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,             -- which execution
    number INTEGER NOT NULL
) STRICT
"""
