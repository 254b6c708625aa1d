"""Version 7, "after a wait": what becomes of a job that waited, beside its row.

Statements only, and never changed: files of this version are in use. Code of version 6 may work on the file: it keeps what was replaced for a
day, and puts it back with its replacement for its parent.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- Microseconds that it may run within once it may run; in place of its row's moment.
ALTER TABLE litequeue_waits ADD COLUMN expires INTEGER;
-- Of a job that has put another in its place: how long it is kept once that has ended, and, JSON, whom it had waited for itself.
ALTER TABLE litequeue_waits ADD COLUMN keep INTEGER;
ALTER TABLE litequeue_waits ADD COLUMN own_parents TEXT;
-- Of batches: one without members is known by its end alone.
CREATE INDEX litequeue_flows_end ON litequeue_flows (end_id) WHERE open >= 0
"""
