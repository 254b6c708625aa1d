"""A page that is served, with addresses of its own, and those who ask: a browser with its cookie, and bare sockets."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from litequeue import LiteQueue
from litequeue.base.errors import JobNotFound, QueueBusy
from litequeue.web.embedded import EmbeddedWeb
from litequeue.web.guarding import FORM_TOKEN
from litequeue.web.messages import Request, Response
from litequeue.web.place import Place
from litequeue.web.routing import Route


def overview(request: Request, place: Place) -> Response:
    return Response(200, f"{request.path} {sorted(request.query.items())} {request.may_act} {request.who} {request.form_token}".encode())


def job(request: Request, place: Place, id: int) -> Response:
    if id > 10:
        raise JobNotFound(f"there is no job {id}")
    return Response(200, f"job {id!r} of {place.path}".encode())


def queue(request: Request, place: Place, name: str) -> Response:
    return Response(200, f"queue {name}".encode(), type="text/plain; charset=utf-8")


def pause(request: Request, place: Place, name: str) -> Response:
    place.client.store.operations.pause(name, place.clock.now())
    return Response(303, location=f"../{name}", body=urlencode(dict(request.form), doseq=True).encode())


def broken(request: Request, place: Place, how: str) -> Response:
    if how == "busy":
        raise QueueBusy("somebody writes")
    if how in ("away", "absolute", "split"):
        return Response(303, location={"away": "//evil.example/", "absolute": "https://evil.example/", "split": "a\r\nSet-Cookie: x=1"}[how])
    raise RuntimeError("<script>its secret</script>")


def big(request: Request, place: Place) -> Response:
    return Response(200, b"x" * 8_000_000)


ROUTES = (
    Route("/", "GET", overview), Route("/jobs", "GET", overview), Route("/jobs/{id:int}", "GET", job), Route("/queues/{name}", "GET", queue), Route("/queues/{name}/pause", "POST", pause),
    Route("/broken/{how}", "GET", broken), Route("/big", "GET", big),
)  # fmt: skip


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: Mapping[str, str]
    text: str


class Browser:
    """Asks one server, with the cookie that it was given."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    def ask(self, path: str, method: str = "GET", form: Mapping[str, object] | None = None, **headers: str) -> Got:
        """``headers`` as ``sec_fetch_site="none"``. Who posts says where he comes from, as browsers do."""
        said = {"Cookie": self.cookie} if self.cookie else {}
        if form is not None:
            method, said = "POST", {**said, "Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/x-www-form-urlencoded"}
        said |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, None if form is None else urlencode(form, doseq=True), {name: value for name, value in said.items() if value})
            answer = connection.getresponse()
            text = answer.read().decode()
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return Got(answer.status, {name.lower(): value for name, value in answer.headers.items()}, text)

    def login(self, web: EmbeddedWeb) -> Browser:
        assert self.ask(web.url.partition(f":{web.port}")[2]).status == 303
        return self

    @property
    def form_token(self) -> str:
        return self.ask("/").text.rpartition(" ")[2]

    def post(self, path: str, **form: object) -> Got:
        return self.ask(path, form={FORM_TOKEN: self.form_token, **form})


def say(port: int, data: bytes, *, timeout: float = 20) -> bytes:
    """Send these bytes, and read to the end what comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(data)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 16):
            found += data
    return found


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def hidden_of(page: str) -> dict[str, list[str]]:
    """What a form sends without being asked."""
    from html import unescape

    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page):
        found.setdefault(unescape(name), []).append(unescape(value))
    return found


@pytest.fixture
def web(app: LiteQueue) -> Iterator[EmbeddedWeb]:
    """Served with actions."""
    with EmbeddedWeb(app._client, {"port": 0, "allow_actions": True}, routes=ROUTES) as web:
        yield web


@pytest.fixture
def browser(web: EmbeddedWeb) -> Browser:
    """One that has logged in."""
    return Browser(web.port).login(web)
