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


def test_the_beginning_and_the_end_of_each_stream_are_whole_and_what_is_missing_shows(taken: Taken) -> None:
    said = Kept(taken.take, None)
    said.log(0.0, "INFO", "a", "the first")
    lines = [f"line {number}\n" for number in range(50_000)]
    for line in lines:
        said.write("stdout", line)
        said.write("stdout", "")
    said.log(0.0, "ERROR", "a", "the only one")
    for line in lines:
        said.write("stderr", line)
    said.end()
    whole = "".join(lines)
    for stream in ("stdout", "stderr"):
        text = taken.text(stream)
        assert text[: kept.HEAD // 2] == whole[: kept.HEAD // 2] and text[-kept.TAIL // 2 :] == whole[-kept.TAIL // 2 :]
        assert kept.HEAD < len(text) < kept.HEAD + kept.TAIL + 100
        assert [gap for name, _, gap in taken if name == stream].count(True) == 1
    assert "the first" in taken.text("log") and "the only one" in taken.text("log")
    assert all(len(piece) < kept.PIECE + 20 for _, piece, _ in taken)


def test_after_many_looks_the_bound_is_still_the_bound(taken: Taken) -> None:
    said = Kept(taken.take, None)
    for _ in range(20):
        for number in range(20_000):
            said.write("stdout", f"{number}\n")
        said.hand_on()
        taken.clear()
    said.write("stdout", "x" * 1000)
    said.hand_on()
    assert taken.text() == "x" * 1000


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


def test_of_one_long_write_both_ends_are_kept_without_what_is_secret(taken: Taken) -> None:
    said = Kept(taken.take, lambda text: text.replace("secret", "***"))
    said.write("stdout", "a" * (kept.HEAD - 3) + "secret" + "b" * 3 * kept.HEAD)
    said.end()
    assert taken.text() == "a" * (kept.HEAD - 3) + f"***\n[... {2 * kept.HEAD:,} characters left out ...]\n" + "b" * kept.TAIL


def test_a_line_of_an_odd_time_is_kept_with_that(taken: Taken) -> None:
    said = Kept(taken.take, None)
    for at in ("2026-11-27T10:00:00", 1e300, float("nan")):
        said.log(at, "INFO", "a", "b")  # type: ignore[arg-type]
    said.end()
    assert taken.text("log") == "2026-11-27T10:00:00 INFO a: b\n1e+300 INFO a: b\nnan INFO a: b\n"


def test_what_is_said_is_handed_on_at_once_where_a_crash_would_lose_it_but_no_flood(taken: Taken) -> None:
    said = Kept(taken.take, None, is_prompt=True)
    said.write("stdout", "now\n")
    assert taken == [("stdout", "now\n", False)]
    for number in range(1000):
        said.write("stdout", f"{number}\n")
    assert len(taken) == kept.AT_ONCE
    said.hand_on()
    said.write("stdout", "again\n")
    assert taken[-1] == ("stdout", "again\n", False) and "".join(f"{number}\n" for number in range(1000)) in taken.text()


def test_a_word_in_the_middle_of_handing_on_waits_for_the_next_time(taken: Taken) -> None:
    def take(stream: str, text: str, gap: bool) -> bool:
        if text == "a\n":
            said.write("stdout", "b")  # of a signal's handler, or an object's end
        return taken.take(stream, text, gap)

    said = Kept(take, None, is_prompt=True)
    said.write("stdout", "a\n")
    said.end()
    assert taken.text() == "a\nb"
