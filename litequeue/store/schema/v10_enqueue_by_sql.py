"""Version 10, "enqueue by SQL": a view into which a row is inserted that becomes a job.

Statements only, and never changed: files of this version are in use. Code of version 9 may work on the file. What can be checked of a row is checked; whether
its arguments are JSON is not, since SQLite before 3.41 holds the functions that know it to be unsafe in a schema.
"""

from __future__ import annotations

from typing import Final

_NOW: Final = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"

SQL: Final = f"""
-- For INSERT alone: task, args (a JSON array), kwargs (a JSON object), queue, priority, delay (seconds). What is left out is as usual.
CREATE VIEW litequeue_enqueue (task, args, kwargs, queue, priority, delay) AS
SELECT task, args, kwargs, queue, priority, 0 FROM litequeue_jobs WHERE 0;
CREATE TRIGGER litequeue_enqueue_insert INSTEAD OF INSERT ON litequeue_enqueue
BEGIN
    SELECT RAISE(ABORT, 'litequeue_enqueue: task must be the name of a task, such as ''tasks.add''')
    WHERE typeof(NEW.task) <> 'text' OR NEW.task = '' OR NEW.task = 'litequeue.join' OR length(NEW.task) > 200 OR NEW.task GLOB '*[' || char(1) || '- ]*';
    SELECT RAISE(ABORT, 'litequeue_enqueue: args must be the text of a JSON array, such as ''[1, "two"]''')
    WHERE NEW.args IS NOT NULL AND (typeof(NEW.args) <> 'text' OR substr(trim(NEW.args, char(9, 10, 13, 32)), 1, 1) <> '[' OR substr(trim(NEW.args, char(9, 10, 13, 32)), -1) <> ']');
    SELECT RAISE(ABORT, 'litequeue_enqueue: kwargs must be the text of a JSON object, such as ''{{"n": 1}}''')
    WHERE NEW.kwargs IS NOT NULL AND (typeof(NEW.kwargs) <> 'text' OR substr(trim(NEW.kwargs, char(9, 10, 13, 32)), 1, 1) <> '{{' OR substr(trim(NEW.kwargs, char(9, 10, 13, 32)), -1) <> '}}');
    SELECT RAISE(ABORT, 'litequeue_enqueue: the arguments may have 1048576 characters: store the data elsewhere, and pass its key')
    WHERE ifnull(length(NEW.args), 0) + ifnull(length(NEW.kwargs), 0) > 1048576;
    SELECT RAISE(ABORT, 'litequeue_enqueue: queue must be a name')
    WHERE NEW.queue IS NOT NULL AND (typeof(NEW.queue) <> 'text' OR NEW.queue = '' OR length(NEW.queue) > 200 OR NEW.queue GLOB '*[' || char(1) || '- ]*');
    SELECT RAISE(ABORT, 'litequeue_enqueue: priority must be a whole number from -1000000 to 1000000')
    WHERE NEW.priority IS NOT NULL AND (typeof(NEW.priority) <> 'integer' OR NEW.priority < -1000000 OR NEW.priority > 1000000);
    SELECT RAISE(ABORT, 'litequeue_enqueue: delay must be a number of seconds, such as 10 or 0.5')
    WHERE NEW.delay IS NOT NULL
        AND (typeof(NEW.delay) <> 'integer' AND typeof(NEW.delay) <> 'real' OR NEW.delay < 0 OR NEW.delay > 31557600000);
    INSERT INTO litequeue_jobs (task, args, kwargs, queue, priority, state, created_at, run_at)
    SELECT NEW.task, ifnull(NEW.args, '[]'), ifnull(NEW.kwargs, '{{}}'), ifnull(NEW.queue, 'default'), ifnull(NEW.priority, 0),
        CASE WHEN ifnull(NEW.delay, 0) > 0 THEN 'scheduled' ELSE 'available' END, now, now + CAST(ifnull(NEW.delay, 0) * 1000000 AS INTEGER)
    FROM (SELECT {_NOW} AS now);
END
"""
