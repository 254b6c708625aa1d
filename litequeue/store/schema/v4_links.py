"""Version 4, "links": jobs that wait for jobs.

Statements only, and never changed: files of this version are in use. Older code does not serve these files well: it would run a job
that waited for others without what it is to be given of them.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- 1: others wait for it, and are to be told of its end. 2: they have been. 4: it waits, or waited, for others. Or 4 with one of those.
ALTER TABLE litequeue_jobs ADD COLUMN links INTEGER;
CREATE INDEX litequeue_jobs_untold ON litequeue_jobs (id)
    WHERE (links = 1 OR links = 5) AND finished_at IS NOT NULL;

-- Who waits for whom.
CREATE TABLE litequeue_edges (
    parent_id INTEGER NOT NULL,
    child_id INTEGER NOT NULL,
    position INTEGER NOT NULL,            -- of the parent among those of the child
    PRIMARY KEY (parent_id, child_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX litequeue_edges_child ON litequeue_edges (child_id, position);

-- One row for each job that waits, or waited, for others.
CREATE TABLE litequeue_waits (
    job_id INTEGER PRIMARY KEY,
    pending INTEGER NOT NULL,             -- parents of whose end it has not been told
    upset INTEGER NOT NULL DEFAULT 0,     -- those of the others that did not succeed
    runs_when TEXT NOT NULL DEFAULT 'success'
        CHECK (runs_when = 'success' OR runs_when = 'failed' OR runs_when = 'ended'),
    takes TEXT                            -- of its parents' results, before its own arguments; NULL: none
        CHECK (takes = 'one' OR takes = 'all'),
    delay INTEGER,                        -- microseconds from when it may run
    inputs TEXT,                          -- JSON, copied when it was let go
    cause INTEGER                         -- the job for whose sake it was cancelled
) STRICT;

-- Jobs that were stored together, under one handle; in ranges, since one may grow.
CREATE TABLE litequeue_flows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    end_id INTEGER,                       -- the job whose end is that of the whole; NULL: there is none
    gathers INTEGER NOT NULL DEFAULT 0,   -- 1: what it comes to is the results of all that this job waited for
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE litequeue_flow_jobs (
    first_id INTEGER PRIMARY KEY,
    last_id INTEGER NOT NULL,
    flow_id INTEGER NOT NULL
) STRICT;
CREATE INDEX litequeue_flow_jobs_flow ON litequeue_flow_jobs (flow_id)
"""
