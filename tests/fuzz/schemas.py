"""SQL of others in the schema: refused in one line, or of no consequence."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from . import mutations, planting
from .oracle import command, refused_in_a_line

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT"
STATEMENTS = (
    "CREATE TRIGGER spy AFTER INSERT ON litequeue_jobs BEGIN {endless} count(*) FROM n; END",
    "CREATE TRIGGER spy AFTER UPDATE ON {table} BEGIN SELECT raise(ABORT, 'x'); END",
    "CREATE TRIGGER spy BEFORE INSERT ON {table} BEGIN DELETE FROM litequeue_jobs; END",
    "CREATE TEMP TRIGGER spy AFTER INSERT ON main.{table} BEGIN SELECT 1; END",
    "CREATE TABLE own (x)",
    "CREATE TRIGGER own_1 AFTER INSERT ON own BEGIN SELECT 1; END",
    "CREATE VIEW litequeue_more AS {endless} count(*) FROM n",
    "CREATE VIEW own_view AS SELECT * FROM {table}",
    "DROP VIEW litequeue_jobs_readable",
    "CREATE VIEW litequeue_jobs_readable AS {endless} x FROM n",
    "DROP TABLE {table}",
    "CREATE VIEW {table} AS {endless} x AS id FROM n",
    "CREATE TABLE {table} (x)",
    "ALTER TABLE {table} ADD COLUMN more TEXT",
    "ALTER TABLE {table} ADD COLUMN more TEXT AS (hex(zeroblob(1000)))",
    "ALTER TABLE {table} ADD COLUMN more TEXT CHECK (more IS NULL)",
    "ALTER TABLE {table} RENAME TO litequeue_other",
    "ALTER TABLE litequeue_jobs RENAME COLUMN task TO work",
    "ALTER TABLE litequeue_jobs DROP COLUMN result",
    "CREATE INDEX own_index ON {table} (rowid)",
    "CREATE UNIQUE INDEX own_unique ON litequeue_jobs (state)",
    "CREATE INDEX litequeue_jobs_spy ON litequeue_jobs (abs(id))",
    "DROP INDEX litequeue_jobs_available",
    "CREATE VIRTUAL TABLE litequeue_v USING fts5(x)",
    "DELETE FROM litequeue_meta",
    "UPDATE litequeue_meta SET value = 'abc'",
    "DELETE FROM litequeue_migrations",
    "PRAGMA user_version = 7",
)
TABLES = (
    "jobs", "attempts", "tasks", "workers", "queues", "schedules", "ticks", "meta", "migrations", "edges", "waits", "flows", "flow_jobs",
    "callbacks", "steps", "events", "listeners",
)


class Change(NamedTuple):
    statements: list[str]
    texts: dict[int, str]  # by rowid in sqlite_master


@cache
def schema() -> dict[int, str]:
    with tempfile.TemporaryDirectory() as folder, planting.connected(planting.made(Path(folder))) as connection:
        return dict(connection.execute("SELECT rowid, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall())


def make(random: Random) -> Change:
    statements = []
    for text in random.sample(STATEMENTS, random.randint(0, 3)):
        made = text.format(table=f"litequeue_{random.choice(TABLES)}", endless=ENDLESS)
        statements.append(made if random.random() < 0.7 else mutations.text(random, made, STATEMENTS, 2))
    texts = {}
    if not statements or random.random() < 0.3:
        whole = schema()
        for rowid in random.sample([*whole], random.randint(1, 2)):
            words = [*whole.values()]
            texts[rowid] = mutations.text(random, whole[rowid], [word for one in words for word in one.split()])
    return Change(statements, texts)


def judge(change: Change, folder: Path) -> None:
    db = planting.made(folder)
    with planting.connected(db) as connection:
        for text in change.statements:
            with contextlib.suppress(sqlite3.Error, UnicodeError):
                connection.execute(text)
    with contextlib.suppress(sqlite3.Error, UnicodeError):
        planting.statements(db, change.texts)
    refused = [refused_in_a_line(command(*words, cwd=folder)) for words in (("stats", db), ("jobs", db))]
    command("doctor", db, cwd=folder)
    refused.append(refused_in_a_line(command("enqueue", db, "tests.sample.add", 1, 2, cwd=folder)))
    if not all(refused):
        refused_in_a_line(command("worker", db, "--burst", "--import", "tests.sample", "--log-level", "error", cwd=folder))
