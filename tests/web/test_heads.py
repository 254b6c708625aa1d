"""The head of a request, from bytes to words."""

from __future__ import annotations

import random
import time

import pytest

from litequeue.web.heads import (
    MOST_BODY,
    MOST_HEAD,
    MOST_HEADERS,
    MOST_LINE,
    Head,
    read_head,
)

pytestmark = pytest.mark.beside


def head(*lines: str, first: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def test_a_head_is_its_words() -> None:
    assert read_head(head("Host: a:1", "X-A:  b ", "x-a: c", first="GET /a%20b?c=d&e?f HTTP/1.0")) == Head(
        "GET", "/a%20b", "c=d&e?f", {"host": ("a:1",), "x-a": ("b", "c")}, 0
    )
    assert read_head(head("Content-Length: 12", first="POST / HTTP/1.1")) == Head("POST", "/", "", {"content-length": ("12",)}, 12)
    assert read_head(b"GET / HTTP/1.0\n\n") == Head("GET", "/", "", {}, 0)


@pytest.mark.parametrize(
    "first",
    [
        "", "GET", "GET /", "GET  HTTP/1.1", "GET / HTTP/0.9", "GET / HTTP/1", "GET / http/1.1", "GET / HTTP/1.1 x", "GET / x HTTP/1.1", "GET http://127.0.0.1/ HTTP/1.1", "GET * HTTP/1.1", "GET jobs HTTP/1.1",
        "GET /\xe4 HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /\x7f HTTP/1.1", "CONNECT evil.example:443 HTTP/1.1", "GET / HTTP/1.1\x00", " GET / HTTP/1.1", "GET /  HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\xa0HTTP/1.1", "G\xc4T / HTTP/1.1",
    ],
)  # fmt: skip
def test_a_first_line_that_is_none_is_refused(first: str) -> None:
    assert read_head(head("Host: a", first=first)) == 400


def test_another_version_of_the_protocol_is_not_understood() -> None:
    assert read_head(head(first="GET / HTTP/2.0")) == 505


@pytest.mark.parametrize(
    "line", ["no header", ": no name", "Host : a", "Ho st: a", "A: b\rHost: evil", "A: b\0", "\rA: b", "A: b\n\tc\rd", "A: b\r\n c: d", " A: b", "A\x00: b", "A: \x7f", "Content-Length: 1", "Content-Length: -1", "Content-Length: 0x1", "Content-Length: "]
)
def test_a_line_that_two_programs_may_read_differently_is_refused(line: str) -> None:
    assert read_head(head("Host: a", line, "B: c")) == 400


def test_the_slashes_of_an_address_stay_as_they_were_sent() -> None:
    found = read_head(head(first="GET //evil.example/.. HTTP/1.1"))
    assert isinstance(found, Head) and found.path == "//evil.example/.."


def test_lengths_have_bounds() -> None:
    assert read_head(head(first=f"GET /{'a' * MOST_LINE} HTTP/1.1")) == 414
    assert read_head(head(*(f"A{number}: b" for number in range(MOST_HEADERS + 1)))) == 431
    assert isinstance(read_head(head(*(f"A{number}: b" for number in range(MOST_HEADERS)))), Head)
    assert read_head(head(*(f"A{number}: b" for number in range(200)))) == 431


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 411), (("Content-Length: 1", "Content-Length: 1"), 400), (("Content-Length: 1, 1",), 400), (("Content-Length: +1",), 400), (("Content-Length: 1_0",), 400),
        (("Content-Length: \xb2",), 400), ((f"Content-Length: {MOST_BODY + 1}",), 413), (("Content-Length: 99999999999",), 413), (("Content-Length: 9999999999999",), 400),
        (("Transfer-Encoding: chunked",), 501), (("Transfer-Encoding: identity", "Content-Length: 1"), 501), (("Transfer-Encoding: \x0bchunked",), 400), (("Transfer-Encoding:",), 501),
    ],
)  # fmt: skip
def test_a_body_says_once_how_long_it_is_and_comes_in_one_piece(lines: tuple[str, ...], status: int) -> None:
    assert read_head(head(*lines, first="POST / HTTP/1.1")) == status


def test_whatever_comes_is_words_or_refused() -> None:
    """Of 3,000 heads with bytes exchanged, doubled and left out none does more."""
    draw = random.Random(8010)
    good = head("Host: 127.0.0.1:8010", "Content-Length: 3", "Cookie: a=b; c=d", "Content-Type: a/b; c=d", "X: =?utf-8?q?=ff?=", first="POST /a/b?c=d HTTP/1.1")
    taken = 0
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(data) - 4)
            data[at : at + draw.randint(0, 3)] = draw.choice([b"", b"\r", b"\n", b"\r\n", b":", b" ", b"\t", b"\0", b"\xff", b"/", b"%", bytes([draw.randrange(256)]), bytes(data[at : at + 30])])
        found = read_head(bytes(data))
        if isinstance(found, Head):
            taken += 1
            assert found.path.startswith("/") and f"{found.path}{found.query}".isascii() and f"{found.path}{found.query}".isprintable() and found.length <= MOST_BODY
            assert all(name.isascii() and "\n" not in f"{name}{values}" for name, values in found.headers.items())
        else:
            assert 400 <= found < 600
    assert 300 < taken < 2700


def test_no_head_takes_long_to_be_refused() -> None:
    long = MOST_HEAD - 100
    began = time.monotonic()
    for text in ("?" * MOST_LINE, "/?" * (MOST_LINE // 2), "/" + "?" * (MOST_LINE - 100) + "\x01", "a" * MOST_LINE):
        assert read_head(head(first=f"GET {text} HTTP/1.1")) in (400, 414)
        assert read_head(head(first=f"GET /{text[:8000]} HTTP/1.1\x01")) == 400
    for text in (" " * long, "\t " * (long // 2), ": " * (long // 2), "a" * long):
        assert read_head(head(f"A: {text}\x01")) == read_head(head(f"{text}\x01: a")) == 400
        assert isinstance(read_head(head(f"A:{text}")), Head)
    assert time.monotonic() - began < 2
