"""The tables, version by version, and the list that brings a file from one to the next.

Read ``ledger`` first: the list of migrations and what is done with it. ``v1_queue`` and ``v2_schedules`` hold each
version's statements, and nothing else. To add a version: one more module like these, and one more entry in the list.

Tables are prefixed ``litequeue_`` because the file may hold the app's own tables too; the version lives in
``litequeue_meta`` because ``user_version`` and ``application_id`` are the app's. Documented for people who read the file
with plain SQL; columns are added, never renamed. Times are integer microseconds since the epoch, UTC, in columns named
``*_at``.

The CHECKs are chains of OR and CASE, not ``IN (...)`` lists: SQLite builds an IN list anew for each inserted row
(measured: 14 us a row with two IN lists, 7 us with the same rules as OR chains).

Handed on: nothing; who needs the ledger imports it. May import ``base``.
"""
