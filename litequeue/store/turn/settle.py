"""The SQL of jobs, workers and reports: constants with named parameters, reviewed in one place.

Owns text only. Literal states repeat the partial indexes' own, so that SQLite can use them; the tests
run EXPLAIN QUERY PLAN over each and forbid a scan of the jobs table on any path of a worker or an enqueue.

Batches travel as *one* JSON parameter or one JSON cell, so that a whole batch is one ``sqlite3_step``.
sqlite3 drops the GIL around each step, and a thread that computes makes us wait up to the switch interval
(5 ms) to get it back: 300 jobs settled by ``executemany`` beside such a thread held the write lock for
1448 ms, by one UPDATE from json_each for 39 ms; a claim with 300 rows of RETURNING took 1163 ms.
"""

from __future__ import annotations

from typing import Final

# -- enqueue -----------------------------------------------------------------------------------

_NEW_COLUMNS = (
    "queue, task, args, kwargs, state, pool, priority, run_at, max_attempts, timeout, soft_timeout, "
    "at_most_once, created_at, expires_at"
)

INSERT_JOB: Final = f"""INSERT INTO litequeue_jobs ({_NEW_COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

# delay_many: rows are encoded and staged outside the write transaction, then moved in one statement.
STAGE_CREATE: Final = "CREATE TEMP TABLE litequeue_stage (args TEXT, kwargs TEXT)"
STAGE_INSERT: Final = "INSERT INTO temp.litequeue_stage VALUES (?, ?)"
STAGE_MOVE: Final = f"""INSERT INTO litequeue_jobs ({_NEW_COLUMNS})
SELECT :queue, :task, args, kwargs, :state, :pool, :priority, :run_at, :max_attempts, :timeout,
       :soft_timeout, :at_most_once, :created_at, :expires_at
FROM temp.litequeue_stage ORDER BY rowid"""

RECORD_TASK: Final = """INSERT INTO litequeue_tasks
    (name, module, qualname, directory, options, recorded_at)
VALUES (:task, :module, :qualname, :directory, :options, :now)
ON CONFLICT (name) DO UPDATE SET module = excluded.module, qualname = excluded.qualname,
    directory = excluded.directory, options = excluded.options, recorded_at = excluded.recorded_at
WHERE (litequeue_tasks.module, litequeue_tasks.qualname, litequeue_tasks.directory,
       litequeue_tasks.options)
   IS NOT (excluded.module, excluded.qualname, excluded.directory, excluded.options)"""

TASK_ORIGIN: Final = (
    "SELECT name, module, qualname, directory, options FROM litequeue_tasks WHERE name = :task"
)

WAKE_PORTS: Final = "SELECT wake_port FROM litequeue_workers WHERE stopped_at IS NULL"

# -- the worker's turn: settle, promote, expire, claim ---------------------------------------------

# The queues with available jobs that nobody paused, and for which pools, found by hopping along the index:
# a few seeks a queue, however many rows.
WAITING: Final = """WITH RECURSIVE queues (name) AS (
    SELECT min(queue) FROM litequeue_jobs WHERE state = 'available'
    UNION ALL
    SELECT (SELECT min(queue) FROM litequeue_jobs WHERE state = 'available' AND queue > queues.name)
    FROM queues WHERE queues.name IS NOT NULL
)
SELECT json_group_array(json_array(name,
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'thread'),
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'process'),
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'async')))
FROM queues
WHERE name IS NOT NULL AND name NOT IN (SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL)"""

# One row that says what there is to do: a turn that finds nothing writes nothing.
LOOK: Final = f"""SELECT
    ({WAITING}),
    (SELECT min(run_at) FROM litequeue_jobs WHERE state = 'scheduled' OR state = 'retrying'),
    (SELECT min(expires_at) FROM litequeue_jobs
     WHERE expires_at IS NOT NULL AND finished_at IS NULL AND lease_expires_at IS NULL),
    (SELECT json_group_array(json_array(id, state = 'running' AND worker_id = :worker))
     FROM litequeue_jobs WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL
       AND (worker_id = :worker OR state <> 'running'))"""

PROMOTE: Final = """UPDATE litequeue_jobs SET state = 'available' WHERE id IN (
    SELECT id FROM litequeue_jobs
    WHERE (state = 'scheduled' OR state = 'retrying') AND run_at <= :now
    ORDER BY run_at LIMIT :limit)"""

EXPIRE: Final = """UPDATE litequeue_jobs
SET state = 'expired', finished_at = :now, prune_at = :prune_at,
    last_error = 'not started before its deadline'
WHERE id IN (
    SELECT id FROM litequeue_jobs
    WHERE expires_at IS NOT NULL AND finished_at IS NULL AND lease_expires_at IS NULL
      AND expires_at <= :now
    ORDER BY expires_at LIMIT :limit)"""

# A job whose cancel came while it ran, and which went back to waiting, does not run again.
CANCEL_REQUESTED: Final = """UPDATE litequeue_jobs
SET state = 'cancelled', finished_at = :now, prune_at = :prune_at
WHERE id IN (
    SELECT id FROM litequeue_jobs
    WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL AND state <> 'running')"""

# The best jobs of one queue and pool, in the order of their index, as one JSON text. Nothing is sorted; the
# form for all queues at once, with a CTE and a sorter, took 4.5 us a row, this one 3.2, and a third
# of its time for a single job in a worker that has just woken.
_CLAIM = """SELECT CAST(json_group_array(json_array(
    id, attempt + 1, releases, task, args, kwargs, queue, pool, priority, failures, interruptions,
    max_attempts, timeout, soft_timeout, at_most_once, run_at, created_at,
    json(CASE WHEN failures > 0 OR interruptions > 0 THEN (
        SELECT json_group_array(json_array(attempt, error_type, error_message)) FROM
            (SELECT attempt, error_type, error_message FROM litequeue_attempts
             WHERE job_id = best.id ORDER BY attempt)) END),
    scheduled_for)) AS BLOB)
FROM (
    SELECT * FROM litequeue_jobs
    WHERE state = 'available' AND queue = :queue AND pool = :pool AND interruptions < :below {known}
    ORDER BY priority DESC, run_at, id LIMIT :limit
) AS best"""

CLAIM: Final = _CLAIM.format(known="")
# For a worker that has met tasks that it has no code for: they stay for one that does.
CLAIM_KNOWN: Final = _CLAIM.format(known="AND task NOT IN (SELECT value FROM json_each(:unknown))")

LEASE: Final = """UPDATE litequeue_jobs
SET state = 'running', attempt = attempt + 1, worker_id = :worker, lease_expires_at = :lease,
    started_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'available'"""

# The fence: (id, attempt) and still running. A row that does not match was taken from us.
_FENCE = "litequeue_jobs.id = v.id AND litequeue_jobs.attempt = v.attempt AND litequeue_jobs.state = 'running'"

# Successes come by the hundred, as VALUES in statements of a few fixed sizes, the last one filled up with
# NULLs, which match nothing: 6.7 us a row with 64 at a time, 10.5 us as one JSON parameter, 11.1 us one
# by one; 7.2 us with 32 or 256.
SETTLE_SIZES: Final = (1, 8, 64)


def settle_succeeded(size: int) -> str:
    """The statement that settles so many successes; the parameters are the fields of ``Settled``."""
    rows = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * size)
    return f"""UPDATE litequeue_jobs
SET state = 'succeeded', lease_expires_at = NULL, started_at = v.started_at,
    finished_at = v.finished_at, result = v.result, prune_at = v.prune_at, last_error = v.note
FROM (SELECT
    column1 AS id, column2 AS attempt, column3 AS started_at, column4 AS finished_at,
    column5 AS result, column6 AS prune_at, column7 AS note
    FROM (VALUES {rows})) AS v
WHERE {_FENCE}"""


SETTLE_SUCCEEDED: Final = {size: settle_succeeded(size) for size in SETTLE_SIZES}

_UNSETTLED = """(SELECT
    json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempt,
    json_extract(value, '$[2]') AS state, json_extract(value, '$[3]') AS started_at,
    json_extract(value, '$[4]') AS finished_at, json_extract(value, '$[5]') AS run_at,
    json_extract(value, '$[6]') AS prune_at, json_extract(value, '$[7]') AS failed,
    json_extract(value, '$[8]') AS error_type, json_extract(value, '$[9]') AS error_message,
    json_extract(value, '$[10]') AS traceback, json_extract(value, '$[11]') AS ended_at,
    json_extract(value, '$[12]') AS unstarted
    FROM json_each(:rows)) AS v"""

# Before SETTLE_OTHER, while the fence still matches.
RECORD_ATTEMPTS: Final = f"""INSERT INTO litequeue_attempts
    (job_id, attempt, outcome, worker_id, started_at, finished_at, error_type, error_message, traceback)
SELECT v.id, v.attempt - litequeue_jobs.releases,
       CASE v.state WHEN 'retrying' THEN 'failed' WHEN 'available' THEN 'interrupted'
                    WHEN 'cancelled' THEN 'cancelled'
                    ELSE CASE WHEN v.failed THEN 'failed' ELSE 'discarded' END END,
       litequeue_jobs.worker_id, v.started_at, v.ended_at, v.error_type,
       coalesce(v.error_message, ''), coalesce(v.traceback, '')
FROM {_UNSETTLED} JOIN litequeue_jobs ON {_FENCE}
WHERE v.error_type IS NOT NULL
ON CONFLICT DO NOTHING"""

SETTLE_OTHER: Final = f"""UPDATE litequeue_jobs
SET state = v.state, lease_expires_at = NULL, releases = releases + v.unstarted,
    started_at = CASE WHEN v.unstarted THEN NULL ELSE coalesce(v.started_at, litequeue_jobs.started_at) END,
    worker_id = CASE WHEN v.unstarted THEN NULL ELSE worker_id END,
    finished_at = v.finished_at, run_at = coalesce(v.run_at, litequeue_jobs.run_at),
    prune_at = v.prune_at, failures = failures + v.failed,
    last_error = CASE WHEN v.error_type IS NULL THEN last_error
                      WHEN coalesce(v.error_message, '') = '' THEN v.error_type
                      ELSE v.error_type || ': ' || v.error_message END
FROM {_UNSETTLED}
WHERE {_FENCE}"""

# Which rows of a SETTLE_SUCCEEDED did not match: asked after one whose count came out short.
NOT_SETTLED: Final = """SELECT json_group_array(json_array(v.id, v.attempt)) FROM (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempt,
           json_extract(value, '$[2]') AS finished_at
    FROM json_each(:rows)) AS v
WHERE NOT EXISTS (SELECT 1 FROM litequeue_jobs AS j
    WHERE j.id = v.id AND j.attempt = v.attempt AND j.state = 'succeeded'
      AND j.finished_at = v.finished_at)"""

# Which of (id, attempt) rows are still held.
HELD: Final = f"""SELECT json_group_array(json_array(v.id, v.attempt)) FROM (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempt
    FROM json_each(:rows)) AS v
JOIN litequeue_jobs ON {_FENCE}"""

# A job that was enqueued without its task's options gets them, before anybody claims it.
ADOPT: Final = """UPDATE litequeue_jobs
SET pool = v.pool, max_attempts = v.max_attempts, at_most_once = v.at_most_once
FROM (SELECT
    json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS pool,
    json_extract(value, '$[2]') AS max_attempts, json_extract(value, '$[3]') AS at_most_once
    FROM json_each(:rows)) AS v
WHERE litequeue_jobs.id = v.id AND litequeue_jobs.state = 'available'"""

# What a running job prints, in pieces.
PRINT: Final = """INSERT INTO litequeue_output (job_id, attempt, number, stream, at, text)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING"""

TRIM_OUTPUT: Final = """DELETE FROM litequeue_output
WHERE job_id = :job_id AND attempt = :execution AND number IN (
    SELECT number FROM (
        SELECT number, sum(length(text)) OVER (PARTITION BY stream ORDER BY number) AS from_start,
            sum(length(text)) OVER (PARTITION BY stream ORDER BY number DESC) AS from_end
        FROM litequeue_output WHERE job_id = :job_id AND attempt = :execution)
    WHERE from_start > :keep AND from_end > :keep)"""

# -- leases ----------------------------------------------------------------------------------------

EXTEND: Final = """UPDATE litequeue_jobs SET lease_expires_at = :lease
WHERE state = 'running' AND worker_id = :worker"""

HELD_BY_WORKER: Final = """SELECT json_group_array(json_array(id, attempt)) FROM litequeue_jobs
WHERE state = 'running' AND worker_id = :worker"""

_INTERRUPTED = """INSERT INTO litequeue_attempts
    (job_id, attempt, outcome, worker_id, started_at, finished_at, error_type, error_message)
SELECT id, attempt - releases, 'interrupted', worker_id, started_at, :now, 'Interrupted', :why
FROM litequeue_jobs WHERE state = 'running' AND {which}
ON CONFLICT DO NOTHING"""

# The third worker that dies under a job convicts it; an at-most-once job is lost at the first.
_DOOMED = "(at_most_once OR interruptions + 1 >= :limit)"
_FATE = """CASE
        WHEN at_most_once THEN 'Lost: ' || :why || '; the task runs at most once'
        WHEN interruptions + 1 >= :limit
            THEN 'Interrupted: ' || (interruptions + 1) || ' workers died while it ran; it is the likely cause'
        ELSE 'Interrupted: ' || :why END"""
_RESCUE = f"""UPDATE litequeue_jobs SET
    state = CASE WHEN {_DOOMED} THEN 'discarded' ELSE 'available' END,
    finished_at = CASE WHEN {_DOOMED} THEN :now END,
    prune_at = CASE WHEN {_DOOMED} THEN :prune_at END,
    lease_expires_at = NULL, interruptions = interruptions + 1, last_error = {_FATE}
WHERE state = 'running' AND {{which}}"""
# Asked just before: which jobs it is about to discard. A BLOB, since a planted name need not be UTF-8.
_LOSING = f"""SELECT CAST(json_group_array(json_array(id, task, attempt - releases, {_FATE})) AS BLOB)
FROM litequeue_jobs WHERE state = 'running' AND {_DOOMED} AND {{which}}"""

_OF_WORKER = "worker_id = :worker"
_LAPSED = "worker_id = :worker AND lease_expires_at <= :before"

RECORD_RESCUE_WORKER: Final = _INTERRUPTED.format(which=_OF_WORKER)
RESCUE_WORKER: Final = _RESCUE.format(which=_OF_WORKER)
LOSING_OF_WORKER: Final = _LOSING.format(which=_OF_WORKER)
RECORD_RESCUE_LAPSED: Final = _INTERRUPTED.format(which=_LAPSED)
RESCUE_LAPSED: Final = _RESCUE.format(which=_LAPSED)
LOSING_LAPSED: Final = _LOSING.format(which=_LAPSED)
LAPSED_WORKERS: Final = """SELECT json_group_array(worker_id) FROM (
    SELECT DISTINCT worker_id FROM litequeue_jobs
    WHERE state = 'running' AND lease_expires_at <= :now AND worker_id <> :me)"""

# A worker that shut down in good order while calls ran on: no interruption is charged. An at-most-once
# job had started, and does not start again.
_SHUT_DOWN = "'Lost: the worker was shut down; the task runs at most once'"
RELEASE_WORKER: Final = f"""UPDATE litequeue_jobs SET
    state = CASE WHEN at_most_once THEN 'discarded' ELSE 'available' END,
    finished_at = CASE WHEN at_most_once THEN :now END,
    prune_at = CASE WHEN at_most_once THEN :prune_at END,
    last_error = CASE WHEN at_most_once THEN {_SHUT_DOWN} ELSE last_error END,
    lease_expires_at = NULL
WHERE state = 'running' AND worker_id = :worker"""
LOSING_RELEASED: Final = f"""SELECT CAST(json_group_array(json_array(id, task, attempt - releases, {_SHUT_DOWN})) AS BLOB)
FROM litequeue_jobs WHERE state = 'running' AND at_most_once AND worker_id = :worker"""

# -- what users do to a job ----------------------------------------------------------------------

CANCEL_WAITING: Final = """UPDATE litequeue_jobs
SET state = 'cancelled', finished_at = :now, prune_at = :prune_at, cancel_requested_at = :now
WHERE id = :id AND finished_at IS NULL AND lease_expires_at IS NULL"""

CANCEL_RUNNING: Final = """UPDATE litequeue_jobs
SET cancel_requested_at = coalesce(cancel_requested_at, :now)
WHERE id = :id AND state = 'running'"""

REVIVE: Final = """UPDATE litequeue_jobs
SET state = 'available', run_at = :now, failures = 0, interruptions = 0, finished_at = NULL, prune_at = NULL,
    result = NULL, last_error = NULL, cancel_requested_at = NULL, expires_at = NULL,
    reported_at = CASE WHEN reported_at <= created_at THEN reported_at END  -- what itself tells of another stays silent
WHERE id = :id AND finished_at IS NOT NULL"""

HURRY: Final = """UPDATE litequeue_jobs SET state = 'available', run_at = min(run_at, :now)
WHERE id = :id AND (state = 'scheduled' OR state = 'retrying' OR state = 'blocked')"""

PRUNABLE: Final = """SELECT json_group_array(id) FROM (
    SELECT id FROM litequeue_jobs WHERE prune_at IS NOT NULL AND prune_at <= :now
    ORDER BY prune_at LIMIT :limit)"""
PRUNE_JOBS: Final = "DELETE FROM litequeue_jobs WHERE id IN (SELECT value FROM json_each(:ids))"
PRUNE_ATTEMPTS: Final = (
    "DELETE FROM litequeue_attempts WHERE job_id IN (SELECT value FROM json_each(:ids))"
)
PRUNE_OUTPUT: Final = "DELETE FROM litequeue_output WHERE job_id IN (SELECT value FROM json_each(:ids))"

# -- telling of discarded jobs -------------------------------------------------------------------------

UNREPORTED: Final = """SELECT id,
    (SELECT on_failure FROM litequeue_schedules AS s WHERE s.id = schedule_id),
    (SELECT mail_to FROM litequeue_schedules AS s WHERE s.id = schedule_id)
FROM litequeue_jobs WHERE state = 'discarded' AND reported_at IS NULL ORDER BY id LIMIT :limit"""
REPORTED: Final = """UPDATE litequeue_jobs SET reported_at = :now
WHERE id = :id AND state = 'discarded' AND reported_at IS NULL"""
SILENCE: Final = "UPDATE litequeue_jobs SET reported_at = :now WHERE id = :id"

PAUSE: Final = """INSERT INTO litequeue_queues (name, paused_at) VALUES (:queue, :now)
ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(paused_at, excluded.paused_at)"""
RESUME: Final = "DELETE FROM litequeue_queues WHERE name = :queue"

# -- workers ---------------------------------------------------------------------------------------

REGISTER: Final = """INSERT INTO litequeue_workers
    (name, pid, host, lock_file, wake_port, queues, slots, started_at, heartbeat_at)
VALUES (:name, :pid, :host, :lock_file, :wake_port, :queues, :slots, :now, :now)"""
BEAT: Final = "UPDATE litequeue_workers SET heartbeat_at = :now WHERE id = :worker"
REPORT_UNKNOWN: Final = (
    "UPDATE litequeue_workers SET unknown_tasks = :unknown WHERE id = :worker"
)
LEAVE: Final = "UPDATE litequeue_workers SET leaving_at = :now WHERE id = :worker"
STOPPED: Final = """UPDATE litequeue_workers SET stopped_at = :now, wake_port = NULL
WHERE id = :worker AND stopped_at IS NULL"""
LEAVING: Final = "SELECT leaving_at FROM litequeue_workers WHERE id = :worker AND stopped_at IS NULL"
WORKER_NAME: Final = "SELECT name FROM litequeue_workers WHERE id = :worker"
LOCK_FILE: Final = "SELECT lock_file FROM litequeue_workers WHERE id = :worker"
PEERS: Final = """SELECT id, name, lock_file FROM litequeue_workers
WHERE stopped_at IS NULL AND id <> :me"""
FORGET_WORKERS: Final = """DELETE FROM litequeue_workers
WHERE stopped_at IS NOT NULL AND stopped_at < :before"""

# -- reading -----------------------------------------------------------------------------------------

_WORKER_NAME = "(SELECT name FROM litequeue_workers AS w WHERE w.id = {table}.worker_id)"

JOB_COLUMNS: Final = f"""id, task, queue, state, pool, priority, args, kwargs, attempt - releases, failures,
    interruptions, max_attempts, timeout, at_most_once, {_WORKER_NAME.format(table="litequeue_jobs")},
    created_at, run_at, started_at, finished_at, expires_at, lease_expires_at, cancel_requested_at,
    result, last_error, (SELECT name FROM litequeue_schedules AS s WHERE s.id = schedule_id), scheduled_for"""

RESULT: Final = "SELECT state, result, last_error FROM litequeue_jobs WHERE id = :id"
STATE: Final = "SELECT state FROM litequeue_jobs WHERE id = :id"
JOB: Final = f"SELECT {JOB_COLUMNS} FROM litequeue_jobs WHERE id = :id"
ATTEMPTS: Final = f"""SELECT attempt, outcome, {_WORKER_NAME.format(table="litequeue_attempts")},
    started_at, finished_at, error_type, error_message, traceback
FROM litequeue_attempts WHERE job_id = :id ORDER BY attempt"""
LAST_FAILURE: Final = """SELECT error_type, error_message, traceback FROM litequeue_attempts
WHERE job_id = :id ORDER BY attempt DESC LIMIT 1"""

LIST_JOBS: Final = f"""SELECT {JOB_COLUMNS} FROM litequeue_jobs
WHERE (:state IS NULL OR state = :state) AND (:queue IS NULL OR queue = :queue)
  AND (:task IS NULL OR task = :task) AND (:before IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit"""

COUNTS: Final = "SELECT queue, state, count(*) FROM litequeue_jobs GROUP BY queue, state"
PAUSED: Final = "SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL ORDER BY name"
OLDEST: Final = """SELECT min(run_at) FROM litequeue_jobs WHERE state = 'available'"""
NEXT_DUE: Final = (
    "SELECT min(run_at) FROM litequeue_jobs WHERE state = 'scheduled' OR state = 'retrying'"
)
WORKERS: Final = """SELECT id, name, pid, host, queues, slots, started_at, heartbeat_at, stopped_at,
    unknown_tasks
FROM litequeue_workers WHERE :all OR stopped_at IS NULL ORDER BY id"""

OUTPUT: Final = """SELECT attempt, number, stream, at, text FROM litequeue_output
WHERE job_id = :id AND (attempt, number) > (:attempt, :number) ORDER BY attempt, number"""
