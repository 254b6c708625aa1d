"""``worker DB -- PROGRAM``: the program begins after the worker and ends before it, and neither outlives the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue import LiteQueue

from .. import sample
from ..prepared import Process, litequeue, worker_process
from ..support import PROGRAM, children_of, environment, ledger_lines, wait_until

pytestmark = pytest.mark.beside


class Together(NamedTuple):
    """A command with a program that appends to ``said`` what happens to it, and ends with 5 once there is a file ``end``."""

    command: Process
    said: Path
    end: Path
    log: Path

    def program(self) -> int:
        return int(self.said.read_text().split()[0])

    def worker(self) -> int:
        (worker,) = set(children_of(self.command.pid)) - {self.program()}
        return worker


TRAPS = "trap 'echo {0} >> said' {0}"
SCRIPT = "{traps}; echo $$ >> said; while [ ! -e end ]; do sleep 0.01; done; exit 5"  # who has read it may send signals


@contextlib.contextmanager
def together(db: Path, *flags: object, traps: str = "; ".join(map(TRAPS.format, ("TERM", "INT", "USR1")))) -> Iterator[Together]:
    folder = db.parent
    (folder / "program").write_text(SCRIPT.format(traps=traps))
    with (folder / "log").open("w") as log, worker_process(
        db, *flags, "--", "sh", folder / "program", wait=False, cwd=folder, stdout=log
    ) as command:  # fmt: skip
        ours = Together(command, folder / "said", folder / "end", folder / "log")
        try:
            wait_until(lambda: ours.said.exists() and ours.said.read_text(), what="the program has begun")
            yield ours
        finally:
            ours.end.touch()  # should the test have failed


def is_gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_the_program_begins_when_the_worker_is_up_and_its_exit_code_is_the_commands(db: Path) -> None:
    look = "import sqlite3, sys; sys.exit(7 * sqlite3.connect('db.sqlite').execute('SELECT count(*) FROM litequeue_workers').fetchone()[0])"
    done = litequeue("worker", db, "--", sys.executable, "-c", look, cwd=db.parent)
    assert done.returncode == 7, done.stderr
    assert "has ended with exit code 7, and so does the worker" in done.stderr
    with contextlib.closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT count(*) FROM litequeue_workers WHERE stopped_at IS NULL").fetchone() == (0,)


def test_a_program_that_ends_by_a_signal_is_told_as_shells_do(db: Path) -> None:
    assert litequeue("worker", db, "--", "sh", "-c", "kill -ABRT $$").returncode == 128 + signal.SIGABRT


@pytest.mark.slow
@pytest.mark.parametrize(("number", "told"), [(signal.SIGTERM, "TERM"), (signal.SIGINT, "INT"), (signal.SIGHUP, "TERM")], ids=lambda value: str(value))
def test_a_signal_is_the_programs_first_and_the_worker_goes_on_until_that_has_ended(sample_app: LiteQueue, db: Path, number: int, told: str) -> None:
    """A server's last requests may wait for jobs."""
    ledger, gate = db.parent / "ledger", db.parent / "gate"
    with together(db) as ours:
        slow = sample.wait_at_gate.delay(str(ledger), str(gate))
        wait_until(lambda: ledger_lines(ledger))
        ours.command.send_signal(number)
        wait_until(lambda: ours.said.read_text().split()[1:] == [told])
        assert sample.add.delay(1, 2).get(timeout=10) == 3
        ours.end.touch()
        wait_until(lambda: "finishes 1 job" in ours.log.read_text())
        gate.touch()
        assert ours.command.wait(10) == 5
    assert slow.get(timeout=0) == "attempt 1"
    assert sample_app.stats().workers == ()


@pytest.mark.slow
def test_a_second_signal_ends_both_at_once(sample_app: LiteQueue, db: Path) -> None:
    ledger = db.parent / "ledger"
    with together(db) as ours:
        sample.wait_at_gate.delay(str(ledger), str(db.parent / "gate"))
        wait_until(lambda: ledger_lines(ledger))
        program, begin = ours.program(), time.monotonic()
        ours.command.terminate()
        wait_until(lambda: "TERM" in ours.said.read_text())
        ours.command.terminate()
        assert ours.command.wait(10) == 128 + signal.SIGTERM
        assert time.monotonic() - begin < 10 and is_gone(program)


@pytest.mark.slow
def test_a_program_that_does_not_end_within_the_grace_is_killed_with_what_it_has_started(db: Path) -> None:
    with together(db, "--grace", "0.3", traps="trap '' TERM; sleep 1000 & echo $! >> said") as ours:
        wait_until(lambda: len(ours.said.read_text().split()) == 2)
        pids = list(map(int, ours.said.read_text().split()))
        ours.command.terminate()
        assert ours.command.wait(10) == 128 + signal.SIGKILL
        wait_until(lambda: all(map(is_gone, pids)))
        assert "has not ended within 0.3 s, and is killed" in ours.log.read_text()


@pytest.mark.slow
def test_when_the_worker_dies_the_program_is_ended(db: Path) -> None:
    with together(db) as ours:
        os.kill(ours.worker(), signal.SIGKILL)
        wait_until(lambda: "TERM" in ours.said.read_text())
        ours.end.touch()
        assert ours.command.wait(10) == 128 + signal.SIGKILL
        assert "the worker has ended with exit code 137, and so does the program sh" in ours.log.read_text()


@pytest.mark.slow
def test_when_their_parent_is_killed_both_end(sample_app: LiteQueue, db: Path) -> None:
    with together(db) as ours:
        program, worker = ours.program(), ours.worker()
        ours.command.kill()
        wait_until(lambda: "TERM" in ours.said.read_text())
        wait_until(lambda: is_gone(worker))
        ours.end.touch()
        wait_until(lambda: is_gone(program))
    assert sample_app.stats().workers == ()


def test_other_signals_that_servers_know_are_passed_on(db: Path) -> None:
    with together(db) as ours:
        ours.command.send_signal(signal.SIGUSR1)
        wait_until(lambda: ours.said.read_text().split()[1:] == ["USR1"])
        ours.end.touch()
        assert ours.command.wait(10) == 5


def test_a_worker_that_cannot_start_starts_no_program(db: Path) -> None:
    done = litequeue("worker", db, "--import", "no_such_module", "--", "sh", "-c", "touch begun", cwd=db.parent)
    assert (done.returncode, (db.parent / "begun").exists()) == (2, False)
    assert done.stderr.startswith("litequeue: --import no_such_module: ")


def test_a_program_that_is_none_ends_the_worker(db: Path) -> None:
    bad = db.parent / "bad"
    bad.write_text("neither a program nor a script")
    bad.chmod(0o700)
    done = litequeue("worker", db, "--", bad)
    assert done.returncode == 127
    assert f"the program {bad} cannot be started: Exec format error" in done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--", "no-such-program"), "there is no no-such-program here that could be run"),
        (("--", "--threads", "3"), "--threads is none: the worker's options stand before it"),
        (("--burst", "--", "sh"), "--burst ends the worker when nothing is left to do, and with it the program"),
        (("sh",), "--queues sh; a program that runs beside the worker goes after --"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_begun(db: Path, words: tuple[str, ...], why: str) -> None:
    done = litequeue("worker", db, *words)
    assert (done.returncode, done.stderr.count("\n"), db.exists()) == (2, 1, False)
    assert why in done.stderr


def test_a_service_has_a_program_of_its_own(db: Path) -> None:
    done = litequeue("service", db, "--", "--threads", "2", "--", "sh")
    assert done.returncode == 2 and "give it a unit of its own" in done.stderr


@pytest.mark.slow
def test_ctrl_c_reaches_the_program_once_and_a_terminal_is_nothing_to_read(db: Path) -> None:
    """A terminal tells all of the group in front, and uvicorn takes a second one for impatience."""
    ours, theirs = os.openpty()

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    said = db.parent / "said"
    script = "trap 'echo INT >> said' INT; cat; echo read >> said; while [ ! -e end ]; do sleep 0.01; done"
    command = subprocess.Popen(
        [*PROGRAM, "worker", db, "--", "sh", "-c", script], cwd=db.parent, env=environment(), stdin=theirs, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=lead,  # noqa: PLW1509
    )  # fmt: skip
    try:
        wait_until(lambda: said.exists() and said.read_text().split() == ["read"])
        os.write(ours, b"\x03")
        wait_until(lambda: "INT" in said.read_text())
        (db.parent / "end").touch()
        assert command.wait(10) == 0
        assert said.read_text().split() == ["read", "INT"]
    finally:
        command.kill()
        command.wait()
        os.close(ours)
        os.close(theirs)
