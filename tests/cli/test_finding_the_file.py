"""Which file a command works on, and which tasks it knows: LITEQUEUE_DB, init, tasks, and slips of the hand."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from litequeue import LiteQueue

from .. import sample
from ..prepared import litequeue
from .conftest import Cli

pytestmark = pytest.mark.beside


@pytest.fixture
def queue(sample_app: LiteQueue, db: Path) -> Path:
    sample.add.delay(1, 2)
    sample.echo.delay(1)
    return db


@pytest.mark.slow
def test_the_environment_names_the_file_for_every_command(
    cli: Cli, queue: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LITEQUEUE_DB", str(queue))
    for words in (("stats",), ("stats", "--json"), ("jobs",), ("job", 1), ("tasks",), ("doctor",), ("schedules",), ("pause", "q")):
        assert cli(*words).code == 0, words
    assert cli("enqueue", sample.add.name, 3, 4).out == "3\n"
    assert cli("schedule", "add", "s", "--every", "1h", "--", "true").code == 0
    assert cli("cron", "export", "--exact").code == 0
    service = cli("service", "--", "--threads", "8")
    assert service.code == 0 and f"worker {queue} --grace 30 --threads 8" in service.out
    crontab = tmp_path / "crontab"
    crontab.write_text("0 3 * * * true\n")
    for words in (("crontab",), (crontab,), ("-",), (queue, crontab)):
        with monkeypatch.context() as there:
            there.chdir(tmp_path)
            done = cli("cron", "import", *words, "--dry-run", given=crontab.read_bytes())
        assert done.code == 0 and "schedule true" in done.out, (words, done)
    other = tmp_path / "other.sqlite"
    assert cli("init", other).out == f"{other} is a queue now\n", "a word with a / in it is the file all the same"
    monkeypatch.chdir(tmp_path)
    assert json.loads(cli("stats", "other.sqlite", "--json").out)["states"] == {}, "and so is one that is there"
    assert cli("enqueue", "another.sqlite", sample.add.name).code == 4, "and so is one that is not, by what it is called"
    wrong = cli("stats", "another")
    assert wrong.code == 2 and f"LITEQUEUE_DB says {queue}" in wrong.err


def test_init_makes_a_queue_and_adds_the_tables_to_an_apps_own_database(cli: Cli, tmp_path: Path) -> None:
    assert cli("init", tmp_path / "new.sqlite").code == 0
    assert cli("stats", tmp_path / "new.sqlite").code == 0
    own = tmp_path / "own.sqlite"
    with closing(sqlite3.connect(own)) as connection:
        connection.execute("CREATE TABLE orders (id)")
    assert cli("stats", own).code == 4
    assert cli("init", own).code == cli("init", own).code == 0
    assert cli("stats", own).code == 0
    with closing(sqlite3.connect(own)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    assert cli("init", tmp_path / "no" / "folder").code == 4


def test_tasks_lists_what_producers_have_recorded(cli: Cli, queue: Path) -> None:
    lines = cli("tasks", queue).out.splitlines()
    assert lines[0].split() == ["TASK", "MODULE", "DIRECTORY", "RECORDED"]
    assert [line.split()[:2] for line in lines[1:]] == [[sample.add.name, "tests.sample"], [sample.echo.name, "tests.sample"]]
    found = json.loads(cli("tasks", queue, "--json").out)
    assert [entry["task"] for entry in found] == [sample.add.name, sample.echo.name]


def test_a_name_that_nobody_knows_is_enqueued_with_a_hint_at_those_near_it(cli: Cli, queue: Path) -> None:
    near = cli("enqueue", queue, "tests.sample.ad", 1, 2)
    assert near.code == 0 and "did you mean tests.sample.add" in near.err
    assert "did you mean tests.sample.add?" in cli("enqueue", queue, "add", 1, 2).err
    assert cli("enqueue", queue, "quite.another").err == ""
    assert cli("enqueue", queue, sample.add.name, 1, 2).err == ""
    assert "did you mean" in cli("schedule", "add", queue, "s", "--every", "1h", "--task", "tests.sample.ech", "--", "1").err


def test_a_module_in_the_place_of_the_database_is_refused_and_makes_none(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("jobs_of_mine.py").write_text("")
    Path("shop").mkdir()
    Path("shop/work.py").write_text("")
    before = sorted(Path().rglob("*"))
    for word, module in (
        ("jobs_of_mine", "jobs_of_mine"), ("./jobs_of_mine", "./jobs_of_mine"), ("jobs_of_mine:app", "jobs_of_mine"),
        ("shop.work", "shop.work"), ("shop.work:app", "shop.work"), ("shop.work.f", "shop.work"),
    ):  # fmt: skip
        done = cli("worker", word, "--burst")
        assert done.code == 2 and f"worker db.sqlite --import {module}\n" in done.err
    assert sorted(Path().rglob("*")) == before
    assert litequeue("worker", "jobs_of_mine.sqlite", "--burst", cwd=tmp_path).returncode == 0, "named like a module, and no module"


@pytest.mark.slow
def test_a_worker_that_imports_the_app_of_a_database_may_add_the_tables(tmp_path: Path) -> None:
    own = tmp_path / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(own)) as connection:
        connection.execute("CREATE TABLE orders (id)")
    (tmp_path / "shop.py").write_text("from litequeue import LiteQueue\napp = LiteQueue('shop.sqlite')\n@app.task\ndef f(): pass\n")
    (tmp_path / "other.py").write_text("from litequeue import LiteQueue\napp = LiteQueue('other.sqlite')\n@app.task\ndef f(): pass\n")
    for words in (("--burst",), ("--burst", "--import", "other")):
        refused = litequeue("worker", own, *words, cwd=tmp_path)
        assert refused.returncode == 4 and "without litequeue's tables" in refused.stderr
    assert litequeue("worker", own, "--burst", "--import", "shop", cwd=tmp_path).returncode == 0
    assert litequeue("stats", own).returncode == 0
