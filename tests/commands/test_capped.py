"""The bounded stream: nothing is lost that fits, both ends survive what does not, memory is bounded."""

from __future__ import annotations

import re

import pytest

from litequeue.commands.capped import CHUNK, HEAD, LAST, TAIL, Capped

pytestmark = pytest.mark.beside


def drain(stream: Capped, most: int = CHUNK) -> str:
    text = ""
    while stream.waiting:
        text += stream.take(most)
    return text + stream.finish()


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_what_fits_comes_through_whole(size: int) -> None:
    data = "".join(f"line {n} é €\n" for n in range(8000)).encode()[: HEAD + TAIL]
    stream = Capped()
    for start in range(0, len(data), size):
        stream.feed(data[start : start + size])
    assert drain(stream) == data.decode("utf-8", "backslashreplace")
    assert stream.total == len(data)


@pytest.mark.parametrize("size", [1, 9, 10, 11, 64, 1000])
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_both_ends_come_through_whole_whatever_is_taken_when(size: int, taken: int) -> None:
    data = bytes(ord("a") + n % 26 for n in range(997))
    stream = Capped(head=10, tail=20)
    text = ""
    for start in range(0, len(data), size):
        stream.feed(data[start : start + size])
        text += stream.take(taken) if taken else ""
    text += drain(stream, 7)
    assert text.startswith(data[:10].decode())
    assert text.endswith(data[-20:].decode())
    left_out = sum(int(n.replace(",", "")) for n in re.findall(r"\n\[([\d,]+) bytes left out\]\n", text))
    kept = re.sub(r"\n\[[\d,]+ bytes left out\]\n", "", text)
    assert len(kept) + left_out == len(data)


def test_what_waits_is_bounded() -> None:
    stream = Capped()
    for _ in range(1000):
        stream.feed(bytes(100_000))
        assert len(stream._first) + len(stream._rest) + len(stream._last) <= HEAD + TAIL + LAST
    assert stream.total == 100_000_000
    assert "99,868,928 bytes left out" in drain(stream)


def test_what_is_no_text_is_shown() -> None:
    stream = Capped()
    stream.feed(b"a\xffb\0c\xc3")
    assert drain(stream) == "a\\xffb\\x00c\\xc3"


def test_a_character_that_comes_in_pieces_is_one() -> None:
    stream = Capped()
    got = []
    for byte in "€".encode():
        stream.feed(bytes([byte]))
        got.append(stream.take())
    assert got == ["", "", "€"]


def test_the_last_lines() -> None:
    stream = Capped()
    assert stream.last_lines() == ""
    stream.feed(b"x" * 100_000 + b"\none\n\n  \ntwo\xff\nthree")
    assert stream.last_lines(2) == "two\N{REPLACEMENT CHARACTER}\nthree"
    assert drain(stream).endswith("three")
    assert stream.last_lines(1) == "three"
