"""``logs``: the last of what jobs print, and what comes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.models import Printed
from litequeue.cli import logs

from ..support import environment, litequeue, wait_until
from .conftest import Cli

pytestmark = pytest.mark.beside

LOGGED = "2026-01-01 10:00:00,000 {} shop: {}\n"


class Printing:
    """Jobs that have printed."""

    def __init__(self, app: LiteQueue) -> None:
        self.app = app
        self.numbers: dict[int, int] = {}

    def job(self, task: str = "tasks.a", queue: str = "default") -> int:
        return self.app.send_task(task, queue=queue).id

    def say(self, job: int, *texts: str, stream: str = "stdout", ago: int = 0) -> None:
        now = self.app._client.clock.now()
        pieces = []
        for text in texts:
            self.numbers[job] = self.numbers.get(job, 0) + 1
            pieces.append(Printed(job, 1, self.numbers[job], stream, now - ago * 1_000_000, text))
        self.app._client.store.jobs.turn(1, now, now + 60_000_000, printed=pieces)


@pytest.fixture
def printing(app: LiteQueue) -> Printing:
    return Printing(app)


def test_the_last_lines_of_all_jobs_are_shown_in_the_order_in_which_they_came(printing: Printing, cli: Cli) -> None:
    one, other = printing.job(), printing.job("tasks.b")
    printing.say(one, "a\nb", "c\n")
    printing.say(other, "x\n")
    printing.say(one, "d\nno end")
    assert cli("logs", printing.app.path) == (0, "#1 tasks.a: a\n#1 tasks.a: bc\n#2 tasks.b: x\n#1 tasks.a: d\n#1 tasks.a: no end\n", "")
    assert cli("logs", printing.app.path, "-n", 2).out == "#1 tasks.a: d\n#1 tasks.a: no end\n"
    assert cli("logs", printing.app.path, "-n", 0).out == ""
    assert one, other


def test_a_hundred_lines_are_the_last_ones_however_much_there_is_before_them(printing: Printing, cli: Cli) -> None:
    job = printing.job()
    for start in range(0, 3000, 100):
        printing.say(job, *(f"{number}\n" for number in range(start, start + 100)))
    assert cli("logs", printing.app.path).out.split("\n")[:2] == ["#1 tasks.a: 2900", "#1 tasks.a: 2901"]
    assert cli("logs", printing.app.path, "-n", 2500).out.count("\n") == 2500


@pytest.mark.parametrize(
    ("words", "jobs"),
    [(("--task", "tasks.b"), {2}), (("--queue", "mail"), {3}), (("--job", "1", "--job", "3"), {1, 3}), (("task:tasks.*", "-queue:mail"), {1, 2}),
     (("id:2..3", "-f"), {2, 3}), (("--job", "9"), set())],
)  # fmt: skip
def test_of_those_that_are_meant(printing: Printing, cli: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], jobs: set[int]) -> None:
    monkeypatch.setattr("time.sleep", interrupt)
    for job in (printing.job(), printing.job("tasks.b"), printing.job(queue="mail")):
        printing.say(job, f"of {job}\n")
    found = cli("logs", printing.app.path, *words)
    assert {int(line.split()[-1]) for line in found.out.splitlines()} == jobs
    assert found.code == (130 if "-f" in words else 0) and ("nothing that was printed is kept" in found.err) == (not jobs)


def test_a_search_is_asked_of_any_number_of_jobs(printing: Printing, cli: Cli) -> None:
    for _ in range(1200):
        printing.say(printing.job("tasks.b" if _ == 7 else "tasks.a"), "x\n")
    assert cli("logs", printing.app.path, "task:tasks.b").out == "#8 tasks.b: x\n"


@pytest.mark.slow
def test_following_ends_where_nobody_reads(printing: Printing) -> None:
    printing.say(printing.job(), "x\n" * 5)
    words = f"{sys.executable} -m litequeue logs {printing.app.path} -f | head -1"
    done = subprocess.run(words, shell=True, env=environment(), capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.stderr) == ("#1 tasks.a: x\n", "")


def interrupt(_: float) -> None:
    raise KeyboardInterrupt


def test_since_when_and_from_which_level(printing: Printing, cli: Cli) -> None:
    job = printing.job()
    printing.say(job, "old\n", ago=7200)
    printing.say(job, LOGGED.format("INFO", "in between"), LOGGED.format("ERROR", "bad"), stream="log", ago=60)
    printing.say(job, "new\n")
    assert cli("logs", printing.app.path, "--since", "1h").out.count("\n") == 3
    assert cli("logs", printing.app.path, "--since", "30s").out == "#1 tasks.a: new\n"
    assert cli("logs", printing.app.path, "--since", "2999-01-01").out == ""
    shown = cli("logs", printing.app.path, "--level", "warning").out
    assert shown == f"#1 tasks.a: old\n#1 tasks.a: {LOGGED.format('ERROR', 'bad')}#1 tasks.a: new\n"


def test_what_drives_a_terminal_does_not_come_there_and_a_program_has_it_as_it_was(printing: Printing, cli: Cli) -> None:
    printing.say(printing.job(), "\x1b[2Jhidden\u202e\tx\r\n")
    assert cli("logs", printing.app.path).out == "#1 tasks.a: \\x1b[2Jhidden\\u202e\tx\n"
    found = json.loads(cli("logs", printing.app.path, "--json").out)
    assert (found["job"], found["task"], found["attempt"], found["stream"], found["text"]) == (1, "tasks.a", 1, "stdout", "\x1b[2Jhidden\u202e\tx")


def test_nothing_is_said_to_be_nothing_and_a_task_that_nobody_has_is_told(printing: Printing, cli: Cli) -> None:
    printing.job()
    assert cli("logs", printing.app.path) == (0, "", "litequeue: nothing that was printed is kept\n")
    assert "with task:tasks.c" in cli("logs", printing.app.path, "--task", "tasks.c").err


@pytest.mark.parametrize(
    ("words", "why"),
    [(("--since", "yesterday"), "--since: 'yesterday'"), (("-n", "-1"), "whole number from 0"), (("--level", "loud"), "invalid choice"), (("nokey:1",), "to search by"),
     (("--job", "x"), "x")],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(printing: Printing, cli: Cli, words: tuple[str, ...], why: str) -> None:
    printing.job()
    found = cli("logs", printing.app.path, *words)
    assert found.code == 2 and why in found.err and found.err.count("\n") == 1 and found.out == ""


# -- as it comes ----------------------------------------------------------------------------------------------


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Deeds between two looks; after the last of them somebody presses Ctrl-C."""
    left: list[Callable[[], object]] = []

    def sleep(seconds: float) -> None:
        assert seconds == logs.PAUSE
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    monkeypatch.setattr("time.sleep", sleep)
    yield lambda *deeds: left.extend(deeds)


def test_what_comes_is_shown_once_until_ctrl_c(printing: Printing, cli: Cli, steps: Callable[..., None]) -> None:
    one, other = printing.job(), printing.job("tasks.b")
    printing.say(one, *(f"{number}\n" for number in range(20)))
    steps(lambda: None, lambda: printing.say(other, "x\n"), lambda: printing.say(one, "half of "), lambda: printing.say(one, "one\n"), lambda: printing.say(other, "rest"))
    found = cli("logs", printing.app.path, "-f", "-n", 1)
    assert found == (130, "#1 tasks.a: 19\n#2 tasks.b: x\n#1 tasks.a: half of \n#1 tasks.a: one\n#2 tasks.b: rest\n", "") or found == (
        130, "#1 tasks.a: 19\n#2 tasks.b: x\n#1 tasks.a: half of one\n#2 tasks.b: rest\n", ""
    )  # fmt: skip


def test_a_job_that_is_pruned_or_comes_later_is_followed_as_long_as_it_is_there(printing: Printing, cli: Cli, steps: Callable[..., None]) -> None:
    gone = printing.job()

    def comes_later() -> None:
        printing.say(printing.job("tasks.later"), "late\n")

    steps(lambda: printing.say(gone, "a\n"), lambda: printing.app._client.store.operations.purge([gone], printing.app._client.clock.now()), comes_later)
    assert cli("logs", printing.app.path, "-f").out == "#1 tasks.a: a\n#2 tasks.later: late\n"


def test_a_chatty_job_does_not_hide_the_others(printing: Printing, cli: Cli, steps: Callable[..., None]) -> None:
    chatty, other = printing.job(), printing.job("tasks.b")

    def both() -> None:
        printing.say(chatty, "x\n" * 5000)
        printing.say(other, "here\n")

    steps(both)
    found = cli("logs", printing.app.path, "-f").out
    assert found.count("\n") == 1002 and "4,000 lines left out" in found.replace("4000", "4,000") and found.endswith("#2 tasks.b: here\n")


@pytest.mark.slow
def test_a_worker_is_followed_by_a_process_that_ends_as_tail_does(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task\ndef talk(n):\n    for i in range(50):\n        print(f'{n}:{i}')\n"    )
    subprocess.run([sys.executable, "-c", "import tasks; tasks.talk.delay('0')"], cwd=tmp_path, env=environment(), check=True)
    words = [sys.executable, "-m", "litequeue", "logs", "db.sqlite", "-f"]
    out = tmp_path / "out"
    with out.open("w") as to, subprocess.Popen(words, cwd=tmp_path, env=environment(), stdout=to) as follower:
        try:
            script = "import tasks\nfor n in range(1, 30): tasks.talk.delay(str(n))"
            subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment(), check=True)
            assert litequeue("worker", "db.sqlite", "--burst", "--log-level", "error", "--import", "tasks", cwd=tmp_path).returncode == 0
            wait_until(lambda: "29:49" in out.read_text(), 20, "the last line")
        finally:
            follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 130
    lines = [line.split(": ")[1] for line in out.read_text().splitlines()]
    for number in range(30):
        assert [line for line in lines if line.startswith(f"{number}:")] == [f"{number}:{i}" for i in range(50)]
