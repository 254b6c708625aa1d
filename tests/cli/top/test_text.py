"""Text on a terminal: what may stand there, and how wide it is."""

from __future__ import annotations

import random
import unicodedata

import pytest

from litequeue.cli.top.text import (
    Piece,
    apart,
    cells,
    char_width,
    cut,
    fitted,
    line_width,
    padded,
    width,
    wrapped,
)

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07", "a\r\nb\tc\x00\x08\x7f\x9b31m", "\u202egnp.exe\u2066\u2069\u200f", "\ud800half\udc1b", "Z" + "\u0301" * 40, "\u0300\u0301lead", "漢字漢字漢字", "🎉👩‍👩‍👧‍👦❤️🇩🇪", "e\u0301",
    "ｆｕｌｌ", "한국어\u1112\u1161\u11ab", "\u200b\u2028\u2029\ufeff", "", "x" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_comes_through_that_drives_a_terminal_or_turns_a_line(text: str) -> None:
    shown = cells(text)
    assert shown.isprintable() and "\x1b" not in shown
    assert not {unicodedata.bidirectional(char) for char in shown} & {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in shown)
    assert cells(shown) == shown


def test_what_is_harmless_stays_as_it_is() -> None:
    for text in ("plain", "Müller & Söhne", "漢字", "שלום", "naïve — “x”"):
        assert cells(text) == text
    assert cells("e\u0301") == "é" and cells("a\nb\tc") == "a b c"


def test_no_tower_of_marks_climbs_out_of_its_line() -> None:
    assert width(cells("Z" + "\u0336" * 40)) == 1 and len(cells("Z" + "\u0336" * 40)) == 3
    assert cells("\u0336abc") == "abc", "and none sits on what stands before it"


@pytest.mark.parametrize(("text", "wide"), [("abc", 3), ("漢字", 4), ("é", 1), ("🎉", 2), ("ﾊﾝ", 2), ("ｆ", 2), ("a\u0336", 1), ("", 0)])
def test_width_is_in_columns(text: str, wide: int) -> None:
    assert width(cells(text)) == wide


@pytest.mark.parametrize(("text", "room", "shown"), [
    ("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("abcdef", 1, "…"), ("abcdef", 0, ""), ("漢字漢字", 8, "漢字漢字"), ("漢字漢字", 7, "漢字漢…"), ("漢字漢字", 6, "漢字…"), ("漢", 1, "…"), ("", 0, ""),
])  # fmt: skip
def test_it_is_cut_by_columns_with_a_sign_that_there_was_more(text: str, room: int, shown: str) -> None:
    assert cut(text, room) == shown


def test_a_line_is_as_wide_as_there_is_room_whatever_it_is_made_of() -> None:
    rng = random.Random(5)
    for _ in range(3000):
        line = [Piece(rng.choice(HOSTILE)[: rng.randrange(20)], rng.choice(("", "bad"))) for _ in range(rng.randrange(6))]
        room = rng.randrange(30)
        assert line_width(fitted(line, room)) <= room
        assert line_width(padded(line, room, right=rng.random() < 0.5)) == room
        assert line_width(apart(line[:2], line[2:], room)) in (room, line_width(line))
        for part in wrapped("".join(each.text for each in line), room, 3):
            assert width(part) <= max(room, 1)


def test_a_line_that_is_cut_says_so_even_between_two_pieces() -> None:
    assert fitted([Piece("abc"), Piece("def", "bad")], 4) == (Piece("abc"), Piece("…", "bad"))
    assert "".join(each.text for each in fitted([Piece("abc"), Piece("def")], 3)) == "ab…"
    assert fitted([Piece("abc"), Piece("")], 3) == (Piece("abc"), Piece(""))


def test_it_breaks_at_blanks() -> None:
    assert wrapped("one two three four", 9, 5) == ["one two", "three", "four"]
    assert wrapped("one two three four", 9, 2) == ["one two", "three fo…"]
    assert wrapped("onetwothree", 4, 5) == ["onet", "woth", "ree"] and wrapped("", 4, 5) == []
    assert wrapped("漢字漢字", 4, 5) == ["漢字", "漢字"] and wrapped("漢", 1, 5) == ["…"]


def test_a_width_is_known_of_every_character_that_there_is() -> None:
    assert {char_width(chr(number)) for number in range(0x20, 0x30000, 7)} == {0, 1, 2}
