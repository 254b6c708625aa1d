"""The pages of a lively queue behind a small server, for a browser to look at: what it answers is in the test's hand."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from litequeue.store.pages.records import Frame
from litequeue.web.messages import Request, Response
from litequeue.web.pages.trouble import missing

from ..support import ROOT
from .every import PAGES
from .samples import frame

STATIC = ROOT / "litequeue" / "web" / "static"
TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
# As the page is served.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


class Served:
    """What is served, and what was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = dict(PAGES)
        self.may_act = False
        self.frame = frame()
        self.asked: list[str] = []
        self.posted: list[tuple[str, str]] = []
        self.streams = 0  # that are open
        self.address = ""
        self.version = 0
        self.is_over = False
        self.changed = threading.Condition()

    def change(self) -> None:
        """Tell each open stream."""
        with self.changed:
            self.version += 1
            self.changed.notify_all()


def missing_page(view: object, frame: Frame, request: Request) -> Response:
    return missing(frame, request)


def _handler(served: Served) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 0.5  # browsers connect before they ask, and a thread waits for what they may never say

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            served.asked.append(self.path)
            url = urlsplit(self.path)
            if url.path == "/events":
                self._stream()
            elif url.path.startswith("/static/"):
                name = url.path.rpartition("/")[2]
                self._answer(200, TYPES[name.rpartition(".")[2]], (STATIC / name).read_bytes())
            else:
                maker, view = served.pages.get(self.path) or served.pages.get(url.path) or (missing_page, None)
                answer = maker(view, served.frame, Request("GET", url.path, dict(parse_qsl(url.query)), form_token="token", may_act=served.may_act))
                self._answer(answer.status, answer.type, answer.body)

        def do_POST(self) -> None:
            served.posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(303)
            self.send_header("Location", "/jobs")
            self.end_headers()

        def _answer(self, status: int, type_: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", type_)
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            served.streams += 1
            seen = served.version
            try:
                while not served.is_over:
                    with served.changed:
                        served.changed.wait(0.05)
                    self.wfile.write(b": alive\n\n" if served.version == seen else f"event: changed\ndata: {served.version}\n\n".encode())
                    seen = served.version
            except OSError:  # the browser has closed it
                pass
            finally:
                served.streams -= 1

    return Handler


@contextlib.contextmanager
def serving() -> Iterator[Served]:
    served = Served()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        served.is_over = True
        served.change()
        server.shutdown()
        thread.join()
        server.server_close()
