"""All pages together: each stops somewhere however large the file is, walks no table, leaves no cursor, changes nothing, and takes whatever is planted."""

from __future__ import annotations

import importlib
import pkgutil
import random
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import litequeue.store.pages
from litequeue.base.search import parse
from litequeue.store import Store
from litequeue.store.pages import Pages

from ..test_queries import statements
from .filled import NOW, counted, execute, fill

pytestmark = pytest.mark.beside

PAGES: dict[str, Callable[[Pages], Any]] = {
    "overview 1h": lambda pages: pages.overview("1h", NOW), "overview 24h": lambda pages: pages.overview("24h", NOW), "overview 30d": lambda pages: pages.overview("30d", NOW),
    "reasons": lambda pages: pages.reasons(NOW), "frame": lambda pages: pages.frame(NOW), "failures": lambda pages: pages.failures("30d", NOW),
    "jobs": lambda pages: pages.jobs(parse(""), None, NOW, 1), "discarded": lambda pages: pages.jobs(parse("state:discarded"), None, NOW, 1),
    "available": lambda pages: pages.jobs(parse("state:available"), None, NOW, 1), "ids": lambda pages: pages.jobs(parse("id:10..190000 error:nowhere"), None, NOW), "job": lambda pages: pages.job(5, NOW), "queues": lambda pages: pages.queues(NOW),
    "queue": lambda pages: pages.queue("mail", "24h", NOW), "tasks": lambda pages: pages.tasks("24h", NOW), "task": lambda pages: pages.task("mail.send", "24h", NOW),
    "workers": lambda pages: pages.workers(NOW), "worker": lambda pages: pages.worker(1, NOW), "schedules": lambda pages: pages.schedules(),
    "schedule": lambda pages: pages.schedule("nightly", NOW), "flows": lambda pages: pages.flows(), "flow": lambda pages: pages.flow(1),
}  # fmt: skip
SQL = {
    f"{found.name}.{name}": text
    for found in pkgutil.iter_modules(litequeue.store.pages.__path__)
    for name, text in statements(importlib.import_module(f"litequeue.store.pages.{found.name}")).items()
}
# All that waits, runs or was counted lies beside millions that are over: only an index that holds those alone may be walked, and no further than a limit.
LARGE = re.compile(r"SCAN (litequeue_jobs|litequeue_ticks|litequeue_attempts|litequeue_output|litequeue_edges|litequeue_flow_jobs|j|e|t)\b")


def test_every_page_has_its_method() -> None:
    assert {name.split()[0] for name in PAGES} - {"discarded", "available", "ids"} == {name for name in vars(Pages) if not name.startswith("_")} - {"listed"}


def test_no_statement_walks_a_table_and_none_walks_an_index_without_a_limit(store: Store) -> None:
    assert len(SQL) > 50
    for name, sql in SQL.items():
        with store.database.read() as connection:
            steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql, dict.fromkeys(re.findall(r":(\w+)", sql))).fetchall()]
        for step in filter(LARGE.match, steps):
            assert "INDEX litequeue_jobs_" in step and ("LIMIT" in sql), f"{name}: {step}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_changes_nothing_and_leaves_no_cursor(store: Store, name: str) -> None:
    fill(store, random.Random(2), 200)
    execute(store, "INSERT OR IGNORE INTO litequeue_jobs (id, task) VALUES (5, 'mail.send')")
    counted(store, random.Random(2), 50, 3600)
    version = store.database.data_version()
    assert PAGES[name](store.pages) is not None
    assert store.database.data_version() == version
    execute(store, "UPDATE litequeue_jobs SET priority = 1")
    busy, frames, copied = store.database.checkpoint()
    assert (busy, frames) == (0, copied), "nobody holds an older snapshot"


TEXTS = (b"\xff\xfe\x00", b"\0", b"<img src=x onerror=alert(1)>", b"'\"; DROP TABLE", b"[" * 3000, b"{}", b"\xe2\x80\xae", b"x" * 70_000)


def columns_of(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return [(name, kind) for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall()]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_stands_in_the_rows_breaks_no_page(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    fill(store, rng, 120)
    counted(store, rng, 60, 7200)
    execute(store, "INSERT INTO litequeue_tasks VALUES ('mail.send', 'm', 'q', 'd', '{\"secret\": 5}', 1)")
    execute(store, "INSERT INTO litequeue_ticks (schedule_id, tick_at, decided_at, outcome, job_id) VALUES (1, ?, 1, 'fired', ?)", [(NOW - n, n) for n in range(20)])
    execute(store, "INSERT INTO litequeue_attempts (job_id, attempt, outcome, error_type, error_message) VALUES (?, 1, 'failed', 'E', 'm')", [(n,) for n in range(1, 60)])
    execute(store, "INSERT INTO litequeue_output VALUES (?, 1, 1, 'stdout', 1, 'text')", [(n,) for n in range(1, 60)])
    execute(store, "INSERT OR IGNORE INTO litequeue_edges VALUES (?, ?, 0)", [(rng.randrange(45), rng.randrange(20, 45)) for _ in range(40)])
    execute(store, "INSERT INTO litequeue_actions (at, who, what, target, count) VALUES (1, 'a', 'b', 'c', 1)")
    with store.database.write(durable=False) as connection:
        for table in ("jobs", "attempts", "workers", "schedules", "ticks", "tasks", "queues", "metrics", "gauges", "flows", "flow_jobs", "edges", "output", "actions", "keys"):
            for name, kind in columns_of(connection, f"litequeue_{table}"):
                if (table, name) in (("workers", "lock_file"), ("jobs", "id")):
                    continue
                value: Any = rng.choice(TEXTS) if kind == "TEXT" else rng.choice((0, -1, 2**63 - 1, -(2**63), 2**53, NOW * 9))
                for row in rng.sample(range(1, 120), 12):
                    which = "rowid" if table not in ("metrics", "gauges", "ticks", "edges", "output") else "1"
                    limit = f"{which} = {row}" if which == "rowid" else f"abs(random()) % 120 = {row}"
                    sql = f"UPDATE OR IGNORE litequeue_{table} SET {name} = {'CAST(? AS TEXT)' if kind == 'TEXT' else '?'} WHERE {limit}"
                    connection.execute(sql, (value,))
    for page in PAGES.values():
        page(store.pages)
    for job in range(1, 120, 7):
        store.pages.job(job, NOW)
    for queue in store.pages.queues(NOW).rows:
        store.pages.queue(queue.name, "1h", NOW)
    for task in store.pages.tasks("1h", NOW).rows:
        store.pages.task(task.name, "1h", NOW)
    for schedule in store.pages.schedules().rows:
        store.pages.schedule(schedule.info.name, NOW)


# -- how much is looked at -----------------------------------------------------------------------------------


@contextmanager
def steps_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many hundreds of steps SQLite makes."""
    made, read = [0], store.database.read

    def step() -> int:
        made[0] += 1
        return 0

    @contextmanager
    def counting() -> Iterator[sqlite3.Connection]:
        with read() as connection:
            connection.set_progress_handler(step, 100)
            yield connection

    with monkeypatch.context() as patched:
        patched.setattr(store.database, "read", counting)
        yield made


def many(path: Path, count: int) -> Store:
    """So many jobs in all states, of which a thousand run, the last of which came a moment ago; and much that one of them has printed, and waits for."""
    store = Store(str(path))
    fill(store, random.Random(1), 50)
    execute(store, "INSERT OR IGNORE INTO litequeue_jobs (id, task) VALUES (5, 'mail.send')")
    ended = "state IN ('succeeded', 'discarded', 'cancelled', 'expired')"
    execute(store, f"""INSERT INTO litequeue_jobs (task, queue, state, run_at, created_at, attempt, started_at, finished_at, prune_at, worker_id, lease_expires_at, last_error)
    WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {count}),
        states (place, state) AS (VALUES (0, 'succeeded'), (1, 'discarded'), (2, 'cancelled'), (3, 'available'), (4, 'scheduled'), (5, 'retrying'), (6, 'blocked'))
    SELECT CASE n % 2 WHEN 0 THEN 'mail.send' ELSE 'shop.pay' END, 'mail', state, {NOW} - n, {NOW} - n, 1, {NOW} - n,
        CASE WHEN {ended} THEN {NOW} - n END, CASE WHEN {ended} THEN {NOW} END, 1, CASE WHEN state = 'running' THEN {NOW} END, 'E: ' || n
    FROM n JOIN states ON place = n % 8""")
    execute(store, "INSERT INTO litequeue_output VALUES (5, 1, ?, 'stdout', 1, ?)", [(n, "x" * 500) for n in range(count // 50)])
    execute(store, "INSERT INTO litequeue_ticks (schedule_id, tick_at, decided_at, outcome, job_id) VALUES (1, ?, 1, 'fired', ?)", [(NOW - n, n) for n in range(count // 50)])
    execute(store, "INSERT INTO litequeue_flow_jobs (first_id, last_id, flow_id) VALUES (200, ?, 1)", [(count,)])
    execute(store, "INSERT OR IGNORE INTO litequeue_edges VALUES (?, 5, ?)", [(n, n) for n in range(1000, count)])
    return store


@pytest.mark.slow
def test_a_file_twice_as_large_is_not_looked_at_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**9))
    monkeypatch.setattr("litequeue.store.searching.finding.monotonic", lambda: next(clock) * 0.008)  # each window of a search takes that long
    steps: list[dict[str, int]] = []
    for count in (200_000, 400_000):
        store = many(tmp_path / f"{count}", count)
        with steps_counted(store, monkeypatch) as made:
            steps.append({})
            for name, page in PAGES.items():
                before = made[0]
                assert page(store.pages) is not None
                steps[-1][name] = made[0] - before
        store.close()
    small, large = steps
    assert {name: (small[name], large[name]) for name in PAGES if large[name] > small[name] * 1.1 + 20} == {}
    assert max(large.values()) < 20_000, "two million steps are some 20 ms"


def test_a_search_among_ids_looks_at_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.store.searching.finding.LARGEST", 500)  # rows of a window
    store = many(tmp_path / "db", 13_000)
    with steps_counted(store, monkeypatch) as made:
        steps = []
        for text in ("id:1..6000 error:nowhere", "id:1..12000 error:nowhere", "id:6000.. error:nowhere"):
            before = made[0]
            assert store.searching.find(parse(text), NOW, seconds=None).ids == []
            steps.append(made[0] - before)
    store.close()
    assert steps[1] < steps[0] * 2.3 and steps[2] < steps[0] * 1.5, "not all of them for each window"
