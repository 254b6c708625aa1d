"""The head of a request, from bytes to words: strict, since what two programs read differently lets one of them be lied to.

Pure. The words are found by the standard library (``BaseHTTPRequestHandler``), over bytes that have come whole; what it forgives is refused here: a line
that is no header, a bare carriage return, a length said twice, an address that is no path.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Final

MOST_HEAD: Final = 32 << 10  # bytes; cookies of whatever else is served at this host are among them
MOST_LINE: Final = 8 << 10  # of the first
MOST_HEADERS: Final = 64
MOST_BODY: Final = 64 << 10
END: Final = re.compile(rb"\r?\n\r?\n")
_TARGET: Final = re.compile(r"(/[!-~]*?)(?:\?([!-~]*))?")


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body."""

    method: str
    path: str  # both as they were sent
    query: str
    headers: Mapping[str, tuple[str, ...]]  # the names in small letters
    length: int  # of the body


class _Words(BaseHTTPRequestHandler):
    """Its parsing, without a connection."""

    def __init__(self, head: bytes) -> None:  # the stock one would answer at once
        line, end, rest = head.partition(b"\n")
        self.raw_requestline, self.rfile = line + end, io.BytesIO(rest)
        self.refused = 0
        if not self.parse_request():
            self.refused = self.refused or 400

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.refused = int(code)


def read_head(head: bytes) -> Head | int:
    """What it says; or the status that it is answered with, if it says nothing that is understood. ``head``: with the empty line at its end."""
    if len(head.split(b"\n", 1)[0]) > MOST_LINE:
        return 414
    if b"\r" in head.replace(b"\r\n", b"") or b"\0" in head:
        return 400
    words = _Words(head)
    if words.refused:
        return words.refused
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in words.headers.items():
        headers[name.lower()] = (*headers.get(name.lower(), ()), str(value))
    if len(words.headers) > MOST_HEADERS:
        return 431
    # As it was sent: the parser takes a slash from "//". Without a version it has no headers, either.
    target = _TARGET.fullmatch(words.requestline.split()[1])
    if target is None or not words.request_version.startswith("HTTP/1.") or words.headers.defects or words.headers.get_payload():
        return 400
    length = _length(words.command, headers)
    return length if isinstance(length, Wrong) else Head(words.command, target[1], target[2] or "", headers, length)


class Wrong(int):
    """A status in the place of a length."""


def _length(method: str, headers: Mapping[str, tuple[str, ...]]) -> int:
    if "transfer-encoding" in headers:
        return Wrong(501)
    said = headers.get("content-length", ())
    if not said:
        return Wrong(411) if method == "POST" else 0
    if len(said) > 1 or not re.fullmatch(r"[0-9]{1,12}", said[0].strip()):
        return Wrong(400)
    length = int(said[0])
    if length > MOST_BODY:
        return Wrong(413)
    return Wrong(400) if length and method != "POST" else length
