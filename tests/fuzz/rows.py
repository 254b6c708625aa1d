"""Rows with any values in any columns that SQLite takes there once our checks are switched off, as any connection can do: shown,
looked at by the doctor, and served by a worker. (Values of a type that STRICT refuses are damage, not rows: cli/test_entry.)"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from . import mutations, planting
from .oracle import command

NOW = 1_700_000_000_000_000
JOB = {
    "task": "tests.sample.add", "args": "[1,2]", "kwargs": "{}", "state": "available", "queue": "default", "pool": "thread",
    "priority": 0, "run_at": NOW, "attempt": 0, "releases": 0, "failures": 0, "interruptions": 0, "max_attempts": 1,
    "timeout": None, "soft_timeout": None, "at_most_once": 0, "worker_id": None, "lease_expires_at": None, "created_at": NOW,
    "started_at": None, "finished_at": None, "expires_at": None, "cancel_requested_at": None, "prune_at": None, "result": None,
    "last_error": None, "schedule_id": None, "scheduled_for": None, "reported_at": None,
}  # fmt: skip
FINAL = {"attempt": 1, "started_at": NOW, "finished_at": NOW, "prune_at": 9 * NOW}
RUNNING = {"state": "running", "attempt": 1, "started_at": NOW, "lease_expires_at": NOW, "worker_id": 1}
SCHEDULE = {
    "name": "nightly", "trigger": '{"cron":"0 3 * * *","timezone":"Europe/Berlin"}', "task": "tests.sample.add", "args": "[1,2]",
    "kwargs": "{}", "queue": "default", "pool": "thread", "priority": 0, "max_attempts": 1, "timeout": None,
    "soft_timeout": None, "at_most_once": 0, "expires": None, "catch_up": "latest", "grace": 0, "overlap": "skip", "jitter": 0,
    "on_failure": None, "mail_to": None, "module": None, "directory": None, "anchor_at": NOW, "next_tick_at": NOW,
    "fires_at": NOW, "awaiting": 0, "boot": None, "ticks": 0, "revision": 0, "paused_at": None, "disabled_at": None,
    "disabled_why": None, "created_at": NOW, "updated_at": NOW,
}  # fmt: skip
ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("jobs", JOB),
    ("jobs", {**JOB, "pool": "process", "task": "tests.sample.square", "args": "[3]"}),
    ("jobs", {**JOB, "pool": "async", "task": "tests.sample.echo", "args": "[3]"}),
    ("jobs", {**JOB, "state": "retrying", "attempt": 1, "failures": 1, "max_attempts": 2, "last_error": "ValueError: x"}),
    ("jobs", {**JOB, **RUNNING}),
    ("jobs", {**JOB, **FINAL, "state": "succeeded", "result": "3"}),
    ("jobs", {**JOB, **FINAL, "state": "discarded", "failures": 1, "last_error": "ValueError: x"}),
    ("schedules", SCHEDULE),
    ("schedules", {**SCHEDULE, "trigger": '{"every":60000000}', "id": 1}),
    ("ticks", {"schedule_id": 1, "tick_at": NOW}),
    ("tasks", {"name": "tests.sample.add", "module": "tests.sample", "qualname": "add", "directory": "/", "options": "{}", "recorded_at": NOW}),
    ("workers", {
        "id": 1, "name": "w", "pid": 2**22 + 1, "host": "h", "lock_file": f"{1:016x}.lock", "wake_port": 9, "queues": None,
        "slots": '{"thread":1}', "unknown_tasks": "{}", "started_at": NOW, "heartbeat_at": NOW, "leaving_at": None, "stopped_at": None,
    }),
    ("attempts", {
        "job_id": 1, "attempt": 1, "outcome": "failed", "worker_id": 1, "started_at": NOW, "finished_at": NOW, "error_type": "ValueError",
        "error_message": "x", "traceback": "",
    }),
    ("queues", {"name": "default", "paused_at": None}),
    ("jobs", {**JOB, **FINAL, "state": "succeeded", "result": "3", "links": 1, "id": 1}),
    ("jobs", {**JOB, "state": "blocked", "links": 4, "id": 2, "args": "[1]"}),
    ("edges", {"parent_id": 1, "child_id": 2, "position": 0}),
    ("waits", {
        "job_id": 2, "pending": 1, "upset": 0, "runs_when": "success", "takes": "one", "delay": None, "inputs": None, "cause": None, "held": 0,
        "replaced": 0, "own_inputs": None,
    }),
    ("callbacks", {"job_id": 1, "number": 0, "runs_when": "success", "job": '{"task":"tests.sample.add","args":"[1]","takes":1}'}),
    ("flows", {"id": 1, "end_id": 2, "gathers": 0, "created_at": NOW, "open": None, "children": None}),
    ("flow_jobs", {"first_id": 1, "last_id": 2, "flow_id": 1}),
    ("steps", {"job_id": 1, "name": "charge", "value": "1", "until": None, "event": None, "attempt": 1, "at": NOW}),
    ("events", {"name": "x", "payload": "null", "at": NOW, "prune_at": NOW}),
    ("listeners", {"name": "x", "job_id": 1, "step": "charge"}),
)  # fmt: skip
MOST = 6  # rows of a case
VALUES: tuple[Any, ...] = (
    None, 0, 1, -1, 2, 2**31, 2**63 - 1, -(2**63), NOW, 9 * NOW, 400 * NOW, 0.5, -1.5, 1e308, float("inf"), float("-inf"), "", "x",
    "1", "-1", "nan", mutations.CONTROL, "x" * 200_000, "[" * 100_000, b"", b"\xff\0x", (b"\xff\xfe",), (b"\xed\xa0\x80",), "[]",
    "{}", "null", "true", '"x"', "[1]", "[NaN]", "[1e999]", '{"a":1}', '{"$set":[[]]}', '{"$tuple":1}', "9" * 5000, f"[{'9' * 5000}]",
    "running", "blocked", "succeeded", "thread", "process", "async", "default", "skip", "all", "/", "..", "../../x", "tests.sample",
    "os.system", "tests.sample.add", "é" * 300,
)  # fmt: skip

Rows = list[tuple[str, dict[str, Any]]]


def make(random: Random) -> Rows:
    found: Rows = []
    for _ in range(random.randint(1, MOST)):
        table, base = random.choice(ROWS)
        row = dict(base)
        for column in random.sample([*row], min(len(row), random.choice((1, 1, 2, 4)))):
            row[column] = _value(random, row[column])
        found.append((table, row))
    return found


def _value(random: Random, stored: Any) -> Any:
    """Mostly one of the type that the column has, since SQLite refuses others."""
    if isinstance(stored, str) and random.random() < 0.3:
        return mutations.text(random, stored).encode(errors="replace").decode()
    fitting = VALUES if stored is None else [value for value in VALUES if isinstance(value, (type(stored), tuple)) or value is None]
    return random.choice(fitting if random.random() < 0.9 else VALUES)


def judge(planted: Rows, folder: Path) -> None:
    db = planting.made(folder)
    planting.rows(db, planted)
    for words in (
        ("jobs", db), ("jobs", db, "--json"), ("job", db, 1), ("job", db, 1, "--json"), ("flow", db, 1), ("flow", db, 1, "--json"), ("stats", db), ("stats", db, "--json"),
        ("doctor", db), ("schedules", db), ("schedules", db, "--json"), ("tasks", db), ("ticks", db, "nightly"), ("cron", "export", db),
    ):  # fmt: skip
        command(*words, cwd=folder)
    flags = ("--burst", "--threads", 1, "--processes", 1, "--async", 1, "--grace", 1, "--import", "tests.sample", "--log-json")
    # 1 would be a part of the worker that died; 75 is a row that has the last id that there is. What it prints of jobs that failed is in JSON, each on its line.
    done = command("worker", db, *flags, cwd=folder, exits=(0, 3, 4, 75))
    for line in done.stderr.splitlines():
        if line.startswith("{"):
            json.loads(line)
    command("jobs", db, cwd=folder)
    command("doctor", db, cwd=folder)
