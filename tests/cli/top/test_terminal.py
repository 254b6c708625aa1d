"""The terminal: what is sent to it, and that it is left as it was found however a program ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.cli.top.terminal import ENTER, LEAVE, Gone, Terminal

from ...support import environment

pytestmark = pytest.mark.beside


class Screen:
    """The other side of a terminal: reads what is sent, and knows what is seen of it."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.side, self.end = pty.openpty()
        self.resize(columns, rows)
        self.said = ""
        self._left = b""

    def resize(self, columns: int, rows: int) -> None:
        self.rows = rows
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self.side, keys.encode())

    def read(self, seconds: float = 0.0) -> str:
        """What has come, and comes in so long."""
        found = b""
        while select.select([self.side], [], [], seconds)[0]:
            with contextlib.suppress(OSError):  # EIO: nobody has the other end open
                if data := os.read(self.side, 65536):
                    found += data
                    continue
            break
        text = (self._left + found).decode(errors="ignore")
        self.said += text
        return text

    def until(self, condition: Callable[[str], Any], seconds: float = 20.0) -> Any:
        """Wait for what is seen; ``condition`` is given all lines."""
        deadline = time.monotonic() + seconds
        while True:
            self.read(0.05)
            found = condition(self.seen())
            if found:
                return found
            assert time.monotonic() < deadline, self.seen()

    def seen(self) -> str:
        """As it stands there after the last time that all was cleared."""
        lines = [""] * self.rows
        for row, text in re.findall(r"\x1b\[(\d+);1H\x1b\[2K(.*?)(?=\x1b\[\d+;1H|\x1b\[\?2026l|\Z)", self.said.rpartition("\x1b[2J")[2], re.DOTALL):
            if int(row) <= self.rows:
                lines[int(row) - 1] = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
        return "\n".join(lines)

    def close(self) -> None:
        os.close(self.side)
        with contextlib.suppress(OSError):
            os.close(self.end)


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.close()


@pytest.fixture
def terminal(screen: Screen) -> Terminal:
    return Terminal(screen.end, screen.end)


def test_within_a_block_it_is_another_screen_and_afterwards_as_it_was(screen: Screen, terminal: Terminal) -> None:
    before = termios.tcgetattr(screen.end)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT)]
    with pytest.raises(ZeroDivisionError), terminal.taken():
        modes = termios.tcgetattr(screen.end)
        assert not modes[3] & (termios.ICANON | termios.ECHO) and modes[3] & termios.ISIG
        raise ZeroDivisionError
    assert termios.tcgetattr(screen.end) == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT)] == handlers
    said = screen.read(0.05)
    assert said.startswith(ENTER) and said.endswith(LEAVE)


def test_only_lines_that_differ_are_sent(screen: Screen, terminal: Terminal) -> None:
    with terminal.taken():
        terminal.draw(["one", "two", "\x1b[31mthree\x1b[0m"], (20, 3))
        screen.read(0.05)
        terminal.draw(["one", "2", "\x1b[31mthree\x1b[0m"], (20, 3))
        assert screen.read(0.05) == "\x1b[?2026h\x1b[2;1H\x1b[2K2\x1b[?2026l"
        terminal.draw(["one", "2", "\x1b[31mthree\x1b[0m"], (20, 3))
        assert screen.read(0.05) == ""
        terminal.draw(["one"], (20, 1))
        assert "\x1b[2J" in screen.read(0.05), "another size is drawn anew"
        terminal.forget()
        terminal.draw(["one"], (20, 1))
        assert "\x1b[1;1H\x1b[2Kone" in screen.read(0.05)


def test_keys_come_whole_and_escape_after_a_moment(screen: Screen, terminal: Terminal) -> None:
    with terminal.taken():
        assert terminal.keys(0.01) == []
        screen.press("j\x1b[A")
        assert terminal.keys(5) == ["j", "up"]
        screen.press("\x1b")
        assert terminal.keys(5) == [] and terminal.keys(5) == ["esc"]
        screen.press("\x1b[")
        assert terminal.keys(5) == []
        screen.press("B")
        assert terminal.keys(5) == ["down"]
        screen.press("typed ahead")
        terminal.forget_keys()
        assert terminal.keys(0.01) == []


def test_a_signal_ends_the_wait_and_a_terminal_that_is_gone_too(screen: Screen, terminal: Terminal) -> None:
    with pytest.raises(Gone), terminal.taken():
        os.kill(os.getpid(), signal.SIGTERM)
        terminal.keys(20)
    there = Screen()
    other = Terminal(there.end, there.end)
    with pytest.raises(Gone), other.taken():
        os.close(there.side)
        other.draw(["x" * 10], (10, 1))
        other.keys(20)
    os.close(there.end)


# -- as people start it ----------------------------------------------------------------------------------


@contextlib.contextmanager
def watching(screen: Screen, *words: object, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "litequeue", "top", *map(str, words)], stdin=screen.end, stdout=screen.end, stderr=screen.end, start_new_session=True,
        env={**environment(), "TERM": "xterm", "PYTHONUTF8": "1", **env},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["q", "\x03", signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["q", "ctrl-c", "TERM", "INT", "HUP"])
def test_however_it_ends_the_terminal_is_as_it_was(screen: Screen, app: LiteQueue, db: Path, how: Any) -> None:
    app.task(name="shop.send", queue="mail")(lambda: None).delay()
    before = termios.tcgetattr(screen.end)
    with watching(screen, db) as process:
        screen.until(lambda seen: "no worker serves this file" in seen and "read-only" in seen)
        assert termios.tcgetattr(screen.end) != before
        if isinstance(how, str) and how == "q":
            screen.press(how)
        else:
            process.send_signal(signal.SIGINT if how == "\x03" else how)
        assert process.wait(20) == 0
    screen.read(0.1)
    assert termios.tcgetattr(screen.end) == before and screen.said.rstrip().endswith(LEAVE) and "Traceback" not in screen.said


@pytest.mark.slow
def test_one_looks_around_finds_a_job_and_runs_it_again(screen: Screen, app: LiteQueue, db: Path) -> None:
    job = app.task(name="shop.send", queue="mail")(lambda to: None).delay("\x1b[2J\u202eevil")
    job.cancel()
    with watching(screen, db, "--interval", "0.2"):
        screen.until(lambda seen: "1 overview" in seen and "read-only" in seen)
        screen.press("2")
        screen.until(lambda seen: "cancelled" in seen and r"\u001b[2J\u202eevil" in seen)
        screen.press("r")
        screen.until(lambda seen: "! unlocks" in seen)
        screen.press("!")
        screen.until(lambda seen: "unlocked: r runs again" in seen)
        screen.press("ry")  # what is typed ahead, or pasted, answers nothing
        screen.until(lambda seen: "Run job 1 again? y/N" in " ".join(seen.split()))
        assert job.state == "cancelled"
        screen.press("y")
        screen.until(lambda seen: "job 1 put back" in seen)
        assert job.state == "available"
        screen.press("/state:runing\r")
        screen.until(lambda seen: "there is no state 'runing'" in seen)
        screen.press("\x7f\x7f\x7f\x7fnning\r")
        screen.until(lambda seen: "No job matches." in seen)
        screen.press("?")
        screen.until(lambda seen: "pause or resume a queue or a schedule" in seen)
        screen.resize(100, 30)
        screen.until(lambda seen: len(seen.splitlines()) == 30 and "leave" in seen.splitlines()[-1])


@pytest.mark.slow
def test_it_is_suspended_and_goes_on_where_it_was(screen: Screen, app: LiteQueue, db: Path) -> None:
    """Under a shell with job control, as Ctrl-Z wants it."""
    app.task(name="shop.send", queue="mail")(lambda: None).delay()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "--noediting", "-i"], stdin=screen.end, stdout=screen.end, stderr=screen.end, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        env={**environment(), "TERM": "xterm", "PYTHONUTF8": "1", "PS1": "$ ", "HISTFILE": ""},
    )  # fmt: skip
    try:
        screen.press(f"{sys.executable} -m litequeue top {db}\n")
        screen.until(lambda seen: "read-only" in seen)
        screen.press("3")
        screen.until(lambda seen: "waiting" in seen and "mail" in seen and "Throughput" not in seen)
        screen.press("\x1a")
        screen.until(lambda seen: "Stopped" in screen.said.rpartition(LEAVE)[2])
        screen.press("echo back; stty -a\n")
        screen.until(lambda seen: re.search(r"\bicanon\b", screen.said.rpartition("back\r\n")[2]))
        screen.press("fg\n")
        screen.until(lambda seen: "mail" in seen and "read-only" in seen and screen.said.count(ENTER) == 2)
        screen.press("q")
        screen.until(lambda seen: screen.said.rpartition(LEAVE)[2].count("$ "))
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


@pytest.mark.slow
def test_a_terminal_that_takes_no_sequences_has_one_frame(screen: Screen, app: LiteQueue, db: Path) -> None:
    app.task(name="shop.send", queue="mail")(lambda: None).delay()
    with watching(screen, db, TERM="dumb") as process:
        assert process.wait(20) == 0
    assert "no worker serves this file" in screen.read(0.1) and "\x1b" not in screen.said
