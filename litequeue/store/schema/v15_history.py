"""Version 15, "history": what came of jobs, counted by spans of time, what people have done, and two indexes for looking.

Statements only, and never changed: files of this version are in use. Code of version 14 may work on the file: what it does is not counted.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
-- What did not succeed is looked for, and counted, among millions that did: 0.8 us a row that is settled, and nothing an insert.
CREATE INDEX litequeue_jobs_ended ON litequeue_jobs (state, finished_at, id)
    WHERE finished_at IS NOT NULL AND state <> 'succeeded';
CREATE INDEX litequeue_jobs_retrying ON litequeue_jobs (run_at, id) WHERE state = 'retrying';
ALTER TABLE litequeue_attempts ADD COLUMN due_at INTEGER;  -- from when it could have started; NULL: by code that did not say

-- Flows. A span in seconds, and when it began; span 0 is all time, and its at 0.
CREATE TABLE litequeue_metrics (
    span INTEGER NOT NULL,
    at INTEGER NOT NULL,
    task TEXT NOT NULL,                   -- '' and queue '': more than a hundred a minute are one
    queue TEXT NOT NULL,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,    -- attempts after which the job is tried again
    discarded INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0,  -- attempts whose worker died, of jobs that run again
    released INTEGER NOT NULL DEFAULT 0,
    snoozed INTEGER NOT NULL DEFAULT 0,
    run_us INTEGER NOT NULL DEFAULT 0,    -- of attempts that ran to an end, in all
    wait_us INTEGER NOT NULL DEFAULT 0,   -- from when these were due to their start
    -- How many took at most .001 .003 .01 .03 .1 .3 1 3 10 30 100 300 1000 3600 seconds, and longer.
    run_0 INTEGER NOT NULL DEFAULT 0, run_1 INTEGER NOT NULL DEFAULT 0, run_2 INTEGER NOT NULL DEFAULT 0,
    run_3 INTEGER NOT NULL DEFAULT 0, run_4 INTEGER NOT NULL DEFAULT 0, run_5 INTEGER NOT NULL DEFAULT 0,
    run_6 INTEGER NOT NULL DEFAULT 0, run_7 INTEGER NOT NULL DEFAULT 0, run_8 INTEGER NOT NULL DEFAULT 0,
    run_9 INTEGER NOT NULL DEFAULT 0, run_10 INTEGER NOT NULL DEFAULT 0, run_11 INTEGER NOT NULL DEFAULT 0,
    run_12 INTEGER NOT NULL DEFAULT 0, run_13 INTEGER NOT NULL DEFAULT 0, run_14 INTEGER NOT NULL DEFAULT 0,
    wait_0 INTEGER NOT NULL DEFAULT 0, wait_1 INTEGER NOT NULL DEFAULT 0, wait_2 INTEGER NOT NULL DEFAULT 0,
    wait_3 INTEGER NOT NULL DEFAULT 0, wait_4 INTEGER NOT NULL DEFAULT 0, wait_5 INTEGER NOT NULL DEFAULT 0,
    wait_6 INTEGER NOT NULL DEFAULT 0, wait_7 INTEGER NOT NULL DEFAULT 0, wait_8 INTEGER NOT NULL DEFAULT 0,
    wait_9 INTEGER NOT NULL DEFAULT 0, wait_10 INTEGER NOT NULL DEFAULT 0, wait_11 INTEGER NOT NULL DEFAULT 0,
    wait_12 INTEGER NOT NULL DEFAULT 0, wait_13 INTEGER NOT NULL DEFAULT 0, wait_14 INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (span, at, task, queue)
) STRICT, WITHOUT ROWID;

-- Levels, of each queue that had some: once a minute, and of longer spans the highest.
CREATE TABLE litequeue_gauges (
    span INTEGER NOT NULL,
    at INTEGER NOT NULL,
    queue TEXT NOT NULL,
    available INTEGER NOT NULL,           -- 10,001: more than 10,000
    delayed INTEGER NOT NULL,             -- scheduled or retrying; the same
    running INTEGER NOT NULL,
    oldest_us INTEGER NOT NULL,           -- for so long the one that has waited longest could have run
    last_id INTEGER NOT NULL,             -- of all jobs there ever were
    PRIMARY KEY (span, at, queue)
) STRICT, WITHOUT ROWID;

-- How many ticks came to what, of all that there ever were; missed ones of one stretch of time are one.
CREATE TABLE litequeue_tick_counts (
    schedule_id INTEGER NOT NULL,
    outcome TEXT NOT NULL,                -- as of litequeue_ticks
    count INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, outcome)
) STRICT, WITHOUT ROWID;

-- What people have done to jobs, queues and schedules.
CREATE TABLE litequeue_actions (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,                    -- the account, and where from: cli, web
    what TEXT NOT NULL,                   -- retry, cancel, purge, pause, resume, run, ...
    target TEXT NOT NULL,                 -- job 12, queue mail, schedule nightly, or a search
    count INTEGER NOT NULL                -- of jobs
) STRICT;
CREATE INDEX litequeue_actions_at ON litequeue_actions (at)
"""
