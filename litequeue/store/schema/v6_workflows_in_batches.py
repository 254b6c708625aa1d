"""Version 6, "workflows in batches": which batch a workflow is a member of, with all its steps.

Statements only, and never changed: files of this version are in use. Code of version 5 may work on the file: a workflow that it stores in a
batch is a member by its end alone.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
ALTER TABLE litequeue_flows ADD COLUMN batch_id INTEGER;
CREATE INDEX litequeue_flows_batch ON litequeue_flows (batch_id) WHERE batch_id > 0
"""
