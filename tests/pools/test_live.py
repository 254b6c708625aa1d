"""The pipe on which a running call speaks: whatever its room, a record is read whole or not at all."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from litequeue.pools import live


@pytest.fixture
def ends() -> Iterator[tuple[live.Reader, live.Writer]]:
    reader, writer = live.open_pipe()
    yield live.Reader(reader), live.Writer(writer)
    os.close(reader)
    os.close(writer)


def test_what_is_sent_is_read_in_its_order(ends: tuple[live.Reader, live.Writer]) -> None:
    reader, writer = ends
    assert writer.send(3, b"a") and writer.send(1 << 15, b"")
    assert reader.read() == [(3, b"a"), (1 << 15, b"")] and reader.read() == []


def test_records_of_any_size_come_through_whole_however_the_pipe_fills(ends: tuple[live.Reader, live.Writer]) -> None:
    reader, writer = ends
    rng = random.Random(3)
    sent, read, refused, parts = [], [], 0, 0
    for number in range(400):
        body = rng.randbytes(rng.randrange(60_000))
        if writer.send(number, body):
            sent.append((number, body))
            parts += bool(writer._rest)
        else:
            refused += 1
        if rng.random() < 0.03:
            read += reader.read()
    while writer._rest:
        read += reader.read()
        writer._push()
    assert read + reader.read() == sent and refused and parts


def test_what_a_call_leaves_of_a_record_is_said_again_and_the_reader_starts_anew(ends: tuple[live.Reader, live.Writer]) -> None:
    reader, writer = ends
    assert writer.leave() == b""
    body = os.urandom(2 * live.ROOM)
    assert writer.send(5, body)
    left = writer.leave()
    assert live.split(left) == ([(5, body)], len(left)), "all of it: the reader throws away what it has of it"
    assert reader.read() == []
    reader.start_anew()
    assert writer.send(6, b"next") and reader.read() == [(6, b"next")]


def test_a_record_that_a_kill_cut_off_is_none() -> None:
    whole = live.HEAD.pack(1, 3) + b"abc"
    assert live.split(whole + whole[:-1]) == ([(1, b"abc")], len(whole))
    assert live.split(whole[:2]) == ([], 0)
