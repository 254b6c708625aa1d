"""The tables, version by version, and the ledger that says in each file what was applied to it.

Read ``ledger`` first: the list of migrations, and what is done with it. ``v1_queue``, ``v2_schedules``, ``v3_listening``, ``v4_links``, ``v5_steps_and_callbacks``,
``v6_workflows_in_batches``, ``v7_after_a_wait``, ``v8_unique_jobs``, ``v9_limits``, ``v10_enqueue_by_sql``, ``v11_progress``, ``v12_tags``, ``v13_headers``, ``v14_usage``, ``v15_history``, ``v16_moved``, ``v17_alerts`` and ``v18_printed`` hold each version's statements, and nothing else; ``foreign`` finds what somebody else has put among our tables. To add a version: one
more module like these, and one more entry in the list. Handed on is nothing; who needs the ledger imports it. May import ``base``.

Tables are prefixed ``litequeue_`` because the file may hold the app's own tables too; the version lives in
``litequeue_meta`` because ``user_version`` and ``application_id`` are the app's. Documented for people who read the file
with plain SQL; columns are added, never renamed. Times are integer microseconds since the epoch, UTC, in columns named
``*_at``. The CHECKs are chains of OR and CASE, not ``IN (...)`` lists: SQLite builds an IN list anew for each inserted row
(measured: 14 us a row with two IN lists, 7 us with the same rules as OR chains).

Two versions on one file
    Producers and workers are upgraded one by one, and work on one file meanwhile. So each version has a ``min_reader``:
    the oldest version whose code may still work on a file of this one. ``litequeue_meta`` keeps the highest that was
    applied, beside ``schema_version``.

    *What only adds* leaves ``min_reader`` where it was: new tables, new indexes, new columns whose default, or NULL, means
    what went without saying before. Code of the older version opens the newer file, migrates nothing and goes on; what
    it writes has the defaults. A column that is added has no parenthesis, no table that was there a trigger, and an index on
    one of those is not unique, computes nothing and is partial only by comparison: older code would take those for
    somebody else's, and stop.

    *What older code would break, or would break on,* raises ``min_reader`` to its own number: a column that every writer
    has to fill in, a state that older code does not know, rows that it would leave undone for ever. Older code stops
    with SchemaTooNew before it writes: when it opens the file, and while it has it open. The jobs of its worker are
    rescued like those of one that died.

    A process that has the file open learns of it as it would of a file that was replaced (``file/identity``). While it
    holds the write lock and before it commits, the migration makes ``DB-lock`` a byte longer and moves the folder's time
    of change. Every write asks for that time anyway, under the same lock; where it has moved it looks at the files, and
    where that one is longer it reads ``min_reader`` in its own transaction. So no write comes between. An idle worker
    reads it when its slow look finds that somebody has committed.

    Measured, with and without, in turn: 0.03 us of an enqueue of 92 us (NORMAL, in memory), where the same code differs
    from itself by 1 %; in a folder that changes all the time 0.4 us of 130. Asking ``PRAGMA schema_version`` in each
    transaction cost 3 to 6 us of 90, reading ``min_reader`` whenever the folder has changed 10 of 120.

    Code from before the ledger (the first of schema version 2, and of 1) knows no ``min_reader``: it refuses a file with a
    higher ``schema_version`` when it opens it, and does not look again while it has it open. Stop its workers before
    a version that raises ``min_reader`` comes into use.

The ledger is no version of its own
    It only records, and nothing but itself reads it; a number of its own would shut out the code from before it for
    nothing. So ``litequeue_migrations`` and ``min_reader`` are made beside the versions, as ``litequeue_meta`` is: with a
    new file or a migration, in the same transaction, and in a file that is up to date but has none, in the first write
    of anybody who keeps it. When and by what the versions before were applied nobody knows: NULL. Looking at such a
    file writes nothing and waits for no lock, so that one on a read-only disk can be looked at.
"""
