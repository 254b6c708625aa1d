"""The floor under the benchmark: what raw ``sqlite3`` does on the same disk in the same run.

A bare table with one partial index, hand-written statements, no checks and no durability beyond SQLite's own
settings; the least that any queue in SQLite has to do.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable

from ...store.schedules import COLUMNS

# Turns a table of waiting jobs into one of finished jobs, to measure a claim beside it.
FINISH_ALL = """UPDATE litequeue_jobs
SET state = 'succeeded', finished_at = 1, prune_at = 9999999999999999"""
END_ALL = """UPDATE litequeue_jobs SET state = :state, finished_at = id, prune_at = 9999999999999999, last_error = 'ValueError: no'
WHERE state = 'available'"""
# And what is to be pruned, or waits in many queues.
AGE_ALL = "UPDATE litequeue_jobs SET state = 'succeeded', finished_at = 1, prune_at = 1"
COUNT_ALL = "SELECT count(*) FROM litequeue_jobs"
SPREAD = "UPDATE litequeue_jobs SET queue = printf('queue-%05d', id % :count)"

# Many schedules like one that there is.
_OF_SCHEDULE = ", ".join((*COLUMNS[1:], "created_at", "updated_at"))
COPY_SCHEDULE = f"""WITH RECURSIVE numbers(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO litequeue_schedules (name, {_OF_SCHEDULE})
SELECT name || '-' || n, {_OF_SCHEDULE} FROM litequeue_schedules, numbers WHERE name = :name"""

_TABLE = """CREATE TABLE floor (id INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT, args TEXT, state TEXT, run_at INTEGER,
    worker INTEGER, lease INTEGER, finished INTEGER, result TEXT);
CREATE INDEX floor_ready ON floor (run_at, id) WHERE state = 'ready';"""
_INSERT = "INSERT INTO floor (task, args, state, run_at) VALUES ('tasks.add', '[4,4]', 'ready', ?)"
_CLAIM = """UPDATE floor SET state = 'running', worker = 1, lease = ? WHERE id IN
    (SELECT id FROM floor WHERE state = 'ready' ORDER BY run_at, id LIMIT ?) RETURNING id, args"""
_ACK = """UPDATE floor SET state = 'done', finished = ?, result = '8'
WHERE id IN (SELECT value FROM json_each(?)) AND state = 'running'"""

# An app's own table, in the queue's file.
ORDERS = "CREATE TABLE orders (id INTEGER PRIMARY KEY, paid INTEGER NOT NULL DEFAULT 0)"
ORDER = "INSERT INTO orders (id) VALUES (?)"
PAY = "UPDATE orders SET paid = paid + 1 WHERE id = ?"


class Orders:
    """An app's own connection to them."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def pay(self, number: int) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(PAY, (number,))
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class Floor:
    """A raw database beside the measured one."""

    def __init__(self, path: str, synchronous: str) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        self._connection.executescript(_TABLE)

    def insert_singly(self, count: int) -> float:
        """Single INSERT transactions a second."""
        execute, now = self._connection.execute, time.time_ns() // 1000
        began = time.perf_counter()
        for _ in range(count):
            execute("BEGIN IMMEDIATE")
            execute(_INSERT, (now,))
            execute("COMMIT")
        return count / (time.perf_counter() - began)

    def fill(self, count: int) -> None:
        now = time.time_ns() // 1000
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(_INSERT, ((now,) for _ in range(count)))
        self._connection.execute("COMMIT")

    def claim_and_ack(self, batch: int) -> float:
        """Jobs a second, claimed and acked in batches until none is left."""
        execute, count = self._connection.execute, 0
        began = time.perf_counter()
        while True:
            now = time.time_ns() // 1000
            execute("BEGIN IMMEDIATE")
            rows = execute(_CLAIM, (now, batch)).fetchall()
            execute("COMMIT")
            if not rows:
                return count / (time.perf_counter() - began)
            execute("BEGIN IMMEDIATE")
            execute(_ACK, (now, json.dumps([row[0] for row in rows])))
            execute("COMMIT")
            count += len(rows)

    def wake(self, rounds: int, pause: float, environment: dict[str, str]) -> tuple[list[float], list[float]]:
        """Milliseconds from a stored row to its claim by another process that a datagram woke, and from
        before the row until its result was read, each round after a pause."""
        ear = _ear()
        words = [sys.executable, "-P", "-c", f"from {__name__} import answer; answer(*__import__('sys').argv[1:])"]
        child = subprocess.Popen([*words, self.path, str(ear.getsockname()[1])], env=environment)
        starts, sees = [], []
        try:
            port = int(ear.recv(64))
            execute = self._connection.execute
            for _ in range(rounds):
                time.sleep(pause)
                began = time.monotonic_ns()
                execute(_INSERT, (time.time_ns() // 1000,))
                stored = time.monotonic_ns()
                ear.sendto(b"!", ("127.0.0.1", port))
                started = int(ear.recv(64))
                execute("SELECT result FROM floor ORDER BY id DESC LIMIT 1").fetchone()
                sees.append((time.monotonic_ns() - began) / 1e6)
                starts.append((started - stored) / 1e6)
        finally:
            child.kill()
            child.wait()
            ear.close()
        return starts, sees

    def close(self) -> None:
        self._connection.close()


def behind_lock(path: str) -> Callable[[], None]:
    """In a process of its own: what stores one row, synced, as soon as a lock is to be had that the kernel keeps for one at a time."""
    import fcntl

    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("PRAGMA synchronous = FULL")
    lock = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT, 0o600)

    def insert() -> None:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_INSERT, (time.time_ns() // 1000,))
        connection.execute("COMMIT")
        fcntl.lockf(lock, fcntl.LOCK_UN)

    return insert


def _ear() -> socket.socket:
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.settimeout(30)
    ear.bind(("127.0.0.1", 0))
    return ear


def answer(path: str, port: str) -> None:
    """The other process of ``wake``: claims and acks one row for each datagram, until it is killed."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    ear, asker = _ear(), ("127.0.0.1", int(port))
    ear.sendto(str(ear.getsockname()[1]).encode(), asker)
    while True:
        ear.recv(64)
        rows = connection.execute(_CLAIM, (0, 1)).fetchall()
        started = time.monotonic_ns()
        connection.execute(_ACK, (0, json.dumps([row[0] for row in rows])))
        ear.sendto(str(started).encode(), asker)
