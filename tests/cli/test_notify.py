"""What a service manager is told, by a socket as systemd's."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue.cli import notify

from ..support import PROGRAM, environment, wait_until

pytestmark = [pytest.mark.beside, pytest.mark.skipif(os.name != "posix", reason="systemd is Linux's")]


@contextlib.contextmanager
def managing(folder: Path, *words: object, watchdog: float | None = None, abstract: bool = False) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """A worker under a manager, and what that has heard so far, which ``wait_until`` may look at."""
    address = f"@litequeue-{os.getpid()}-{folder.name}" if abstract else str(folder / "notify")
    with (folder / "log").open("wb") as log, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mine:
        mine.bind(address.replace("@", "\0"))
        mine.setblocking(False)
        more = {} if watchdog is None else {"WATCHDOG_USEC": str(int(watchdog * 1_000_000))}
        process = subprocess.Popen(
            [*PROGRAM, "worker", "db.sqlite", *map(str, words)], cwd=folder, env={**environment(), "NOTIFY_SOCKET": address, **more},
            stderr=log,
        )  # fmt: skip
        heard = Heard(mine)
        try:
            yield process, heard
        finally:
            process.terminate()
            process.wait(30)


class Heard(list[str]):
    """The lines, as they come."""

    def __init__(self, mine: socket.socket) -> None:
        super().__init__()
        self._mine = mine

    def __contains__(self, line: object) -> bool:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.extend(self._mine.recv(4096).decode().split("\n"))
        return super().__contains__(line)

    def count(self, line: str) -> int:
        return super().count(line) if line in self else 0


@pytest.mark.parametrize("abstract", [False, True])
def test_a_worker_says_that_it_is_up_that_it_moves_and_that_it_ends(tmp_path: Path, abstract: bool) -> None:
    with managing(tmp_path, "--name", "shop", watchdog=0.3, abstract=abstract) as (process, heard):
        wait_until(lambda: "READY=1" in heard, 20)
        assert "STATUS=worker shop is up" in heard and "STOPPING=1" not in heard
        wait_until(lambda: heard.count("WATCHDOG=1") > 3)
        process.terminate()
        assert process.wait(20) == 0
        assert "STOPPING=1" in heard


@pytest.mark.slow
def test_one_that_does_not_move_gives_no_sign_of_life(tmp_path: Path) -> None:
    with managing(tmp_path, watchdog=0.3) as (process, heard):
        wait_until(lambda: heard.count("WATCHDOG=1") > 1, 20)
        process.send_signal(signal.SIGSTOP)
        seen = heard.count("WATCHDOG=1")
        with pytest.raises(AssertionError):
            wait_until(lambda: heard.count("WATCHDOG=1") > seen + 1, 1.5)
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: heard.count("WATCHDOG=1") > seen + 1)


@pytest.mark.slow
def test_a_supervisor_tells_for_all_of_its_workers(tmp_path: Path) -> None:
    with managing(tmp_path, "--workers", 2, watchdog=0.3) as (process, heard):
        wait_until(lambda: "READY=1" in heard, 30)
        assert heard.count("READY=1") == 1
        wait_until(lambda: "STATUS=2 of 2 workers up" in heard, 20)
        wait_until(lambda: heard.count("WATCHDOG=1") > 3)
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "STATUS=2 of 2 workers up; rolling restart, 1 to go" in heard, 20)
        process.terminate()
        assert process.wait(20) == 0
        assert "STOPPING=1" in heard and heard.count("READY=1") == 1


def manager(monkeypatch: pytest.MonkeyPatch, **variables: str) -> notify.Manager:
    for name in (notify.SOCKET, *notify.WATCHDOG):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = notify.manager()
    assert not {notify.SOCKET, *notify.WATCHDOG} & os.environ.keys(), "no command finds them"
    return found


def test_how_often_life_is_to_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "300000000"}
    assert manager(monkeypatch, **ours).interval == 100.0
    assert manager(monkeypatch, **ours, WATCHDOG_PID=str(os.getpid())).interval == 100.0
    assert manager(monkeypatch, **ours, WATCHDOG_PID="1").interval is None, "it is another's"
    assert manager(monkeypatch, NOTIFY_SOCKET="/run/x").interval is None
    for odd in ("", "0", "x", "-1"):
        assert manager(monkeypatch, NOTIFY_SOCKET="/run/x", WATCHDOG_USEC=odd).interval is None
    assert manager(monkeypatch, WATCHDOG_USEC="300000000").interval is None, "there is nobody"


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "relative"])
def test_without_a_socket_nothing_is_told(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    found = manager(monkeypatch, **({} if address is None else {"NOTIFY_SOCKET": address}))
    assert not found
    found.tell(notify.READY)


def test_a_manager_that_is_gone_or_does_not_listen_holds_nobody_up(tmp_path: Path) -> None:
    notify.Manager(str(tmp_path / "gone")).tell(notify.READY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mine:
        mine.bind(str(tmp_path / "full"))
        for _ in range(2000):
            notify.Manager(str(tmp_path / "full")).tell(notify.ALIVE)
