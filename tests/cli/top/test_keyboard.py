"""What a terminal sends, as keys."""

from __future__ import annotations

import random

import pytest

from litequeue.cli.top.keyboard import decode


@pytest.mark.parametrize(("data", "keys"), [
    (b"jk", ["j", "k"]), (b"\x1b[A\x1b[B\x1bOC\x1bOD", ["up", "down", "right", "left"]), (b"\x1b[5~\x1b[6~\x1b[H\x1b[F\x1b[1~\x1b[4~\x1bOH", ["pgup", "pgdn", "home", "end", "home", "end", "home"]),
    (b"\r\n\t\x1b[Z \x7f\x08", ["enter", "enter", "tab", "backtab", "space", "backspace", "backspace"]), (b"\x03\x04\x15\x17\x0c", ["ctrl-c", "ctrl-d", "ctrl-u", "ctrl-w", "ctrl-l"]),
    ("é漢🎉".encode(), ["é", "漢", "🎉"]), (b"\x1b[1;5A\x1b[1;2B", ["up", "down"]), (b"\x1b[200~x\x1b[201~", ["x"]), (b"\x1b[?62;4c\x1b[24;80Ry", ["y"]), (b"\x1b[I\x1b[O", []),
    (b"\x00\x01\x02", []), (b"\xff\xfej", ["j"]), (b"\xe2\x80\xaej", ["j"]),
])  # fmt: skip
def test_each_sequence_is_its_key_and_a_strange_one_is_none(data: bytes, keys: list[str]) -> None:
    assert decode(data) == (keys, b"")


def test_an_escape_by_itself_is_a_key_once_nothing_follows() -> None:
    assert decode(b"\x1b") == ([], b"\x1b") and decode(b"\x1b", is_all=True) == (["esc"], b"")
    assert decode(b"\x1b[") == ([], b"\x1b[") and decode(b"\x1b[", is_all=True).rest == b""
    assert decode(b"\x1bj") == (["esc", "j"], b"")


def test_however_it_is_cut_the_same_keys_come() -> None:
    rng = random.Random(4)
    parts = [b"\x1b[A", b"\x1bOB", b"j", b" ", "é".encode(), "🎉".encode(), b"\x1b[6~", b"\x1b[1;5C", b"\r"]
    for _ in range(500):
        data = b"".join(rng.choice(parts) for _ in range(rng.randrange(8)))
        whole, keys, rest = decode(data).keys, list[str](), b""
        for at in range(len(data)):
            found, rest = decode(rest + data[at : at + 1])
            keys += found
        assert (keys, rest) == (whole, b"")


def test_no_bytes_whatever_are_too_much() -> None:
    rng = random.Random(9)
    for _ in range(3000):
        data = bytes(rng.choice((0x1B, 0x5B, 0x4F, 0x7E, 0xC3, 0xF0, rng.randrange(256))) for _ in range(rng.randrange(12)))
        keys, rest = decode(data)
        assert data.endswith(rest) and decode(data, is_all=True).rest == b""
        assert all(len(key) == 1 and key.isprintable() or key.isascii() for key in keys)
