"""Version 17, "alerts": what is watched, how each alert stands, and what was told of it.

Statements only, and never changed: files of this version are in use. Code of version 16 may work on the file: it looks at none of them.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
CREATE TABLE litequeue_alerts (
    name TEXT PRIMARY KEY,
    condition TEXT NOT NULL,              -- such as: oldest queue=mail >5m
    hold INTEGER NOT NULL,                -- it is bad for so long before it fires, microseconds
    keep INTEGER NOT NULL,                -- and good for so long before it clears
    remind INTEGER,                       -- told again each time that it has fired for so long; NULL: not
    run TEXT,                             -- whom to tell: a command for the shell,
    mail_to TEXT,                         -- addresses,
    task TEXT,                            -- a task
    job TEXT,                             -- JSON: the options of that one's jobs
    created_at INTEGER NOT NULL,
    paused_at INTEGER,                    -- nobody looks, or is told; NULL: it is watched
    revision INTEGER NOT NULL DEFAULT 0,  -- who has looked writes only what is as he read it
    next_check_at INTEGER NOT NULL DEFAULT 0,
    checked_at INTEGER,                   -- the last look,
    shown TEXT,                           -- and what it saw, in words
    state TEXT NOT NULL DEFAULT 'ok' CHECK (state = 'ok' OR state = 'pending' OR state = 'firing'),
    since INTEGER,                        -- pending or firing since then
    good_since INTEGER,                   -- fires, and is good since then, not long enough yet
    told_at INTEGER,                      -- fires: the last message
    over_at INTEGER,                      -- when it cleared last
    times INTEGER NOT NULL DEFAULT 0,     -- that it fired, each within an hour of the end before
    first_at INTEGER                      -- the first of those
) STRICT, WITHOUT ROWID;

-- What was told, of ninety days.
CREATE TABLE litequeue_alert_events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    alert TEXT NOT NULL,
    event TEXT NOT NULL,                  -- firing, over, reminder or test
    text TEXT NOT NULL                    -- as a mail's subject has it
) STRICT;
CREATE INDEX litequeue_alert_events_at ON litequeue_alert_events (at);
CREATE INDEX litequeue_alert_events_of ON litequeue_alert_events (alert, id)
"""
