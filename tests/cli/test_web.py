"""``web``: what it prints, how it ends, and how a browser is started."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
import webbrowser
from pathlib import Path
from typing import Self

import pytest

from litequeue import LiteQueue
from litequeue.cli import web as command

from ..support import PROGRAM, environment
from ..web.conftest import Browser
from .conftest import Cli

pytestmark = pytest.mark.beside


class Serving:
    """The command in a process of its own."""

    def __init__(self, *words: object, **env: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "web", *map(str, words)], env=environment() | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def end(self, number: int) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=10)
        return self.process.returncode, out, err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_an_address_with_a_code_and_ends_well(app: LiteQueue, db: Path, number: int) -> None:
    app.stats()
    with Serving(db, "--port", 0) as serving:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/login\?code=[\w-]+)", serving.line())
        assert found is not None
        browser = Browser(int(found[1]))
        assert browser.ask(found[2]).status == 303 and browser.ask("/").status != 401
        assert Browser(int(found[1])).ask("/").status == 401
        again = re.fullmatch(r"to log in again: http://127\.0\.0\.1:\d+(/login\?code=[\w-]+)", serving.line())
        assert again is not None and Browser(int(found[1])).ask(again[1]).status == 303
        code, out, err = serving.end(number)
        assert (code, out) == (0, "") and "Traceback" not in err and found[2].partition("=")[2] not in err


@pytest.mark.slow
def test_at_a_socket_it_says_how_to_get_there(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    app.stats()
    with Serving(db, "--socket", tmp_path / "s", "--token-file", tmp_path / "token") as serving:
        assert f"ssh -L 8010:{tmp_path / 's'} HOST" in serving.line()
        assert serving.line().startswith("http://127.0.0.1:8010/login?code=")
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        code, _, err = serving.end(signal.SIGTERM)
        assert code == 0 and "a token has been made in" in err and (tmp_path / "token").read_text().strip() not in err
    assert not (tmp_path / "s").exists()


def test_a_browser_is_started_by_a_file_and_not_by_the_code(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, str]] = []

    def opened(address: str) -> bool:
        path = Path(address.removeprefix("file://"))
        seen.append((address, stat.S_IMODE(path.stat().st_mode), path.read_text()))
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    with app.web(port=0) as page:
        with command._opened(page):
            [(address, mode, text)] = seen
            found = re.search(r'content="0;url=http://127\.0\.0\.1:\d+(/login\?code=[\w-]+)"', text)
            assert found is not None and found[1].partition("=")[2] not in address and mode == 0o600
            assert Browser(page.port).ask(found[1]).status == 303
        assert not Path(address.removeprefix("file://")).exists()


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("--port", "x"), 2, "--port must be a whole number from 0 to 65535"), (("--port", "65536"), 2, "--port"), (("--prefix", "x"), 2, "--prefix must be a path"), (("--allow-host", "http://x"), 2, "--allow-host"),
        (("--host", "0.0.0.0"), 2, "--token-file"), (("--socket", "/tmp/x", "--port", "1"), 2, "not at both"), (("--token-file", "/proc/x"), 4, "/proc"), (("--nothing",), 2, "unrecognized"),
        (("--host", "no.such.name.invalid"), 2, "no address of this machine"), (("--socket", "/no/such/folder/s"), 4, "/no/such/folder"),
    ],
)  # fmt: skip
def test_an_option_that_it_cannot_take_is_refused_in_one_line(cli: Cli, app: LiteQueue, db: Path, words: tuple[str, ...], code: int, why: str) -> None:
    app.stats()
    said = cli("web", db, *words)
    assert (said.code, said.out) == (code, "") and why in said.err and said.err.count("\n") == 1, said


def test_a_file_that_is_not_there_is_not_made(cli: Cli, tmp_path: Path) -> None:
    assert cli("web", tmp_path / "db.sqlite", "--port", "0").code == 4 and not (tmp_path / "db.sqlite").exists()
    (tmp_path / "text").write_text("no database, but a file of some length")
    assert cli("web", tmp_path / "text", "--port", "0").code == 4


@pytest.mark.slow
def test_where_others_can_reach_it_it_says_that_they_can_listen(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    app.stats()
    with Serving(db, "--host", "0.0.0.0", "--port", 0, "--token-file", tmp_path / "token") as serving:
        assert serving.line().startswith("http://127.0.0.1:")
        code, _, err = serving.end(signal.SIGTERM)
        assert code == 0 and "TLS is for a proxy" in err


@pytest.mark.slow
def test_a_port_in_use_is_one_line(app: LiteQueue, db: Path) -> None:
    with app.web(port=0) as page, Serving(db, "--port", page.port) as serving:
        out, err = serving.process.communicate(timeout=20)
        assert (serving.process.returncode, out) == (2, "") and "is in use" in err and err.count("\n") == 1
