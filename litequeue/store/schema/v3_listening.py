"""Version 3, "listening": which workers sleep and have room, so that who brings work wakes one of them and not all.

Statements only, and never changed: files of this version are in use. Code of version 2 serves these files as it did: it tells
every worker of everything, and its own workers, which do not say whether they listen, are told of everything.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- 0: awake, or full. 1: asleep beside calls that run. 2: asleep with nothing. NULL: to be told of everything.
ALTER TABLE litequeue_workers ADD COLUMN listening INTEGER
"""
