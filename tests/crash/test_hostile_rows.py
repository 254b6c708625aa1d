"""Rows and files that somebody else planted: they hurt only themselves, and nothing that they name is run.

The planting is done by plain sqlite3 on a queue that a live worker serves.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from litequeue import CannotOpen, LiteQueue
from litequeue.cli import main

from .. import hostile, sample
from ..prepared import Process, litequeue, worker_process
from ..support import environment, wait_until
from .logged import logged_worker, stop

FLAGS = ("--threads", 2, "--processes", 1, "--async", 2, "--grace", 0.5)
HUGE = 2**63 - 1
LINK, DEAD, FOLDER, LAST = (f"{number:016x}.lock" for number in range(4))  # named as a worker's
EVIL = "\x1b[31m\r\nevil\u202e"
NOT_UTF8 = b"\xff\xfe"


def plant(db: Path, table: str = "jobs", **columns: Any) -> int:
    """Insert a row by plain SQL; bytes are stored as *text* of those very bytes. Its id."""
    names = ", ".join(columns)
    marks = ", ".join("CAST(? AS TEXT)" if isinstance(v, bytes) else "?" for v in columns.values())
    with contextlib.closing(sqlite3.connect(db, timeout=10, isolation_level=None)) as connection:
        sql = f"INSERT INTO litequeue_{table} ({names}) VALUES ({marks})"
        return int(connection.execute(sql, tuple(columns.values())).lastrowid or 0)


def ask(db: Path, sql: str, key: int) -> Any:
    with contextlib.closing(sqlite3.connect(db, timeout=10)) as connection:
        return connection.execute(sql, (key,)).fetchone()[0]


def state(db: Path, job: int) -> str:
    return str(ask(db, "SELECT state FROM litequeue_jobs WHERE id = ?", job))


class Served(NamedTuple):
    app: LiteQueue
    db: Path
    log: Path
    worker: Process


@pytest.fixture
def served(sample_app: LiteQueue, db: Path, tmp_path: Path) -> Iterator[Served]:
    """A worker that serves the file and has run a job; beside it, what planted rows point to."""
    log = tmp_path / "log"
    with log.open("ab") as file, worker_process(db, *FLAGS, stdout=file) as worker:
        sample.add.delay(1, 1).get(timeout=10)
        plant_lock_files(db, tmp_path / "victim")
        yield Served(sample_app, db, log, worker)
    assert (tmp_path / "victim").read_bytes() == b"precious"


def plant_lock_files(db: Path, victim: Path) -> None:
    victim.write_bytes(b"precious")
    folder = Path(f"{db}-workers")
    folder.mkdir(0o700, exist_ok=True)
    (folder / LINK).symlink_to(victim)
    (folder / DEAD).touch()
    (folder / FOLDER).mkdir()


def plant_row(db: Path, name: str) -> int | None:
    """Plant the named row; the job's id, if it is a job."""
    if name in WORKERS:
        plant(db, "workers", **{**WORKER, **WORKERS[name]})
        return None
    return plant(db, **{"task": ADD, "args": "[1, 2]", "max_attempts": 1, **JOBS[name]})


def run(served: Served, task: Any, *args: Any) -> Any:
    """Run a job, or fail as soon as the worker is gone."""
    job = task.delay(*args)
    wait_until(lambda: job.done() or served.worker.poll() is not None, what="a neighbour runs")
    assert served.worker.poll() is None, served.log.read_text()[-1500:]
    return job.get(timeout=0)


def assert_nothing_else_is_hurt(served: Served) -> None:
    """The neighbours run, the worker lives, looks for dead peers, and leaves; no terminal is driven."""
    assert run(served, sample.add, 1, 1) == 2
    assert run(served, sample.echo, "x") == "x"
    # A row whose worker is found dead is the last thing that housekeeping gets to.
    Path(f"{served.db}-workers", LAST).touch()
    last = plant(served.db, "workers", **{**WORKER, "name": "last", "lock_file": LAST})
    run(served, sample.add, 0, 0)  # which makes the worker look for peers
    wait_until(lambda: served.worker.poll() is not None or stopped(served.db, last), what="the dead are found")
    assert served.worker.poll() is None, served.log.read_text()[-1500:]
    stop(served.worker, 4)
    assert served.worker.returncode == 0
    assert_no_control_characters(served.log.read_bytes().decode("utf-8", "replace"))


def stopped(db: Path, worker: int) -> bool:
    return bool(ask(db, "SELECT stopped_at IS NOT NULL FROM litequeue_workers WHERE id = ?", worker))


def assert_no_control_characters(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in text), ascii(text)[-2000:]


def assert_readable(db: Path, *jobs: int) -> None:
    """People see the file: nothing is raised, and nothing raw is printed."""
    for words in (["jobs"], ["jobs", "--json"], ["stats"], ["stats", "--json"], *(["job", str(n)] for n in jobs)):
        printed, complaint = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaint):
            code = main([words[0], str(db), *words[1:]])
        assert code == 0, complaint.getvalue()
        assert_no_control_characters(printed.getvalue())


# -- what SQLite itself refuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {"task": None}, {"task": "t", "queue": None}, {"task": "t", "args": None}, {"task": "t", "state": "asleep"},
        {"task": "t", "state": None}, {"task": "t", "pool": "gpu"}, {"task": "t", "attempt": "many"},
        {"task": "t", "priority": 1.5}, {"task": "t", "run_at": float("nan")}, {"task": "t", "run_at": "soon"},
        {"task": "t", "timeout": "1 s"}, {"task": "t", "max_attempts": "3x"}, {"task": "t", "at_most_once": "yes"},
        {"task": "t", "id": "first"}, {"task": "t", "state": "running"}, {"task": "t", "state": "succeeded"},
    ],
    ids=str,
)  # fmt: skip
def test_the_file_itself_refuses(sample_app: LiteQueue, db: Path, columns: dict[str, Any]) -> None:
    job = sample.add.delay(1, 1)
    with pytest.raises(sqlite3.Error):
        plant(db, **columns)
    assert [info.id for info in sample_app.jobs()] == [job.id]


@pytest.mark.parametrize("column", ["task", "args", "kwargs", "queue"])
def test_the_file_itself_refuses_bytes(sample_app: LiteQueue, db: Path, column: str) -> None:
    sample.add.delay(1, 1)
    with contextlib.closing(sqlite3.connect(db)) as connection, pytest.raises(sqlite3.IntegrityError, match="BLOB"):
        connection.execute(f"UPDATE litequeue_jobs SET {column} = x'80044b012e'")


# -- the rows -------------------------------------------------------------------------------------------------------

ADD = "tests.sample.add"
DEEP = "[" * 100_000 + "]" * 100_000

# Jobs that cannot run: discarded.
DISCARDED: dict[str, dict[str, Any]] = {
    "cut JSON": {"args": "[1, "},
    "bad kwargs": {"kwargs": "nope"},
    "an object for args": {"args": '{"x": 1}'},
    "a string for args": {"args": '"xy"'},
    "a list for kwargs": {"kwargs": "[1, 2]"},
    "NaN": {"args": "[NaN, 1]"},
    "an unregistered type": {"args": '[{"$type": ["os.system", "id"]}, 1]'},
    "a wrong body": {"args": '[{"$datetime": {"a": 1}}, 1]'},
    "an unknown tag": {"args": '[{"$exec": "id"}, 1]'},
    "a codec that the task has not": {"args": '{"$codec":["pickle","gARLBS4=","tests.sample.add","args","00"]}'},
    "compressed JSON that is cut": {"args": '{"$codec":["json+zlib","eJyL"]}'},
    "not UTF-8": {"args": NOT_UTF8},
    "2 MB that end early": {"args": "[" + "1," * 1_000_000},
    "nested": {"args": "[" * 50_000 + "]" * 50_000},
    "a huge number": {"args": f"[{'9' * 5000}, 1]"},
    "negative attempts": {"args": "[", "max_attempts": -5},
    # No task can have such a name.
    "control characters": {"task": EVIL, "queue": EVIL}, "an empty name": {"task": "", "queue": ""},
    "nested lists": {"args": DEEP},
    "nested dicts": {"kwargs": '{"x":' * 100_000 + "1" + "}" * 100_000},
    "nested tags": {"args": '[{"$tuple":' * 50_000 + "[]" + "}]" * 50_000},
    "long arguments": {"args": '["' + "x" * (2 << 20) + '", 1]'},
    "a huge name": {"task": "x" * 1_000_000},
    "SQL": {"task": "x'; DROP TABLE litequeue_jobs;--", "queue": "%_\"*'"},
    "a name that is not UTF-8": {"task": NOT_UTF8},
    "NUL": {"task": "a\0b"},
}

# Jobs that nobody knows: left queued for a worker that does.
LEFT: dict[str, dict[str, Any]] = {
    "an unknown task": {"task": "no.such.task"}, "an unknown queue": {"task": "no.such", "queue": "no such"},
    "a queue that is not UTF-8": {"task": ADD, "queue": NOT_UTF8}, "a queue with NUL": {"task": ADD, "queue": "c\0d"},
}

NUMBERS: dict[str, dict[str, Any]] = {
    "the least": {"priority": -HUGE - 1, "run_at": -HUGE - 1, "created_at": -HUGE - 1},
    "far future": {"state": "scheduled", "run_at": HUGE},
    "created in the far future": {"created_at": HUGE},
    "most priority": {"priority": HUGE},
    "negative limits": {"timeout": -1, "soft_timeout": -HUGE},
    "huge limits": {"timeout": HUGE, "soft_timeout": HUGE, "max_attempts": HUGE, "expires_at": HUGE},
    "expired at the start": {"expires_at": -HUGE - 1},
    "long ago": {"cancel_requested_at": -HUGE - 1},
}

JOBS = {**DISCARDED, **LEFT, **NUMBERS}

WORKER = {
    "name": "planted", "pid": 1, "host": "h", "lock_file": "0123456789abcdef.lock", "slots": "{}", "started_at": 0,
    "heartbeat_at": 0,
}  # fmt: skip
WORKERS: dict[str, dict[str, Any]] = {
    "slots are no JSON": {"slots": "nope"}, "slots are a list": {"slots": "[1]"},
    "queues are no JSON": {"queues": "nope"},
    "unknown tasks are no JSON": {"unknown_tasks": "nope"},
    "all is nested": {"queues": DEEP, "slots": DEEP, "unknown_tasks": DEEP},
    "a folder for a lock": {"lock_file": FOLDER},
    "a lock of another program": {"lock_file": "poetry.lock"},
    "a lock outside": {"lock_file": "../../../../etc/passwd"},
    "a NUL in the lock": {"lock_file": "a\0b"},
    "a link for a lock": {"lock_file": LINK},
    "a control character": {"name": EVIL, "lock_file": DEAD, "unknown_tasks": json.dumps({EVIL: EVIL})},
    "times out of bounds": {"started_at": HUGE, "heartbeat_at": -HUGE},
}

# What the tables' CHECKs refuse.
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "negative attempts": ("jobs", {"attempt": -5}), "most attempts": ("jobs", {"attempt": HUGE}),
    "negative failures": ("jobs", {"failures": -5}), "most failures": ("jobs", {"failures": HUGE}),
    "more failures than attempts": ("jobs", {"failures": 1}), "more releases": ("jobs", {"releases": 1}),
    "more interruptions": ("jobs", {"interruptions": 1}), "an unknown state": ("jobs", {"state": "lost"}),
    "no port": ("workers", {**WORKER, "wake_port": 70_000}), "a negative port": ("workers", {**WORKER, "wake_port": -1}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_the_file_itself_refuses_numbers_out_of_bounds(sample_app: LiteQueue, db: Path, name: str) -> None:
    sample.add.delay(1, 1)
    table, row = REFUSED[name]
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        plant(db, table, **({"task": ADD, **row} if table == "jobs" else row))


@pytest.mark.slow
@pytest.mark.beside
def test_planted_rows_hurt_only_themselves(served: Served) -> None:
    """All at once, the number of the unknown being more than there are slots."""
    planted = {name: plant_row(served.db, name) for name in (*JOBS, *WORKERS)}
    assert_nothing_else_is_hurt(served)
    for name, job in planted.items():
        if job is not None and name in DISCARDED:
            assert state(served.db, job) == "discarded", name
        if job is not None and name in LEFT:
            assert state(served.db, job) == "available", name


@pytest.mark.slow
@pytest.mark.beside
def test_planted_rows_can_be_looked_at(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    sample.add.delay(1, 1)
    jobs = [plant_row(db, name) for name in (*JOBS, *WORKERS)]
    assert_readable(db, *(job for job in jobs if job is not None))


def test_a_schedule_of_a_module_that_is_nowhere_stops_no_worker(sample_app: LiteQueue, db: Path) -> None:
    sample_app.schedules.add("lost", sample.add, args=(1, 2), every="1h")
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("UPDATE litequeue_schedules SET module = 'tests.sample', directory = NULL")
    job = sample.add.delay(1, 2)
    done = litequeue("worker", db, "--burst", "--import", "tests.sample")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert job.get(timeout=0) == 3


def test_a_running_job_without_a_lease_can_be_looked_at(sample_app: LiteQueue, db: Path) -> None:
    """Any connection may switch our checks off."""
    sample.add.delay(1, 1)
    plant(db, "workers", **WORKER)
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE litequeue_jobs SET state = 'running', worker_id = (SELECT max(id) FROM litequeue_workers)")
    for command in ("stats", "doctor"):
        assert "Traceback" not in litequeue(command, db).stderr


COMMAND = "litequeue.command"

# What a program runs in a process of its own, so that its memory and its output are its own: printed, and megabytes. Not ru_maxrss,
# in which Linux counts also what the process that started this one had: it is kept over an exec.
MEASURED = """
import io, sys, time
from contextlib import redirect_stdout
from litequeue.cli import main
printed = io.StringIO()
with redirect_stdout(printed):
    codes = [main(words.split("|")) for words in sys.argv[1:]]
peak = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0] if sys.platform == "linux" else 0
print(*codes, len(printed.getvalue()), int(peak) // 1024, time.process_time())
print(printed.getvalue())
"""


def plant_depths(db: Path, app: LiteQueue) -> list[int]:
    """Whatever of the file is JSON, nested as no program of ours writes it; the jobs."""
    ended = {"state": "succeeded", "attempt": 1, "finished_at": 1, "started_at": 1, "prune_at": HUGE}
    just = "[" * 300 + ",".join("1" * 200_000) + "]" * 300
    jobs = [
        plant(db, task=ADD, args=DEEP),
        plant(db, task=ADD, kwargs='{"x":' * 100_000 + "1" + "}" * 100_000),
        plant(db, task=ADD, args=just),  # within the limits, but for an indent
        plant(db, task=COMMAND, args="[]", kwargs=DEEP, **ended, result=DEEP),
    ]
    plant(db, "output", job_id=jobs[-1], attempt=1, number=1, stream="usage", at=1, text=DEEP)
    plant(db, "output", job_id=jobs[-1], attempt=1, number=2, stream="usage", at=1, text="nope")
    plant(db, "workers", **{**WORKER, **WORKERS["all is nested"]})
    for name, column in (("spec", "trigger"), ("arguments", "args"), ("command", "kwargs")):
        app.schedules.add(name, COMMAND, kwargs={"argv": ["true"]}, every="1h")
        with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
            connection.execute(f"UPDATE litequeue_schedules SET {column} = ? WHERE name = ?", (DEEP, name))
    return jobs


@pytest.mark.slow
def test_what_is_nested_deeply_is_shown_in_few_words(sample_app: LiteQueue, db: Path) -> None:
    """Since Python 3.13 it can be read: an indent for each level made gigabytes of one row."""
    sample.add.delay(1, 1)
    jobs = plant_depths(db, sample_app)
    words = [["jobs"], ["jobs", "--json"], ["stats"], ["stats", "--json"], ["schedules"], ["schedules", "--json"]]
    words += [[kind, str(job), *json] for job in jobs for kind, json in (("job", []), ("job", ["--json"]))]
    commands = ["|".join([line[0], str(db), *line[1:]]) for line in words]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *commands], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *codes, size, megabytes, seconds = done.stdout.split("\n", 1)[0].split()
    assert set(codes) == {"0"}, codes
    assert int(size) < 5_000_000 and int(megabytes) < 200 and float(seconds) < 10, (size, megabytes, seconds)
    assert "not shown: it is nested 100,000 levels deep" in done.stdout
    assert DEEP not in done.stdout, done.stdout[max(done.stdout.find(DEEP) - 300, 0) :][:400]


def test_what_is_nested_deeply_stops_no_enqueue_by_name(sample_app: LiteQueue, db: Path) -> None:
    for name, options in (("a.deep", DEEP), ("a.text", "nope"), ("a.list", "[1]")):
        sample_app.stats()
        plant(db, "tasks", name=name, module="m", qualname="q", directory="/", options=options, recorded_at=0)
        assert sample_app.enqueue(name).state == "available"


# -- names and texts -------------------------------------------------------------------------------------------------


class Bomb(str):
    def __reduce__(self) -> Any:
        return os.mkdir, (str(self),)


@pytest.mark.slow
@pytest.mark.beside
def test_no_pickle_and_no_name_in_a_row_is_ever_run(served: Served, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    bomb = pickle.dumps(Bomb(str(canary)), 0)
    pickle.loads(bomb)  # it does go off
    canary.rmdir()
    text = bomb.decode()
    bad = [
        plant(served.db, task=ADD, max_attempts=1, args=text),
        plant(served.db, task=ADD, max_attempts=1, args=json.dumps([{"$pickle": text}, 1])),
        plant(served.db, task=ADD, max_attempts=1, args=json.dumps([{"$type": ["pickle.loads", text]}, 1])),
    ]
    queued = []
    for module, name in (("os", "system"), ("builtins", "eval"), ("subprocess", "run"), ("os", "mkdir")):
        origin = {"module": module, "qualname": name, "directory": "/", "options": "{}", "recorded_at": 0}
        plant(served.db, "tasks", name=f"{module}:{name}", **origin)
        queued.append(plant(served.db, task=f"{module}:{name}", args=json.dumps([str(canary)])))
        queued.append(plant(served.db, task=f"{module}.{name}", args=json.dumps([str(canary)])))
    for job in bad:
        wait_until(lambda: state(served.db, job) == "discarded")  # noqa: B023
    wait_until(lambda: len(served.app.stats().workers[0].unknown_tasks) == len(queued))
    assert {state(served.db, job) for job in queued} == {"available"}
    assert_readable(served.db, *bad, *queued[:2])
    assert_nothing_else_is_hurt(served)
    assert not canary.exists()


@pytest.mark.slow
@pytest.mark.beside
def test_planted_attempts_and_queues_are_shown_without_their_control_characters(served: Served) -> None:
    job = sample.misbehave_thread.delay("ValueError")
    assert job.wait(timeout=10)
    texts = {"outcome": EVIL, "error_type": EVIL, "error_message": EVIL, "traceback": EVIL}
    plant(served.db, "attempts", job_id=job.id, attempt=7, **texts)
    plant(served.db, "queues", name=EVIL, paused_at=1)
    with contextlib.closing(sqlite3.connect(served.db, isolation_level=None)) as connection:
        connection.execute("UPDATE litequeue_jobs SET last_error = ?, result = ?", (EVIL, EVIL))
    assert_readable(served.db, job.id)
    assert_nothing_else_is_hurt(served)


@pytest.mark.beside
def test_a_failures_text_reaches_no_terminal_raw(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    hostile.hostile_thread.delay("control characters")
    with worker_process(db, *FLAGS):
        done = litequeue("enqueue", db, hostile.hostile_thread.name, "control characters", "--wait", "10")
    assert done.returncode == 1
    assert_no_control_characters(done.stderr)


@pytest.mark.beside
def test_a_note_on_a_result_reaches_no_log_raw(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as file, worker_process(db, *FLAGS, stdout=file):
        job = hostile.hostile_thread.delay("evil result")
        assert job.wait(timeout=10) and job.state == "succeeded"
        wait_until(lambda: "succeeded, but" in (tmp_path / "log").read_text())
    assert_no_control_characters((tmp_path / "log").read_bytes().decode())


# -- files ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.beside
def test_every_file_is_its_owners_alone_whatever_the_umask(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    with logged_worker(db, tmp_path / "log", *FLAGS, wait=False, umask=0):  # which makes them all
        wait_until(Path(f"{db}-workers").exists)
        assert sample.square.delay(3).get(timeout=10) == 9
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.glob("db.sqlite*")}
        inner = [stat.S_IMODE(p.stat().st_mode) for p in Path(f"{db}-workers").iterdir()]
    side = ("db.sqlite", "db.sqlite-lock", "db.sqlite-shm", "db.sqlite-wal")
    assert modes == {**dict.fromkeys(side, 0o600), "db.sqlite-workers": 0o700}
    assert inner == [0o600, 0o600, 0o600]  # the locks of the worker, its process, and the guard of that


@pytest.mark.beside
@pytest.mark.parametrize("suffix", ["-lock", "-workers", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("by", ["worker", "enqueue"])
def test_a_link_planted_in_place_of_a_side_file_harms_no_target(db: Path, tmp_path: Path, suffix: str, by: str) -> None:
    """In a folder such as /tmp, where others can plant names but not touch our files."""
    file, folder = tmp_path / "victim", tmp_path / "folder"
    file.write_bytes(b"precious")
    folder.mkdir()
    Path(f"{db}{suffix}").symlink_to(folder if suffix == "-workers" else file)
    if by == "worker":
        done = litequeue("worker", db, "--burst")
        assert done.returncode in (0, 4), done.stderr
        assert "Traceback" not in done.stderr
    else:
        with contextlib.suppress(CannotOpen), LiteQueue(db) as app:
            app.enqueue("some.task")
    assert file.read_bytes() == b"precious"
    assert list(folder.iterdir()) == []


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("loose", ["db.sqlite", ".", "canary_module.py"])
def test_no_module_is_imported_for_what_others_can_write(tmp_path: Path, loose: str) -> None:
    tmp_path.chmod(0o700)
    canary, db = tmp_path / "canary", tmp_path / "db.sqlite"
    (tmp_path / "canary_module.py").write_text(
        f"from pathlib import Path\nPath({str(canary)!r}).touch()\nfrom litequeue import LiteQueue\n"
        "app = LiteQueue('db.sqlite')\n@app.task\ndef f(): ...\n"
    )
    with LiteQueue(db) as app:
        app.stats()
        job = app.enqueue("canary_module.f")
        origin = {"module": "canary_module", "qualname": "f", "directory": str(tmp_path), "options": "{}"}
        plant(db, "tasks", name="canary_module.f", recorded_at=0, **origin)
        path, mode = tmp_path / loose, stat.S_IMODE((tmp_path / loose).stat().st_mode)
        path.chmod(mode | 0o002)
        done = litequeue("worker", db, "--burst")
        assert "can be written by others" in done.stderr
        assert job.state == "available" and not canary.exists()
        path.chmod(mode & ~0o022)  # the same worker imports it once that is mended
        litequeue("worker", db, "--burst")
        assert job.state == "succeeded" and canary.exists()
