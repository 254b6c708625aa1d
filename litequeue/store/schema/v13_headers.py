"""Version 13, "headers": small values that travel from the enqueue to the run, for observers.

Statements only, and never changed: files of this version are in use. Code of version 12 may work on the file: its jobs have none.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- A JSON object; NULL: none. Of a schedule: each tick's job's.
ALTER TABLE litequeue_jobs ADD COLUMN headers TEXT;
ALTER TABLE litequeue_schedules ADD COLUMN headers TEXT
"""
