"""``job --follow``, and what ``job`` shows of what a job says itself."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, current_job
from litequeue.base.models import Printed, Said
from litequeue.base.records import JobProgress
from litequeue.cli import following, main

from ..support import environment

pytestmark = pytest.mark.beside

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        ((3, None, None, None), "3 done"),
        ((3, None, "reading\x1b[2J", 12.34), r"3 done, 12.3/s, reading\x1b[2J"),
        ((0, 4, None, None), "  0% ........................ 0 of 4"),
        ((1, 4, "a.csv", 2.0), " 25% ######.................. 1 of 4, 2/s, 1.5 s left, a.csv"),
        ((999, 1000, None, None), " 99% #######################. 999 of 1,000"),
        ((4, 4, None, 2.0), "100% ######################## 4 of 4, 2/s"),
        ((5, 4, None, None), "100% ######################## 5 of 4"),
        ((1, 0, None, None), "1 of 0"),
        ((1_234_567, 5_000_000.5, None, None), " 24% #####................... 1,234,567 of 5,000,000.5"),
    ],
)
def test_a_bar_is_drawn_of_what_is_known(progress: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_drawn", lambda share: "#" * int(share * 24) + "." * (24 - int(share * 24)))
    assert following.line(JobProgress(*progress, 1, NOW)) == text


def test_job_shows_what_the_job_said_and_as_json_too(app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = app.task(name="t")(lambda: 0).delay()
    assert main(["job", str(db), str(job.id)]) == 0 and "progress" not in capsys.readouterr().out
    said = Said(job.id, 1, 10**15, '[5, 10, "rows\\u001b", 2.5]', '{"page": 7, "who": {"$set": ["a"]}}')
    app._client.store.jobs.turn(1, 10**15, 10**15, said={job.id: said})
    assert main(["job", str(db), str(job.id)]) == 0
    out = capsys.readouterr().out
    assert "\nprogress      5 of 10, rows\\x1b, at 2001-09-09 " in out and '\nmeta          {"page": 7, "who": {"$set": ["a"]}}\n' in out
    assert main(["job", str(db), str(job.id), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["progress"]["done"] == 5 and found["progress"]["speed"] == 2.5 and found["meta"] == {"page": 7, "who": {"$set": ["a"]}}


@pytest.mark.slow
def test_a_terminal_has_the_bar_and_a_pipe_has_not(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    @app.task(name="rows")
    def rows() -> None:
        for _ in current_job().track(iter(range(1000)), total=5, note="rows"):
            if (tmp_path / "seen").exists():
                break
            time.sleep(0.05)
        current_job().progress(5, 5, "rows")

    job = rows.delay()
    words = [sys.executable, "-m", "litequeue", "job", str(db), str(job.id), "--follow"]
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with app.worker(threads=1):
        shown = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=end, stderr=end, env=environment())
        piped = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        os.close(end)
        text = b""
        try:
            while chunk := os.read(terminal, 4096):
                text += chunk
                if b" of 5" in text:
                    (tmp_path / "seen").touch()
        except OSError:  # how a terminal ends
            pass
        assert (shown.wait(20), piped.wait(20)) == (0, 0)
    os.close(terminal)
    assert (tmp_path / "seen").exists() and text.decode().rstrip().rpartition("\x1b[K")[2].startswith("100% ") and b" 5 of 5" in text
    assert piped.communicate() == ("", "")


def printed(app: LiteQueue, pieces: list[tuple[int, int, str, str]]) -> int:
    """A job whose attempts have printed this: (attempt, number, stream, text)."""
    job = app.task(name="t")(lambda: 0).delay()
    rows = [Printed(job.id, attempt, number, stream, 10**15, text) for attempt, number, stream, text in pieces]
    app._client.store.jobs.turn(1, 10**15, 10**15, printed=rows)
    return job.id


def test_log_is_what_a_job_printed_and_logged_and_nothing_else(app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logged = "2026-11-27 08:15:00,250 INFO shop: packing\x1b[2J\n"
    job = printed(app, [(1, 1, "stdout", "".join(f"{number}\n" for number in range(100))), (1, 2, "log", logged), (1, 3, "usage", "{}")])
    assert main(["job", str(db), str(job), "--log"]) == 0
    assert capsys.readouterr().out == "".join(f"{number}\n" for number in range(100)) + logged, "as it was: for a pipe"
    assert main(["job", str(db), str(job)]) == 0
    shown = capsys.readouterr().out
    assert "    [62 lines before these: --log]\n    62\n" in shown and r"INFO shop: packing\x1b[2J" in shown
    assert main(["job", str(db), str(job), "--log", "--json"]) == 0
    assert [piece["stream"] for piece in json.loads(capsys.readouterr().out)] == ["stdout", "log", "usage"]


def test_log_says_where_something_is_missing(app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = printed(app, [(1, 1, "stdout", "a\n"), (1, 3, "stdout", "b\n")])
    assert main(["job", str(db), str(job), "--log"]) == 0
    assert capsys.readouterr().out == "a\n\n[... more than can be kept was left out here ...]\nb\n"


def test_a_job_is_shown_with_where_something_is_missing_and_not_before_what_it_used(app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    used = '{"exit_code": 0, "seconds": 1.5}'
    job = printed(app, [(1, 2, "stdout", "a\n"), (1, 5, "usage", used), (2, 1, "stdout", "b\n"), (2, 3, "stdout", "c\n"), (2, 4, "usage", used)])
    assert main(["job", str(db), str(job)]) == 0
    missing = "    \n    [... more than can be kept was left out here ...]\n"
    one, two = capsys.readouterr().out.split("output of attempt ")[1:]
    assert one == f"1\n{missing}    a\n    [exit code 0, 1.5 s]\n\n"
    assert two == f"2\n    b\n{missing}    c\n    [exit code 0, 1.5 s]\n"


def test_log_tells_attempts_apart_and_a_job_that_is_not_there(app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = printed(app, [(1, 1, "stdout", "a\n"), (2, 1, "stdout", "b\n")])
    assert main(["job", str(db), str(job), "--log"]) == 0
    assert capsys.readouterr().out == "\noutput of attempt 1\n    a\n\noutput of attempt 2\n    b\n"
    assert main(["job", str(db), "777", "--log"]) == 1 and "there is no job 777" in capsys.readouterr().err
