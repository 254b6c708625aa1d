"""``backup`` and ``restore``: what they say and ask, and how they end."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli import exits

from .. import faults
from ..support import wait_until
from .conftest import Cli, Terminal

pytestmark = pytest.mark.beside


@pytest.fixture
def used(db: Path) -> Path:
    with LiteQueue(db) as app:
        app.enqueue("t")
        app.schedules.add("often", "t", every="1h")
        app.schedules.add("stopped", "t", every="1h", paused=True)
        for name in ("watched", "silent"):
            app.alerts.add(name, when="untold", run="true")
        app.alerts.pause("silent")
    return db


def test_a_backup_is_one_line(used: Path, cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("backup", used, tmp_path / "copy.sqlite")
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{tmp_path}/copy.sqlite: \d+ KB in [\d.]+ m?s\n", out)
    for number in range(3):
        code, out, err = cli("backup", used, f"{tmp_path}/copies/", "--keep", 2)
        assert (code, err, "1 older deleted" in out) == (0, "", number == 2)
    assert len(os.listdir(tmp_path / "copies")) == 2


def test_a_paused_copy_says_so_until_it_is_made_live(used: Path, cli: Cli, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    assert "its schedules are paused" in cli("backup", used, copy, "--paused").out
    how = f"litequeue schedule resume {copy} --all lets them fire"
    assert f"a copy of {used}, made " in cli("stats", copy).out and how in cli("stats", copy).out
    assert how in cli("doctor", copy).out and "a copy of" not in cli("doctor", used).out
    shown = json.loads(cli("stats", copy, "--json").out)
    assert shown["copy"]["of"] == str(used) and shown["schedules_paused_at"] == shown["copy"]["at"]
    assert not {"copy", "schedules_paused_at"} & json.loads(cli("stats", used, "--json").out).keys()
    code, out, _ = cli("schedule", "resume", copy, "--all")
    assert code == 0 and out.startswith("schedule often: ") and "paused before it was made, and still: 1" in out and "stopped:" not in out
    assert "a copy of" not in cli("stats", copy).out
    with LiteQueue(copy) as app:
        assert {info.name: info.state for info in app.schedules.list()} == {"often": "active", "stopped": "paused"}
        assert {info.name: info.state for info in app.alerts.list()} == {"watched": "ok", "silent": "paused"}
        assert app.schedules.add("new", "t", every="1h").state == "active"
    assert cli("schedule", "resume", copy, "--all").out.startswith("schedule stopped: ")


def test_a_restore_asks_where_it_can_and_else_wants_yes(used: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "copy.sqlite"
    cli("backup", used, copy)
    with LiteQueue(used) as app:
        app.job(1).cancel()
    code, out, err = cli("restore", used, copy)
    assert (code, err) == (1, "") and out.endswith("nothing was done; --yes does it\n")
    assert "a copy, made " in out and "1 job of it will run" in out and "of these, 1 ended since" in out
    with LiteQueue(used) as app:
        assert app.job(1).state == "cancelled"

    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    code, out, _ = cli("restore", used, copy)
    assert code == 1 and out.endswith(f"replace {used}? [y/N] nothing was done\n")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, _ = cli("restore", used, copy, "--paused")
    assert code == 0
    kept = re.search(rf"{used} is the copy now; what was there is (\S+)\n", out)
    assert kept and Path(kept[1]).exists()
    assert f"its schedules are paused: litequeue schedule resume {used} --all" in out
    with LiteQueue(used) as app:
        assert app.job(1).state == "available"
        assert {info.state for info in [*app.schedules.list(), *app.alerts.list()]} == {"paused"}


def test_a_file_that_is_not_there_is_restored_without_a_question(used: Path, cli: Cli, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    cli("backup", used, copy)
    code, out, _ = cli("restore", tmp_path / "new.sqlite", copy)
    assert code == 0 and out.endswith(f"{tmp_path}/new.sqlite is the copy now\n") and f"a copy of {used}, made" in out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("backup", "DB", "copy", "--keep", 3), exits.USAGE, "--keep goes with a folder"),
        (("backup", "DB", "copies/", "--keep", 0), exits.USAGE, "--keep"),
        (("backup", "DB", "DB"), exits.USAGE, "is the file itself"),
        (("backup", "DB"), exits.USAGE, "DEST"),
        (("backup", "missing", "copy"), exits.CANNOT_OPEN, "no such file"),
        (("backup", "DB", "no/copy"), exits.CANNOT_OPEN, "does not exist"),
        (("backup", "DB", "text"), exits.CANNOT_OPEN, "no copy that litequeue has made"),
        (("restore", "DB", "missing"), exits.CANNOT_OPEN, "no such file"),
        (("restore", "DB", "text"), exits.CANNOT_OPEN, "not a SQLite database"),
        (("restore", "text", "DB"), exits.CANNOT_OPEN, "no SQLite database"),
        (("restore", "DB", "DB"), exits.USAGE, "is the file itself"),
        (("restore", "DB"), exits.USAGE, "COPY"),
    ],
)
def test_what_is_wrong_is_one_line(
    used: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("a photograph" * 100)
    found, out, err = cli(*(used if word == "DB" else word for word in words))
    assert (found, out) == (code, "") and says in err and err.count("\n") == 1, err


def test_busy_full_and_damaged_have_their_codes(used: Path, cli: Cli, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    assert cli("backup", used, copy).code == 0
    with faults.half_read(used):
        code, _, err = cli("restore", used, copy, "--yes")
        assert code == exits.TRY_LATER and "is in use, by process" in err and err.count("\n") == 1
    with faults.small_disk(tmp_path / "disk", "64k") as disk:
        code, _, err = cli("backup", used, disk.path / "copy")
        assert code == exits.TRY_LATER and "no room left" in err and err.count("\n") == 1
    faults.damage(copy, "litequeue_jobs")
    code, _, err = cli("restore", used, copy, "--yes")
    assert code == exits.DAMAGED and str(copy) in err and err.count("\n") == 1


@pytest.mark.slow
def test_a_schedule_makes_a_copy_by_the_command(used: Path, cli: Cli, tmp_path: Path) -> None:
    words = ("--every", "1h", "--", sys.executable, "-m", "litequeue", "backup", used, f"{tmp_path}/copies/", "--keep", "1")
    assert cli("schedule", "add", used, "backup", *words).code == 0
    job = int(cli("schedule", "run", used, "backup").out)
    with LiteQueue(used) as app, app.worker(threads=1):
        wait_until(lambda: app.job(job).state in ("succeeded", "discarded"), 30)
        assert app.job(job).state == "succeeded", app.job(job).output()
    (made,) = (tmp_path / "copies").iterdir()
    with sqlite3.connect(made) as connection:  # the very job that made it is one that ran, there
        assert connection.execute("SELECT state FROM litequeue_jobs WHERE id = ?", (job,)).fetchone() == ("available",)
    connection.close()
