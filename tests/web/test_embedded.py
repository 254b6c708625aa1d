"""``app.web()``, and what its options may be."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from litequeue import CannotOpen, InvalidArgument, InvalidType, LiteQueue, WorkerFailed
from litequeue.options import web as options
from litequeue.web.embedded import EmbeddedWeb

from ..support import environment
from .conftest import ROUTES, Browser

pytestmark = pytest.mark.beside


def test_it_is_served_inside_of_the_block(app: LiteQueue) -> None:
    page = app.web(port=0)
    with pytest.raises(WorkerFailed, match="is not served"):
        _ = page.url
    with page as web:
        assert web.url.startswith(f"http://127.0.0.1:{web.port}/login?code=") and web.url != web.url
        assert Browser(web.port).login(web).ask("/").status != 401
    with pytest.raises(WorkerFailed, match="is not served"):
        _ = page.port
    with pytest.raises(WorkerFailed, match="once"):
        page.start()


def test_each_login_page_is_told_of(app: LiteQueue) -> None:
    seen: list[bool] = []
    with EmbeddedWeb(app._client, {"port": 0}, routes=ROUTES) as web:
        web.on_shut_out = lambda: seen.append(web.has_code)
        browser = Browser(web.port)
        browser.ask("/"), browser.ask("/", "HEAD"), browser.ask("/?part=main"), browser.ask("/events"), browser.ask("/static/app.css")
        assert seen == [False]
        browser.login(web).ask("/")
        assert seen == [False] and not web.has_code


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"port": -1}, "from 0 to 65535"), ({"port": 65536}, "from 0 to 65535"), ({"port": "80"}, "must be an integer"), ({"host": ""}, "one line of text"), ({"host": "no.such.name.invalid"}, "no address"),
        ({"prefix": "queue"}, "a path such as"), ({"prefix": "/a/../b"}, "a path such as"), ({"prefix": "//a"}, "a path such as"), ({"prefix": "/a b"}, "a path such as"), ({"prefix": "/ä"}, "a path such as"),
        ({"allow_host": "http://a.example"}, "as it stands in a browser's address"), ({"allow_host": ["a", "*"]}, "as it stands"), ({"allow_host": 3}, "a name, or a list"), ({"allow_actions": "yes"}, "allow_actions"),
        ({"socket": "/tmp/x", "port": 1}, "not at both"), ({"socket": "/tmp/x", "host": "127.0.0.1"}, "not at both"), ({"host": "0.0.0.0"}, "--token-file"), ({"host": "192.0.2.1"}, "TLS"), ({"threads": 4}, "has no option"),
    ],
)  # fmt: skip
def test_an_option_that_it_cannot_take_is_refused_at_once(app: LiteQueue, given: dict[str, Any], why: str) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=why):
        app.web(**given)


def test_an_option_that_is_none_is_left_out(app: LiteQueue) -> None:
    page = app.web(host=None, port=None, socket=None, prefix=None, allow_host=None, token_file=None, allow_actions=None)
    assert page._options["port"] == options.PORT and page._options["host"] == "127.0.0.1"


def test_with_a_token_others_may_reach_it(app: LiteQueue, tmp_path: Path) -> None:
    with EmbeddedWeb(app._client, {"host": "0.0.0.0", "port": 0, "token_file": str(tmp_path / "token"), "allow_host": "queue.example.org"}, routes=ROUTES) as web:
        assert web.has_new_token and web.address == f"http://127.0.0.1:{web.port}/"
        token = (tmp_path / "token").read_text().strip()
        assert Browser(web.port).ask("/", authorization=f"Bearer {token}", host="Queue.Example.org").status == 200
        assert Browser(web.port).ask("/", authorization=f"Bearer {token}", host="other.example.org").status == 421


def test_a_token_that_others_can_read_is_refused(app: LiteQueue, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t" * 40)
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(CannotOpen, match="can be read by others"):
        app.web(token_file=str(tmp_path / "token"))


def test_a_file_that_is_no_queue_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("no database, and long enough to be looked at")
    with pytest.raises(OSError), LiteQueue(tmp_path / "db") as app:
        app.web(port=0).start()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("litequeue-web")]


@pytest.mark.slow
def test_a_program_that_forgets_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys, urllib.request\nfrom litequeue import LiteQueue\nweb = LiteQueue(sys.argv[1]).web(port=0).start()\n"
        "try: urllib.request.urlopen(web.url)\nexcept Exception as error: print(error)\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "db")], env=environment(), capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "") and time.monotonic() - began < 10
