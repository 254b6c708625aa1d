"""What waits of a job's output until it is handed on: bounded, in order, and with a sign where something is missing."""

from __future__ import annotations

import random
import time

import pytest

from litequeue.tasks import kept, ticking
from litequeue.tasks.kept import Kept


class Taken(list[tuple[str, str, bool]]):
    """What was handed on, while it is taken."""

    room = True

    def take(self, stream: str, text: str, is_after_gap: bool) -> bool:
        if self.room:
            self.append((stream, text, is_after_gap))
        return self.room

    def text(self, stream: str = "stdout") -> str:
        return "".join(text for name, text, _ in self if name == stream)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    monkeypatch.setattr(ticking, "look_at", lambda watched: None)
    return Taken()


def test_writes_of_one_stream_go_together_and_the_order_of_streams_is_kept(taken: Taken) -> None:
    said = Kept(taken.take, None)
    for stream, text in [("stdout", "a"), ("stdout", "\n"), ("stderr", "b\n"), ("stdout", "c\n")]:
        said.write(stream, text)
    said.log(1_700_000_000.0625, "INFO", "shop", "packing")
    said.end()
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_700_000_000))
    assert taken == [("stdout", "a\n", False), ("stderr", "b\n", False), ("stdout", "c\n", False), ("log", f"{when},062 INFO shop: packing\n", False)]


def test_the_beginning_and_the_end_are_whole_and_what_is_missing_shows(taken: Taken) -> None:
    said = Kept(taken.take, None)
    lines = [f"line {number}\n" for number in range(50_000)]
    for line in lines:
        said.write("stdout", line)
    said.end()
    text, whole = taken.text(), "".join(lines)
    assert text[: kept.HEAD] == whole[: kept.HEAD] and text.endswith("".join(lines[-kept.MOST_WAITING :]))
    assert [gap for _, _, gap in taken].count(True) == 1 and len(text) < kept.HEAD + kept.MOST_WAITING * 12
    assert all(len(piece) < kept.PIECE + 20 for _, piece, _ in taken)


def test_nothing_is_lost_where_nobody_takes_it_for_a_while(taken: Taken) -> None:
    said = Kept(taken.take, None)
    rng, expected = random.Random(7), []
    for number in range(500):
        taken.room = rng.random() < 0.5
        stream, text = rng.choice(["stdout", "stderr"]), f"{number} "
        said.write(stream, text)
        expected.append((stream, text))
        if rng.random() < 0.2:
            said.hand_on()
    taken.room = True
    said.end()
    assert not any(gap for _, _, gap in taken)
    merged: list[tuple[str, str]] = []
    for stream, text in expected:
        merged.append((stream, text))
    assert "".join(f"<{stream}>{text}" for stream, text, _ in taken for text in text.split()) == "".join(
        f"<{stream}>{text.strip()}" for stream, text in merged
    )


def test_what_comes_after_the_end_is_not_the_jobs(taken: Taken) -> None:
    said = Kept(taken.take, None)
    said.end()
    said.write("stdout", "x" * 100_000)
    said.log(0.0, "INFO", "a", "b")
    said.hand_on()
    assert taken == []


def test_what_cannot_be_stored_and_what_is_secret_is_written_otherwise(taken: Taken) -> None:
    said = Kept(taken.take, lambda text: text.replace("pass", "***"))
    said.write("stdout", "a\0b \ud800 pass")
    said.end()
    assert taken.text() == "a\\x00b \\ud800 ***"


def test_of_one_long_write_both_ends_are_kept(taken: Taken) -> None:
    said = Kept(taken.take, None)
    said.write("stdout", "a" * 20_000 + "b" * 20_000)
    said.end()
    half = kept.LONGEST // 2
    assert taken.text() == "a" * half + f"\n[... {40_000 - kept.LONGEST:,} characters left out ...]\n" + "b" * half
