"""Version 16, "moved": where a job is run that has left the file.

Statements only, and never changed: files of this version are in use. Code of version 15 may work on the file: to it such a job is one that was cancelled.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- The id under which another system has it; NULL: it is this file's.
ALTER TABLE litequeue_jobs ADD COLUMN moved_to TEXT
"""
