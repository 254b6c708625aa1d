"""From pieces to lines."""

from __future__ import annotations

import logging
import random

from litequeue.cli.lines import (
    KNOWN,
    LEFT_OUT,
    LONGEST,
    MOST,
    PATIENCE,
    Line,
    Lines,
    bounded,
)
from litequeue.store.printed import Piece


def piece(text: str, number: int = 1, *, job: int = 1, stream: str = "stdout", attempt: int = 1, is_over: bool = False) -> Piece:
    return Piece(number, job, f"t{job}", attempt, number, stream, 5, text, is_over)


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_a_line_is_shown_once_it_is_whole_or_its_job_has_ended_or_it_has_waited_long_enough() -> None:
    lines = Lines()
    assert texts(lines.take([piece("one\ntw")], 0.0)) == ["one"]
    assert texts(lines.take([piece("o\nthree", 2)], 0.1)) == ["two"]
    assert lines.late(0.1 + PATIENCE / 2) == [] and texts(lines.late(0.1 + PATIENCE)) == ["three"]
    assert texts(lines.take([piece("four", 3, is_over=True)], 9.0)) == ["four"]
    assert lines.take([piece("five", 4)], 9.0) == [] and texts(lines.rest()) == ["five"] and lines.rest() == []


def test_a_line_of_a_job_that_has_ended_is_not_cut_where_a_read_was() -> None:
    lines = Lines()
    assert lines.take([piece("ha", is_over=True)], 0.0, is_all=False) == []
    assert texts(lines.take([piece("lf", 2, is_over=True), piece("x\n", job=2)], 0.0)) == ["half", "x"]


def test_jobs_attempts_and_streams_do_not_run_into_each_other() -> None:
    lines = Lines()
    found = lines.take([piece("a"), piece("b", job=2), piece("c", 2, stream="stderr"), piece("d", attempt=2), piece("A\n", 3), piece("B\n", 2, job=2)], 0.0)
    assert [(line.job, line.text) for line in found] == [(1, "aA"), (2, "bB")]
    assert sorted(texts(lines.rest())) == ["c", "d"]


def test_what_is_missing_is_said_once_and_not_at_the_beginning_of_what_is_seen() -> None:
    lines = Lines()
    assert texts(lines.take([piece("a\n", 7), piece("b\nhal", 8)], 0.0)) == ["a", "b"]
    assert texts(lines.take([piece("c\n", 10), piece("d\n", 11)], 0.0)) == ["hal", LEFT_OUT, "c", "d"]


def test_records_below_a_level_go_with_the_lines_that_belong_to_them_and_what_is_printed_stays() -> None:
    text = (
        "2026-01-01 10:00:00,000 INFO shop.mail: begins\n2026-01-01 10:00:00,001 ERROR shop: fails\nTraceback (most recent call last):\n"
        "2026-01-01 10:00:00,002 DEBUG shop: many\nlines\n2026-01-01 10:00:00,003 NOTICE shop: of its own\n"
    )
    lines = Lines(logging.WARNING)
    found = texts(lines.take([piece(text, stream="log"), piece("2026 printed INFO x: y\n", 2), piece("more\n", 3, stream="log")], 0.0))
    assert found == ["2026-01-01 10:00:00,001 ERROR shop: fails", "Traceback (most recent call last):", "2026-01-01 10:00:00,003 NOTICE shop: of its own",
                     "2026 printed INFO x: y", "more"]  # fmt: skip
    assert len(Lines().take([piece(text, stream="log")], 0.0)) == 6


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    lines = Lines()
    assert [len(text) for text in texts(lines.take([piece("x" * (LONGEST + 1))], 0.0))] == [LONGEST + 1]


def test_of_jobs_that_nothing_more_is_heard_of_only_the_last_are_remembered() -> None:
    lines = Lines(logging.WARNING)
    lines.take([piece("ha", job=1, stream="log"), piece("a\n", job=2)], 0.0)
    for job in range(3, 3 * KNOWN):
        lines.take([piece("2026-01-01 10:00:00,000 INFO shop: begins\n", job=job, stream="log")], 0.0)
    assert max(len(lines._numbers), len(lines._shows)) <= KNOWN
    assert texts(lines.take([piece("lf\n", 2, job=1, stream="log")], 0.0)) == ["half"]
    assert texts(lines.take([piece("of the record\n", 2, job=3 * KNOWN - 1, stream="log"), piece("b\n", 3, job=3 * KNOWN - 1)], 0.0)) == ["b"]
    assert texts(lines.take([piece("c\n", 5, job=3 * KNOWN - 1)], 0.0)) == [LEFT_OUT, "c"]


def test_however_a_text_is_cut_its_lines_are_the_same() -> None:
    for seed in range(200):
        dice = random.Random(seed)
        text = "".join(dice.choice("ab\n") for _ in range(60))
        cuts = sorted(dice.choices(range(61), k=dice.randrange(12)))
        lines, found = Lines(), list[Line]()
        for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, 60], strict=True), 1):
            found += lines.take([piece(text[start:end], number)], 0.0)
        assert "\n".join(texts(found + lines.rest())) == text.removesuffix("\n") or text.endswith("\n\n"), seed
        assert texts(found + lines.rest()) == text.split("\n")[: len(found)], seed


def test_of_a_chatty_job_the_first_and_last_lines_are_shown_beside_the_others() -> None:
    chatty = [Line(1, "t", 1, "stdout", 5, str(number)) for number in range(MOST + 500)]
    other = [Line(2, "t", 1, "stdout", 5, "x")] * 3
    shown = bounded([*chatty[:700], *other, *chatty[700:]], "db.sqlite")
    assert [line for line in shown if line.job == 2] == other
    mine = texts([line for line in shown if line.job == 1])
    assert len(mine) == MOST + 1 and mine[0] == "0" and mine[-1] == str(MOST + 499)
    assert mine[MOST // 2] == "[... 500 lines left out here: job db.sqlite 1 --log has what is kept ...]"
    assert bounded(chatty[:MOST], "db.sqlite") == chatty[:MOST]
