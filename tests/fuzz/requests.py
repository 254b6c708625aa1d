"""Requests to the web page: whoever has not come in sees nothing and changes nothing, and no answer has a line more than it was given."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from litequeue.base.clock import SystemClock
from litequeue.client import Client
from litequeue.web.guarding import FORM, FORM_TOKEN, Asked, hosts_of
from litequeue.web.heads import END, Head, read_head
from litequeue.web.login import AGAIN, FIELD
from litequeue.web.messages import Request, Response
from litequeue.web.place import Place
from litequeue.web.routing import Route
from litequeue.web.sessions import Sessions
from litequeue.web.site import Site

from .oracle import Fault

TOKEN: Final = "the-token-of-its-file-0123456789-abcdef"
SECRET: Final = "what only a visitor sees"
# In the place of what is not known before the case is judged.
SESSION, FORMS = "@session@", "@form@"
OURS: Final = ("127.0.0.1:8010", "localhost:8010")
ORIGINS: Final = ("http://127.0.0.1:8010", "http://localhost:8010")
# What a request is made of that is as it should be, and what may stand in the place of each part; None: nothing.
PARTS: Final[dict[str, tuple[str | None, ...]]] = {
    "method": ("GET", "HEAD", "POST", "PUT", "get", "OPTIONS"),
    "path": ("/", "/jobs/1", "/jobs", "/queues/a/pause", "/login", "/events", "/static/app.css", "/login?code=x", "//", "/..", "/jobs/%00", "/queues/%0d%0aX:1/pause", "/?a=%ff", "/?part=main"),
    "Host": (None, "evil.example", "127.0.0.1:8011", "", "127.0.0.1:8010 ", "[::1]:8010", "127.0.0.1:8010, evil.example", "127.0.0.1.evil.example:8010"),
    "Origin": (None, "null", "http://evil.example", "http://127.0.0.1:8011", "http://127.0.0.1:8010.evil.example", "", "http://127.0.0.1:8010/"),
    "Cookie": (None, f"litequeue_8010={SESSION}x", "litequeue_8010=a.b.c; litequeue_8010=", f"litequeue_80={SESSION}", f"a=b; litequeue_8010={SESSION}"),
    "Content-Type": (None, f"{FORM}; charset=utf-8", "text/plain", "application/json", "multipart/form-data; boundary=x"),
    "body": ("", f"{FORM_TOKEN}=x", f"{FIELD}=x", f"{FIELD}={TOKEN}", f"{AGAIN}=1&{FIELD}={TOKEN}", f"{AGAIN}=1", f"{FORM_TOKEN}={FORMS}&{FORM_TOKEN}="),
}  # fmt: skip
HOSTILE: Final = "%3Cscript%3E=%27%22%3E%3Cimg%20onerror=y%3E%0d%0a"  # is kept, and shown where nobody sees it
MORE: Final = (
    f"Authorization: Bearer {TOKEN}", "Authorization: Bearer x", "Origin: http://evil.example", f"Origin: {ORIGINS[0]}", "Host: evil.example", f"Host: {OURS[0]}", "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate", "Transfer-Encoding: chunked", "no header", "If-None-Match: *", f"X-Forwarded-Host: {OURS[0]}",
)  # fmt: skip
logging.getLogger("litequeue.web").addHandler(logging.NullHandler())  # it says of each wrong token that it was wrong


class Sent(NamedTuple):
    head: bytes
    body: bytes


def make(random: Random) -> Sent:
    """One that is as it should be, but for a few parts."""
    is_form = random.random() < 0.6
    parts: dict[str, str | None] = {"method": "GET", "path": "/jobs/1", "Host": random.choice(OURS), "Cookie": f"litequeue_8010={SESSION}", "body": ""}
    if is_form:
        parts |= {"method": "POST", "path": "/queues/a/pause", "Origin": random.choice(ORIGINS), "Content-Type": FORM, "body": f"{FORM_TOKEN}={FORMS}&{HOSTILE}"}
    for name in random.sample(list(PARTS), random.choice((0, 1, 1, 2, 3))):
        parts[name] = random.choice(PARTS[name])
    lines = [f"{parts.pop('method')} {parts.pop('path')} HTTP/1.1"]
    body = str(parts.pop("body"))
    lines += [f"{name}: {value}" for name, value in parts.items() if value is not None]
    lines += random.sample(MORE, random.choice((0, 0, 0, 1, 2)))
    head = bytearray("\r\n".join([*lines, "", ""]).encode("latin-1"))
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        at = random.randrange(len(head) - 4)
        head[at : at + random.randint(0, 2)] = random.choice((b"", b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b"\xff", b"\t", random.randbytes(1)))
    return Sent(bytes(head), body.encode())


def judge(sent: Sent, folder: Path) -> None:
    clock, seen = SystemClock(), list[Request]()

    def page(request: Request, place: Place, **_: object) -> Response:
        seen.append(request)
        return Response(200, SECRET.encode())

    sessions = Sessions(clock, TOKEN)
    session = sessions.enter(TOKEN)
    assert session is not None
    routes = [Route("/", "GET", page), Route("/jobs", "GET", page), Route("/jobs/{id:int}", "GET", page), Route("/queues/{name}/pause", "POST", page)]
    client = Client(str(folder / "db"), durability="full", clock=clock)
    site = Site(Place(client, client.path, True, clock), routes, sessions, hosts_of("127.0.0.1", 8010), lambda _: None)
    real = {SESSION: session, FORMS: sessions.form_token(session)}
    head, body = (_with(part, real) for part in sent)
    head = head.replace(b"\r\n\r\n", f"\r\nContent-Length: {len(body)}\r\n\r\n".encode(), 1) if body or head.startswith(b"POST") else head
    end = END.search(head)
    found = read_head(head[: end.end()]) if end else 400
    if not isinstance(found, Head):
        return
    answer = site.answer(Asked(found.method, found.path, found.query, found.headers, body[: found.length], place="8010"))
    for name, value in answer.headers:
        if not re.fullmatch(r"[A-Za-z-]+", name) or not value.isascii() or not value.isprintable():
            raise Fault(f"a header {name!r}: {value!r}")
    if answer.status not in (200, 303, 304, 400, 401, 403, 404, 405, 415, 421, 429, 503):
        raise Fault(f"status {answer.status}")
    if b"<script" in answer.body or b"onerror=y>" in answer.body:
        raise Fault(f"{answer.body!r}")
    if (SECRET.encode() in answer.body) != (bool(seen)):
        raise Fault("a page was asked and not shown")
    if seen:
        _judge_one_that_was_shown(seen[0], head, body, real)


def _judge_one_that_was_shown(request: Request, head: bytes, body: bytes, real: dict[str, str]) -> None:
    """By the bytes, and not by what was made of them."""
    typed = TOKEN.encode() in body
    if real[SESSION].encode() not in head and TOKEN.encode() not in head and not typed:
        raise Fault("who has not come in was shown a page")
    hosts = _said(head, b"host")
    if len(hosts) != 1 or hosts[0].lower() not in (*OURS, "[::1]:8010"):
        raise Fault(f"at {hosts} a page was shown")
    if request.method == "POST" and TOKEN.encode() not in head:
        origins = _said(head, b"origin")
        if not (len(origins) == 1 and origins[0].lower() in (*ORIGINS, "http://[::1]:8010") or not origins and _said(head, b"sec-fetch-site") == ["same-origin"]):
            raise Fault(f"a form from {origins} was taken")
        if real[FORMS].encode() not in body and not typed:
            raise Fault("a form without its token was taken")


def _said(head: bytes, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for value in re.findall(rb"(?im)^" + name + rb":([^\r\n]*)", head)]


def _with(text: bytes, real: dict[str, str]) -> bytes:
    for mark, value in real.items():
        text = text.replace(mark.encode(), value.encode())
    return text
