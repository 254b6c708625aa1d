"""A fleet of real processes, for the tests of it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from litequeue import LiteQueue

from ...prepared import Process, worker_process
from ...support import children_of, wait_until

TASKS = """
import os, time
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")
kept = []

def note(line):
    with open("ledger", "a") as file:
        file.write(f"{line}\\n")

@app.task
def nap(key, seconds):
    time.sleep(seconds)
    note(key)

@app.task
def wait(key):
    note(f"begins {key}")
    while not os.path.exists("gate"):
        time.sleep(0.01)
    note(f"ends {key}")

@app.task
def leak(size):
    kept.append(b"x" * size)

@app.task(pool="process")
def leak_in_process(size):
    kept.append(b"x" * size)
    return os.getpid()

@app.task
def value():
    return 1
"""


class Running(NamedTuple):
    command: Process
    folder: Path
    app: LiteQueue

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def ledger(self) -> list[str]:
        path = self.folder / "ledger"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self) -> dict[int, str]:
        """The workers that the file knows, and that are there."""
        children = set(children_of(self.command.pid))
        try:
            with contextlib.closing(sqlite3.connect(self.folder / "db.sqlite")) as connection:
                rows = connection.execute("SELECT pid, name FROM litequeue_workers WHERE stopped_at IS NULL").fetchall()
        except sqlite3.Error:  # it is being made
            return {}
        return {pid: name for pid, name in rows if pid in children}

    def wait_for(self, workers: int) -> dict[int, str]:
        """Until so many are up, and nobody comes or goes."""
        def settled() -> dict[int, str] | None:
            found = self.pids()
            return found if len(found) == workers and set(found) == set(children_of(self.command.pid)) else None

        found: dict[int, str] = wait_until(settled, 30, f"{workers} workers are up")
        return found

    def wait_for_line(self, text: str, seconds: float = 30) -> None:
        wait_until(lambda: text in self.log(), seconds, text)


@contextlib.contextmanager
def running(folder: Path, *flags: object, workers: int = 2, up: bool = True, tasks: str | None = TASKS) -> Iterator[Running]:
    """``worker DB --workers N --name shop --import tasks``, in the folder."""
    if tasks is not None:
        (folder / "tasks.py").write_text(tasks)
    db = folder / "db.sqlite"
    with (folder / "log").open("w") as log, LiteQueue(db) as app, worker_process(
        db, "--workers", workers, "--name", "shop", "--import", "tasks", *flags, wait=False, cwd=folder, stdout=log
    ) as command:  # fmt: skip
        ours = Running(command, folder, app)
        children: list[int] = []
        try:
            if up:
                ours.wait_for(workers)
            yield ours
        finally:
            (folder / "gate").touch()
            children = children_of(command.pid)
            command.terminate()
            with contextlib.suppress(Exception):
                command.wait(20)
            command.kill()
            wait_until(lambda: all(map(is_gone, children)), 20, "its workers end with it")


def is_gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def lines_of(log: str) -> list[dict[str, object]]:
    """Of a log in JSON."""
    return [json.loads(line) for line in log.splitlines()]


def session_of(pid: int) -> int:
    return os.getsid(pid)
