"""The streams of pages that are open: what they are told, how many there are, and how each ends."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.web import streams
from litequeue.web.embedded import EmbeddedWeb
from litequeue.web.streams import MOST, MOST_OF_ONE

from ..store.together import fork
from ..support import wait_until
from .conftest import Browser, say, status_of
from .test_server import connected, head, sockets


class Listening:
    """One stream, as a browser has it."""

    def __init__(self, browser: Browser) -> None:
        self.connection = socket.create_connection(("127.0.0.1", browser.port), timeout=10)
        self.connection.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{browser.port}\r\nCookie: {browser.cookie}\r\n\r\n".encode())
        self.file = self.connection.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = http.client.parse_headers(self.file)

    def word(self) -> list[str]:
        """The next that is said; empty at its end."""
        lines = []
        while (line := self.file.readline().decode()) not in ("\n", ""):
            lines.append(line.rstrip("\n"))
        return lines

    def close(self) -> None:
        self.file.close()
        self.connection.close()


@contextlib.contextmanager
def listening(*browsers: Browser) -> Iterator[list[Listening]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Listening(browser))) for browser in browsers]


@pytest.mark.slow
def test_a_page_is_told_that_something_has_changed_at_most_once_a_second(browser: Browser, app: LiteQueue) -> None:
    with listening(browser) as [stream]:
        assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream" and stream.headers["cache-control"] == "no-store"
        first = stream.word()
        began = time.monotonic()
        assert first[0] == "event: changed" and first[1].startswith("data: ")
        for _ in range(20):
            app.enqueue("t")
        second = stream.word()
        assert second[0] == "event: changed" and second[1] != first[1]
        assert 0.9 < time.monotonic() - began < 3
        stream.connection.settimeout(1.3)
        with pytest.raises(TimeoutError):
            stream.word()


@pytest.mark.slow
def test_a_quiet_stream_says_a_word_now_and_then(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "QUIET", 0.2)
    monkeypatch.setattr(streams, "LOOK", 0.05)
    with listening(browser) as [stream]:
        assert stream.word()[0] == "event: changed"
        assert stream.word() == [":"] and stream.word() == [":"]


def test_eight_have_a_stream_and_of_one_session_four(web: EmbeddedWeb, browser: Browser) -> None:
    other, third = Browser(web.port).login(web), Browser(web.port).login(web)
    with listening(*[browser] * MOST_OF_ONE):
        full = browser.ask("/events")
        assert (full.status, full.headers["retry-after"]) == (503, "5")
        assert browser.ask("/events", "HEAD").status == 200, "which takes none"
        with listening(*[other] * (MOST - MOST_OF_ONE)) as others:
            assert third.ask("/events").status == 503
            assert browser.ask("/").status == third.ask("/").status == 200
            others[0].close()
            wait_until(lambda: _opens(third), 3)
        assert browser.ask("/events").status == 503, "those of others are not his"
    wait_until(lambda: _opens(browser), 3)


def _opens(browser: Browser) -> bool:
    with listening(browser) as [stream]:
        return stream.status == 200


def test_nobody_without_a_session_has_one(web: EmbeddedWeb) -> None:
    assert Browser(web.port).ask("/events").status == 401
    assert status_of(say(web.port, head(web, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", first="GET /events HTTP/1.1"))) == 403


@pytest.mark.slow
def test_who_does_not_listen_is_left_and_takes_nothing(web: EmbeddedWeb, browser: Browser, app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "QUIET", 0.0)
    monkeypatch.setattr(streams, "LEAST", 1000.0)
    monkeypatch.setattr(streams, "LOOK", 0.000_1)
    running = web._server
    assert running is not None
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.connect(("127.0.0.1", web.port))
        deaf.sendall(head(web, f"Cookie: {browser.cookie}", first="GET /events HTTP/1.1"))
        served = wait_until(lambda: [stream.connection for stream in running._streams._open])
        served[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        wait_until(lambda: not running._streams._seats, 20)
        assert not running._all and browser.ask("/").status == 200


@pytest.mark.slow
def test_a_stream_ends_with_its_session(web: EmbeddedWeb, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK", 0.05)
    monkeypatch.setattr("litequeue.web.sessions.LASTS", 2)
    short = Browser(web.port).login(web)
    with listening(browser, short) as [stream, short_one]:
        assert stream.word() and short_one.word() and short_one.word() == []
        stream.connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stream.word()


def test_a_stop_ends_all_at_once(app: LiteQueue) -> None:
    before = sockets()
    web = app.web(port=0).start()
    others = [Browser(web.port).login(web) for _ in range(2)]
    with listening(*others * 3) as open_ones:
        assert all(stream.word() for stream in open_ones)
        began = time.monotonic()
        web.stop()
        assert time.monotonic() - began < 1
        assert [stream.word() for stream in open_ones] == [[]] * 6
    assert sockets() == before and not [thread for thread in threading.enumerate() if thread.name.startswith("litequeue-web")]


@pytest.mark.slow
def test_a_file_that_is_gone_ends_the_streams_and_no_page_is_blank(web: EmbeddedWeb, browser: Browser, db: Path, caplog: pytest.LogCaptureFixture) -> None:
    with listening(browser) as [stream]:
        assert stream.word()
        os.rename(db, f"{db}.away")
        try:
            assert stream.word() == []
            assert "nobody is told of changes" in caplog.handler.stream.getvalue()  # type: ignore[attr-defined]
        finally:
            os.rename(f"{db}.away", db)
    wait_until(lambda: _opens(browser))


@pytest.mark.slow
def test_the_log_of_the_file_is_not_held_by_who_listens(browser: Browser, app: LiteQueue, db: Path) -> None:
    """A snapshot that is held open keeps what was written since from being put back."""
    with listening(browser) as [stream]:
        stream.word()
        for _ in range(20):
            app.enqueue("t")
        stream.word()
        _, frames, copied = app._client.store.database.checkpoint()
        assert frames == copied


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_holds_no_stream_open(web: EmbeddedWeb, browser: Browser) -> None:
    with listening(browser) as [stream]:
        stream.word()
        child = fork(signal.pause)
        try:
            web.stop()
            assert stream.word() == []
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


def test_a_head_that_cannot_be_sent_gives_its_seat_back(web: EmbeddedWeb, browser: Browser) -> None:
    running = web._server
    assert running is not None
    for _ in range(MOST_OF_ONE + 2):
        with connected(web, data=head(web, f"Cookie: {browser.cookie}", first="GET /events HTTP/1.1")) as [gone]:
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    wait_until(lambda: not running._streams._seats and not running._all)
    assert _opens(browser)
