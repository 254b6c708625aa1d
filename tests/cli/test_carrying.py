"""Jobs out of one file as lines, and into another: what is the same afterwards, what is said to be otherwise, and what is refused."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, chain, current_job
from litequeue.base.errors import StorageFull
from litequeue.store.carrying import reading, storing

from ..older import rows
from ..support import ROOT
from .conftest import Cli, Terminal

pytestmark = pytest.mark.beside

NOW = 1_700_000_000_000_000
LATER = 4 * 10**15
FINAL = ("succeeded", "discarded", "cancelled", "expired")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A second file, that is empty."""
    path = tmp_path / "other.sqlite"
    LiteQueue(path).stats()
    return path


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def insert(db: sqlite3.Connection, table: str, **columns: Any) -> None:
    db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", tuple(columns.values()))


def filled(path: Path, rng: random.Random, count: int) -> None:
    """Jobs in all states and with all that can be kept of them, at random."""
    LiteQueue(path).stats()
    with contextlib.closing(sqlite3.connect(path)) as db:
        fill(db, rng, count)
        db.commit()


def fill(db: sqlite3.Connection, rng: random.Random, count: int) -> None:

    def some(value: Any) -> Any:
        return value if rng.random() < 0.5 else None

    def text() -> str:
        return "".join(rng.choice("ab \u00e4\n\"\\\u2028{[") for _ in range(rng.randrange(9)))

    def at() -> int:
        return NOW + rng.randrange(10**12)

    for job in range(1, count + 1):
        state = rng.choice([*FINAL, "available", "scheduled", "retrying", "limited"])
        is_final, attempt = state in FINAL, rng.randrange(1, 5)
        limited = state == "limited"
        insert(
            db, "litequeue_jobs", task=rng.choice(["a.b", "c"]), queue=rng.choice(["default", "q"]), state="blocked" if limited else state, pool=rng.choice(["thread", "process", "async"]),
            priority=rng.randrange(-2, 3), run_at=at(), attempt=attempt, releases=rng.randrange(attempt), failures=rng.randrange(attempt), interruptions=rng.randrange(attempt),
            max_attempts=some(rng.randrange(1, 9)), timeout=some(rng.randrange(1, 10**9)), soft_timeout=some(rng.randrange(1, 10**9)), at_most_once=rng.randrange(2),
            created_at=at(), started_at=some(at()), finished_at=at() if is_final else None, expires_at=some(LATER), cancel_requested_at=some(at()), prune_at=LATER if is_final else None,
            result=some(rng.choice(['{"a":[1]}', "1.50", "null", '"x"'])), last_error=some(text()), args=rng.choice(["[1,2]", "[ 1]", "[]"]), kwargs=rng.choice(["{}", '{"k":"\\u00e4"}', '{"k": 1}']),
            tags=some('["t", "u"]'), headers=some('{"h": 1}'), reported_at=at() if state == "discarded" else None, moved_to=some("m") if is_final else None,
            limit_key="l:1" if limited else None, holds=3 if limited else None,
        )  # fmt: skip
        for execution in range(rng.randrange(3)):
            insert(db, "litequeue_attempts", job_id=job, attempt=execution, outcome=rng.choice(["failed", "interrupted"]), due_at=some(at()), started_at=some(at()), finished_at=some(at()),
                   error_type="E", error_message=text(), traceback=text())  # fmt: skip
            insert(db, "litequeue_output", job_id=job, attempt=execution, number=1, stream="stdout", at=at(), text=text())
            insert(db, "litequeue_steps", job_id=job, name=f"s{execution}", value=some("5"), until=some(at()), event=some("e"), attempt=1, at=at())
            insert(db, "litequeue_usage", job_id=job, attempt=execution, cpu_time=rng.randrange(10**9), max_rss=some(9))
            insert(db, "litequeue_callbacks", job_id=job, number=execution, runs_when=rng.choice(["success", "failed"]), job="{}")
        if rng.random() < 0.3:
            insert(db, "litequeue_progress", job_id=job, attempt=1, at=at(), said=some("[1, 2, null, 3.5]"), meta=some("{}"))
            insert(db, "litequeue_keys", job_id=job, task="a.b", key=f"k{job}", holds=some(1), until="finish", until_at=None)
    db.execute("UPDATE litequeue_keys SET task = (SELECT task FROM litequeue_jobs WHERE id = job_id)")
    db.execute("UPDATE litequeue_jobs SET links = CASE WHEN finished_at IS NULL THEN 1 ELSE 2 END WHERE id IN (SELECT job_id FROM litequeue_callbacks)")


@pytest.mark.parametrize("seed", range(4))
def test_what_comes_in_goes_out_again_the_same(cli: Cli, db: Path, other: Path, tmp_path: Path, seed: int) -> None:
    filled(db, random.Random(seed), 60)
    rows(db, "DELETE FROM litequeue_jobs WHERE id % 7 = 0")
    first = cli("export", db)
    assert (first.code, first.err, len(first.out.splitlines())) == (0, "", 52)
    assert cli("import", other, "-", given=first.out.encode()) == (0, "52 jobs imported, as jobs 1 to 52\n", "")
    second = cli("export", other)
    assert [{**line, "id": 0} for line in lines_of(second.out)] == [{**line, "id": 0} for line in lines_of(first.out)]
    third = tmp_path / "third.sqlite"
    cli("init", third)
    assert cli("import", third, "--keep-ids", "-", given=first.out.encode()).code == 0
    assert cli("export", third).out == first.out, "letter by letter"
    assert cli("doctor", third, "--full").code in (0, 1) and rows(third, "PRAGMA integrity_check") == [("ok",)]
    tags = "SELECT tag, job_id FROM litequeue_tags ORDER BY 1, 2"
    assert len(rows(third, tags)) == 2 * len(rows(third, "SELECT 1 FROM litequeue_jobs WHERE tags IS NOT NULL"))


def test_a_search_says_which(cli: Cli, db: Path) -> None:
    filled(db, random.Random(5), 30)
    said = cli("export", db, "state:succeeded,expired", "task:c")
    found = lines_of(said.out)
    assert found and [line["id"] for line in found] == [row[0] for row in rows(db, "SELECT id FROM litequeue_jobs WHERE state IN ('succeeded', 'expired') AND task = 'c' ORDER BY id")]
    assert cli("export", db, "id:9999") == (0, "", "")


# -- what becomes of it -------------------------------------------------------------------------------------


def test_what_waits_runs_there_with_all_that_it_had(cli: Cli, db: Path, other: Path) -> None:
    ran: list[Any] = []

    def tasks(app: LiteQueue) -> Any:
        @app.task(name="note")
        def note(*what: Any) -> Any:
            ran.append(what)
            return what[0] if what else None

        @app.task(name="steps", retries=5, backoff=0)
        def steps() -> Any:
            job = current_job()
            job.step("first", lambda: ran.append("stepped"))
            ran.append(job.wait_for("paid"))

        app.task(name="limited", max_running=1)(lambda n: ran.append(f"limited {n}"))
        app.task(name="once", unique=True)(lambda n: ran.append(f"once {n}"))
        return note

    with LiteQueue(db) as app:
        note = tasks(app)
        app.send_task("steps")
        app.run_worker(burst=True)
        note.apply_async(("parent",), on_success=note.s("called"))
        for n in (1, 2):
            app.send_task("limited", (n,))
        app.send_task("once", (1,))
        app.send_task("once", (2,))
    ran.clear()
    said = cli("export", db)
    assert "in_workflow" not in said.out
    with LiteQueue(other) as app:
        tasks(app)
        app.emit("paid", 17)  # before: whoever comes later has it at once
        app.send_task("once", (2,))
        came = cli("import", other, given=said.out.encode())
        assert came == (0, "6 jobs imported, as jobs 2 to 7\n  1 run without their unique key, which other jobs have here\n", "")
        assert app._client.store.reports.key_holder(7, 0) == 1
        app.run_worker(burst=True)
        states = {state for (state,) in rows(other, "SELECT state FROM litequeue_jobs")}
    assert states == {"succeeded"} and "stepped" not in ran and 17 in ran
    assert sorted(map(str, ran)) == sorted(["17", "('parent',)", "('parent', 'called')", "limited 1", "limited 2", "once 1", "once 2", "once 2"])


def test_what_ran_runs_again_uncharged_and_what_may_run_only_once_is_lost(cli: Cli, db: Path, other: Path) -> None:
    with LiteQueue(db) as app:
        for once in (False, True):
            app.send_task("t", at_most_once=once, expires="1h")
    rows(db, "UPDATE litequeue_jobs SET state = 'running', attempt = 3, failures = 1, worker_id = 1, lease_expires_at = 9, started_at = 5")
    said = cli("import", other, given=cli("export", db).out.encode())
    assert said.out == "2 jobs imported, as jobs 1 to 2\n  1 ran as they were exported, and run again\n  1 ran, run at most once, and are lost\n"
    sql = "SELECT state, attempt, failures, interruptions, releases, expires_at IS NULL, reported_at IS NULL, last_error FROM litequeue_jobs ORDER BY id"
    assert rows(other, sql) == [("available", 3, 1, 0, 0, 1, 1, None), ("discarded", 3, 1, 0, 0, 0, 0, "Lost: it ran as it was exported, and runs at most once")]


def test_what_has_ended_is_kept_a_day_at_least_and_told_to_nobody(cli: Cli, db: Path, other: Path) -> None:
    given = b'{"task": "t", "state": "discarded", "finished_at": 5, "prune_at": 6}\n'
    assert cli("import", other, given=given).code == 0
    ((prune_at, reported_at),) = rows(other, "SELECT prune_at - reported_at, reported_at IS NOT NULL FROM litequeue_jobs")
    assert reported_at == 1 and abs(prune_at - 86_400_000_000) < 60_000_000


def test_what_stands_in_a_workflow_is_refused_or_left_out_and_counted(cli: Cli, db: Path, other: Path) -> None:
    with LiteQueue(db) as app:

        @app.task(name="add")
        def add(*terms: int) -> int:
            return sum(terms)

        chain(add.s(1), add.s(2)).delay()  # 1 and 2, done
        chain(add.s("x"), add.s(4)).delay()  # 3 fails, and 4 is cancelled
        app.run_worker(burst=True)
        chain(add.s(3), add.s(4)).delay()  # 5 and 6 wait
        add.delay(5)
    said = cli("export", db)
    assert [line["id"] for line in lines_of(said.out) if line.get("in_workflow")] == [4, 5, 6]
    assert said.err.startswith("litequeue: of these, 3 jobs stood in workflows that lines cannot say: import leaves such out")
    refused = cli("import", other, given=said.out.encode())
    assert (refused.code, refused.out) == (2, "") and "3 jobs, the first in line 4, stood in workflows" in refused.err and "--without-workflows" in refused.err
    assert rows(other, "SELECT count(*) FROM litequeue_jobs") == [(0,)]
    came = cli("import", other, "--without-workflows", given=said.out.encode())
    assert came == (0, "4 jobs imported, as jobs 1 to 4\n  3 stood in workflows, and are left out\n", "")
    with LiteQueue(other) as app:
        app.task(name="add")(lambda *terms: sum(terms))
        for job in (1, 2):
            app.job(job).retry()
        app.run_worker(burst=True)
        assert [app.job(job).get(timeout=5) for job in (1, 2, 4)] == [1, 3, 5], "each has what it was given"
    assert cli("doctor", other, "--full").code in (0, 1)


def test_a_schedules_job_is_its_schedules_where_there_is_one_of_that_name(cli: Cli, db: Path, other: Path) -> None:
    for path in (db, other):
        with LiteQueue(path) as app:
            app.schedules.add("nightly", "t", every="1d")
    with LiteQueue(db) as app:
        app.schedules.run_now("nightly")
        app.schedules.add("gone", "t", every="1d")
        app.schedules.run_now("gone")
    said = cli("import", other, given=cli("export", db).out.encode())
    assert said.out.endswith("  1 had been made by schedules that are not here\n")
    assert cli("jobs", other, "schedule:nightly", "--json").out.count('"task": "t"') == 1


def test_a_worker_that_sleeps_is_woken(cli: Cli, other: Path) -> None:
    with LiteQueue(other) as app:
        app.task(name="t")(lambda: 7)
        with app.worker(threads=1):
            cli("import", other, given=b'{"task": "t"}')
            assert app.job(1).get(timeout=10) == 7
    assert rows(other, "SELECT what, target, count FROM litequeue_actions") == [("import", "1 line, as job 1", 1)]


# -- what is refused ----------------------------------------------------------------------------------------


def test_a_damaged_line_is_named_and_nothing_is_stored(cli: Cli, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "CHUNK", 2)
    good = b'{"task": "t"}\n'
    for bad, why in ((b'{"task": "t"', b"no JSON"), (b'{"task": "t", "state": "x"}', b"state must be"), (b"\xff\xfe{}", b"no JSON"), (b'{"task": "\\ud800"}', b"half a character")):
        said = cli("import", other, given=good * 5 + bad + b"\n" + good)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
        assert said.err.startswith("litequeue: line 6: ") and why.decode() in said.err and said.err.endswith("Nothing was stored\n")
    assert rows(other, "SELECT count(*) FROM litequeue_jobs") == [(0,)]
    twice = b'{"task": "t", "errors": [%s]}\n' % b", ".join([b'{"attempt": 1, "outcome": "failed", "error_type": "E"}'] * 2)
    said = cli("import", other, given=good * 3 + twice)
    assert said.code == 2 and "line 4: the file does not take that: UNIQUE" in said.err
    assert "line 2 is the last one that is stored, as jobs 1 to 2; the same command goes on behind it" in said.err


def test_the_same_lines_are_not_stored_twice_unawares(cli: Cli, other: Path, tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_bytes(b'{"task": "t"}\n\n{"task": "u"}\n\n')
    assert cli("import", other, file, "--dry-run").out == "2 jobs in 4 lines: nothing was done\n"
    assert cli("import", other, file).out == "2 jobs imported, as jobs 1 to 2\n"
    again = cli("import", other, file)
    assert again.code == 2 and "these very lines were imported" in again.err and "as jobs 1 to 2. Nothing was stored: --again" in again.err
    assert cli("import", other, file, "--again").out == "2 jobs imported, as jobs 3 to 4\n"


def test_ids_are_kept_or_nothing_is_stored(cli: Cli, other: Path) -> None:
    given = b'{"id": 70, "task": "t"}\n{"id": 9, "task": "t"}\n'
    assert cli("import", other, "--keep-ids", given=given).out == "2 jobs imported, as jobs 9 to 70\n"
    taken = cli("import", other, "--keep-ids", given=b'{"id": 71, "task": "t"}\n' + given)
    assert taken.code == 2 and "is there already. Nothing was stored: without --keep-ids" in taken.err
    twice = cli("import", other, "--keep-ids", given=b'{"id": 80, "task": "t"}\n' * 2)
    assert twice.code == 2 and "line 2: job 80 is there already" in twice.err
    none = cli("import", other, "--keep-ids", given=b'{"task": "t"}\n')
    assert none.code == 2 and "line 1: it has no id" in none.err
    assert [job for (job,) in rows(other, "SELECT id FROM litequeue_jobs ORDER BY id")] == [9, 70]
    cli("import", other, given=b'{"task": "t"}\n')
    assert rows(other, "SELECT max(id) FROM litequeue_jobs") == [(71,)], "ids go on behind them"


def test_where_lines_cannot_come_from_or_go_to(cli: Cli, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LiteQueue(db).stats()
    there = tmp_path / "there"
    there.write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    for words, code, text in (
        (("import", db, tmp_path / "none"), 4, "none: No such file"), (("import", db, tmp_path), 4, "Is a directory"),
        (("export", db, "--to", there), 4, "is there already, and is left as it is"), (("export", db, "--to", tmp_path / "no" / "x"), 4, "--to "),
        (("export", db, "colour:red"), 2, "there is no 'colour' to search by"), (("export", tmp_path / "none.sqlite"), 4, "no such file"),
    ):  # fmt: skip
        said = cli(*words)
        assert (said.code, said.out, said.err.count("\n")) == (code, "", 1) and text in said.err, said
    assert there.read_text() == "mine"
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    said = cli("import", db)
    assert said.code == 2 and "import which lines? Name a FILE" in said.err


# -- broken off ---------------------------------------------------------------------------------------------


def test_a_file_of_lines_is_for_its_owner_and_there_once_it_is_whole(cli: Cli, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(db, random.Random(6), 20)
    target = tmp_path / "lines"
    assert cli("export", db, "--to", target) == (0, f"20 jobs in {target}\n", "")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600 and target.read_text() == cli("export", db).out
    target.unlink()

    def broken(*_: object) -> Any:
        raise StorageFull("no room")

    monkeypatch.setattr(reading.Reading, "lines", broken)
    assert cli("export", db, "--to", target).code == 75
    assert not [path.name for path in tmp_path.iterdir() if not path.name.startswith("db.sqlite")]


KILLED = """
import os, signal, sys
from litequeue.cli import main
from litequeue.store.carrying import storing
storing.CHUNK, real, calls = 10, storing.Storing.store, []
def store(self, *args, **options):
    calls.append(1)
    if len(calls) == 4 and sys.argv[3] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = real(self, *args, **options)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
storing.Storing.store = store
main(["import", sys.argv[1], sys.argv[2]])
"""


@pytest.mark.parametrize(("when", "stored"), [("before", 30), ("after", 40)])
def test_one_that_is_killed_goes_on_behind_what_is_stored(cli: Cli, other: Path, tmp_path: Path, when: str, stored: int) -> None:
    file = tmp_path / "jobs.jsonl"
    file.write_text("".join(f'{{"task": "t", "args": [{number}]}}\n' for number in range(95)))
    ended = subprocess.run([sys.executable, "-c", KILLED, other, file, when], check=False, cwd=ROOT, capture_output=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert rows(other, "SELECT count(*) FROM litequeue_jobs") == [(stored,)]
    said = cli("import", other, file)
    assert said == (0, "95 jobs imported, as jobs 1 to 95\n", f"litequeue: line {stored} was the last one that is stored, as jobs 1 to {stored}: it goes on behind that\n")
    assert [json.loads(args) for (args,) in rows(other, "SELECT args FROM litequeue_jobs ORDER BY id")] == [[number] for number in range(95)]


def test_no_more_than_a_few_jobs_are_held_at_once(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", 10)
    monkeypatch.setattr(reading, "FEW", 4)
    monkeypatch.setattr(reading, "MOST", 3_000)
    with LiteQueue(db) as app:
        for number in range(25):
            app.send_task("t", ("x" * 2_000 if number >= 10 else "",))
        found = app._client.store.reading
        chunks = list(found.all_ids())
        sizes = [len(lines) for ids in chunks for lines in found.lines(ids)]
    assert [len(ids) for ids in chunks] == [10, 10, 5] and sizes == [4, 4, 2, 2, 2, 2, 2, 2, 2, 2, 1]
