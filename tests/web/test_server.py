"""Connections: slow ones, big ones, many, and the end of all."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.web import server
from litequeue.web.embedded import EmbeddedWeb
from litequeue.web.guarding import FORM_TOKEN
from litequeue.web.messages import Request, Response
from litequeue.web.place import Place
from litequeue.web.routing import Route

from ..store.together import fork
from ..support import wait_until
from .conftest import ROUTES, Browser, read_all, say, status_of

HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def head(web: EmbeddedWeb, *lines: str, first: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([first, f"Host: 127.0.0.1:{web.port}", *lines, "", ""]).encode("latin-1")


@contextlib.contextmanager
def connected(web: EmbeddedWeb, count: int = 1, data: bytes = b"") -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=20))
            with contextlib.suppress(OSError):  # closed at once
                connection.sendall(data)
            found.append(connection)
        yield found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SLOWEST", 0.3)
    monkeypatch.setattr(server, "LINGER", 0.2)


@pytest.mark.slow
def test_a_request_may_come_byte_by_byte_but_not_for_long(web: EmbeddedWeb, impatient: None, browser: Browser) -> None:
    with connected(web) as [whole]:
        for byte in head(web):
            whole.sendall(bytes([byte]))
        assert status_of(read_all(whole)) == 401
    for data in (b"", b"G", HALF, head(web, "Content-Length: 5", first="POST / HTTP/1.1") + b"a=b"):
        with connected(web, data=data) as [slow]:
            began = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() - began < 5:
                    slow.sendall(b"X"[: data == HALF])  # one byte after the other does not help
                    slow.settimeout(0.05)
                    with contextlib.suppress(TimeoutError):
                        assert slow.recv(100) == b""
                        break
            assert 0.2 < time.monotonic() - began < 3
    assert browser.ask("/").status == 200


def test_slow_ones_hold_up_nobody(web: EmbeddedWeb, browser: Browser) -> None:
    with connected(web, server.MOST - 2, HALF) as slow:
        began = time.monotonic()
        assert browser.ask("/").status == 200
        assert time.monotonic() - began < 2
        slow[0].sendall(b"\r\n")
        assert status_of(read_all(slow[0])) == 421


def test_of_two_hundred_connections_most_are_closed_at_once(web: EmbeddedWeb, impatient: None, browser: Browser) -> None:
    running = web._server
    assert running is not None
    with connected(web, 200, HALF) as all_of_them:
        wait_until(lambda: len(running._all) > 64 or len(select.select(all_of_them, [], [], 0)[0]) >= 200 - 64)
        assert len(running._all) <= 64
        ended = sum(read_all(connection) == b"" for connection in all_of_them)
        assert ended == 200, "the last by the sweep"
    assert wait_until(lambda: _status(browser)) == 200


def _status(browser: Browser) -> int:
    with contextlib.suppress(OSError):
        return browser.ask("/").status
    return 0


def test_over_the_limit_a_connection_is_closed_before_it_says_anything(web: EmbeddedWeb, browser: Browser) -> None:
    with connected(web, server.MOST, HALF), connected(web) as [late]:
        began = time.monotonic()
        assert read_all(late) == b""
        assert time.monotonic() - began < 2
    assert wait_until(lambda: _status(browser)) == 200


def test_who_says_nothing_makes_room_for_who_comes(web: EmbeddedWeb, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SETTLED", 0.0)
    with connected(web, server.MOST, HALF) as idle:
        for _ in range(3):
            assert browser.ask("/").status == 200
        assert read_all(idle[0]) == b""
        idle[-1].sendall(b"\r\n")
        assert status_of(read_all(idle[-1])) == 421


@pytest.mark.parametrize(
    ("lines", "first", "body", "status"),
    [
        (("Transfer-Encoding: chunked",), "POST / HTTP/1.1", b"5\r\nhello\r\n0\r\n\r\n", 501), (("Content-Length: 65537",), "POST / HTTP/1.1", b"x" * 65537, 413),
        (("Content-Length: 10000000000",), "POST / HTTP/1.1", b"x" * 1_000_000, 413), ((), "POST / HTTP/1.1", b"", 411), ((f"X: {'a' * 40_000}",), "GET / HTTP/1.1", b"", 431),
        (tuple(f"X{number}: a" for number in range(80)), "GET / HTTP/1.1", b"", 431), ((), f"GET /{'a' * 9000} HTTP/1.1", b"", 414), ((), "GET /\xe4 HTTP/1.1", b"", 400),
        ((), "\x16\x03\x01\x02", b"", 400), ((), "GET http://127.0.0.1/ HTTP/1.1", b"", 400), ((), "PRI * HTTP/2.0", b"", 505), ((), "GET /", b"", 400),
        (("Content-Length: 5", "Content-Length: 6"), "POST / HTTP/1.1", b"a=bcd", 400), (("Host: 127.0.0.1",), "GET / HTTP/1.1", b"", 421),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_why_even_while_it_is_being_sent(web: EmbeddedWeb, lines: tuple[str, ...], first: str, body: bytes, status: int) -> None:
    answer = say(web.port, head(web, *lines, first=first) + body)
    assert status_of(answer) == status and b"Content-Security-Policy" in answer and answer.endswith(b"</html>\n")


def test_an_endless_head_is_ended(web: EmbeddedWeb) -> None:
    with connected(web, data=b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200_000) as [connection]:
        assert status_of(read_all(connection)) == 431


def test_a_body_of_the_most_that_is_allowed_is_taken(web: EmbeddedWeb, browser: Browser) -> None:
    form = f"form_token={browser.form_token}&a="
    body = form + "b" * (65536 - len(form))
    origin = f"http://127.0.0.1:{web.port}"
    lines = (f"Content-Length: {len(body)}", f"Origin: {origin}", f"Cookie: {browser.cookie}", "Content-Type: application/x-www-form-urlencoded")
    assert status_of(say(web.port, head(web, *lines, first="POST /queues/mail/pause HTTP/1.1") + body.encode())) == 303


def test_one_request_is_answered_to_a_connection(web: EmbeddedWeb) -> None:
    answer = say(web.port, head(web, "Connection: keep-alive") * 2)
    assert answer.count(b"HTTP/1.0 ") == 1 and b"Connection: close" in answer


def test_what_a_head_says_comes_back_in_no_header(web: EmbeddedWeb) -> None:
    for path in ("/x%0d%0aSet-Cookie:%20a=b", "/jobs/%0aX:1", "/?a=%0d%0aX:%201"):
        answer = say(web.port, head(web, first=f"GET {path} HTTP/1.1")).partition(b"\r\n\r\n")[0]
        assert b"Set-Cookie" not in answer and b"\nX:" not in answer


def test_a_client_that_takes_nothing_in_is_left(web: EmbeddedWeb, browser: Browser, impatient: None) -> None:
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", web.port))
        stuck.sendall(head(web, f"Cookie: {browser.cookie}", first="GET /big HTTP/1.1"))
        running = web._server
        assert running is not None
        wait_until(lambda: running._answers)
        wait_until(lambda: not running._answers and not running._all, 5)


def test_the_log_has_a_line_of_words_that_drive_no_terminal(web: EmbeddedWeb, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "litequeue.web")
    say(web.port, head(web, first="G\x1b[2JT /\x1b]0;x\x07 HTTP/1.1"))
    say(web.port, head(web, first="BREW /%1b%5b2J HTTP/1.1"))
    say(web.port, head(web, first=f"GET /{'a' * 5000} HTTP/1.1"))
    said = caplog.handler.stream.getvalue()  # type: ignore[attr-defined]
    assert "no request: 400" in said and "BREW /%1b%5b2J: 405" in said and "\x1b" not in said and max(map(len, said.splitlines())) < 400


# -- the end -----------------------------------------------------------------------------------------------


def sockets() -> list[str]:
    """What this process has open of sockets, and of what waits for them (Linux)."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(name for name in found if name.startswith(("socket:", "anon_inode:")))


def test_a_stop_leaves_neither_threads_nor_descriptors_and_the_port_is_free(app: LiteQueue) -> None:
    before = sockets()
    for _ in range(3):
        with EmbeddedWeb(app._client, {"port": 0}, routes=ROUTES) as web:
            port = web.port
            browser = Browser(port).login(web)
            with connected(web, 5, HALF):
                assert browser.ask("/").status == 200
    assert sockets() == before
    with socket.socket() as asking:
        assert asking.connect_ex(("127.0.0.1", port)) != 0
    with EmbeddedWeb(app._client, {"port": port}, routes=ROUTES) as again:
        assert again.port == port


@pytest.mark.slow
def test_a_stop_waits_for_no_client(app: LiteQueue) -> None:
    with contextlib.ExitStack() as stack:
        web = EmbeddedWeb(app._client, {"port": 0}, routes=ROUTES).start()
        browser = Browser(web.port).login(web)
        stuck = stack.enter_context(socket.socket())
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", web.port))
        stuck.sendall(head(web, f"Cookie: {browser.cookie}", first="GET /big HTTP/1.1"))
        stack.enter_context(connected(web, 3, HALF))
        running = web._server
        assert running is not None
        wait_until(lambda: running._answers)
        began = time.monotonic()
        web.stop()
        assert time.monotonic() - began < 2
        web.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_holds_nothing_of_it_open_and_ends_nothing(web: EmbeddedWeb, browser: Browser, tmp_path: Path) -> None:
    """Else the port, and each connection, stayed open for as long as the child lives."""
    with connected(web, data=HALF) as [waiting]:
        running = web._server
        assert running is not None
        wait_until(lambda: len(running._all) == 1)
        reader, writer = os.pipe()

        def be_a_child() -> None:
            web.stop()  # which is the parent's to do
            os.write(writer, b"x")
            signal.pause()

        child = fork(be_a_child)
        try:
            assert os.read(reader, 1) == b"x"
            assert browser.ask("/").status == 200
            waiting.sendall(b"\r\n")
            assert status_of(read_all(waiting)) == 421, "its end is seen, although the child lives"
            port = web.port
            web.stop()
            with socket.socket() as asking:
                assert asking.connect_ex(("127.0.0.1", port)) != 0
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
            os.close(reader), os.close(writer)


def test_one_page_is_made_at_a_time_and_an_action_waits_for_none(app: LiteQueue) -> None:
    held, at_once, most = threading.Event(), 0, 0

    def slow(request: Request, place: Place) -> Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        held.wait(10)
        at_once -= 1
        return Response(200)

    with EmbeddedWeb(app._client, {"port": 0, "allow_actions": True}, routes=(*ROUTES, Route("/slow", "GET", slow))) as web:
        browser = Browser(web.port).login(web)
        token = browser.form_token
        waiting = [threading.Thread(target=browser.ask, args=("/slow",)) for _ in range(3)]
        for thread in waiting:
            thread.start()
        try:
            running = web._server
            assert running is not None
            wait_until(lambda: len(running._answers) == 3 and at_once == 1)
            assert browser.ask("/queues/mail/pause", form={FORM_TOKEN: token}).status == 303 and browser.ask("/static/app.css").status == 200
        finally:
            held.set()
            for thread in waiting:
                thread.join()
    assert most == 1
