"""``top`` where there is no terminal, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..conftest import Cli


@pytest.fixture
def busy(app: LiteQueue, db: Path) -> Path:
    task = app.task(name="shop.send", queue="mail")(lambda to: None)
    for name in ("ann", "\x1b]0;owned\x07\u202ebob"):
        task.delay(name)
    app.schedules.add("nightly", "shop.send", args=["ann"], cron="30 2 * * *", timezone="Europe/Berlin")
    return db


def test_it_prints_one_frame(busy: Path, cli: Cli) -> None:
    said = cli("top", busy)
    assert said.code == 0 and said.err == "" and "\x1b" not in said.out and said.out.startswith(f"{busy}  overview")
    assert "One thing wants a look. Everything else is well." in said.out and "no worker serves this file, 2 jobs wait" in said.out
    assert cli("top", busy, "--once").out.splitlines()[1:3] == said.out.splitlines()[1:3]


@pytest.mark.parametrize(("view", "part"), [
    ("jobs", r'["\u001b]0;owned\u0007\u202ebob"]'), ("2", "shop.send"), ("queues", "mail"), ("workers", "No worker serves this file. Start one:"), ("5", "at 02:30 every day, Berlin"),
])  # fmt: skip
def test_each_view_by_its_name_or_number(busy: Path, cli: Cli, view: str, part: str) -> None:
    said = cli("top", busy, "--view", view)
    assert said.code == 0 and part in said.out and "\x1b" not in said.out


@pytest.mark.parametrize(("words", "code", "why"), [
    (("--interval", "0"), 2, "--interval is 0.1 s to an hour, not 0"), (("--interval", "2h"), 2, "to an hour"), (("--interval", "soon"), 2, "'soon' is no length of time"),
    (("--view", "job"), 2, "invalid choice: 'job'; did you mean jobs?"), (("--query", "x"), 2, "unrecognized arguments: --query"), (("stat:x",), 2, "there is no 'stat' to search by"), (("t", "--view", "queues"), 2, "'t' is a search for jobs, and --view queues shows none"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_in_a_line(busy: Path, cli: Cli, words: tuple[str, ...], code: int, why: str) -> None:
    said = cli("top", busy, *words)
    assert said.code == code and why in said.err and said.err.count("\n") == 1 and said.out == ""


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, cli: Cli) -> None:
    said = cli("top", tmp_path / "none.sqlite")
    assert said.code == 4 and not list(tmp_path.iterdir()) and said.err.count("\n") == 1


def test_it_begins_with_a_search_or_a_job(busy: Path, cli: Cli) -> None:
    said = cli("top", busy, "state:available", "-queue:other", "--once")
    assert "jobs" in said.out.splitlines()[0] and "/state:available -queue:other  2 jobs" in said.out
    assert "No job matches." in cli("top", busy, "state:running", "--view", "2").out and "○ available  shop.send  #2" in cli("top", busy, "2").out
    assert "There is no job 77 in this file" in cli("top", busy, "77").out
