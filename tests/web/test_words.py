from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from litequeue.store.pages.parts import Count
from litequeue.web import words

NOW = datetime(2026, 11, 25, 14, 28, 30, tzinfo=UTC)


def test_numbers() -> None:
    assert words.number(1204332) == "1,204,332"
    assert (words.count(Count(308)), words.count(Count(10_000, True))) == ("308", "10,000+")
    assert [words.short(n) for n in (0, 9_999, 12_345, 1_204_332, 1_000_000, 45_000_000, 3_100_000_000)] == ["0", "9,999", "12k", "1.2M", "1M", "45M", "3.1G"]
    assert [words.rate(n) for n in (0, 0.25, 4, 1204.4)] == ["0", "0.2", "4", "1,204"]
    assert [words.percent(n) for n in (0, 0.0004, 0.021, 0.5, 1)] == ["0 %", "under 0.1 %", "2.1 %", "50 %", "100 %"]
    assert [words.size(n) for n in (12, 4_096, 3_100_000, 214_000_000, 5_400_000_000)] == ["12 bytes", "4.1 KB", "3.1 MB", "214 MB", "5.4 GB"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0004, "0.4 ms"), (0.002, "2 ms"), (0.0099, "9.9 ms"), (0.048, "48 ms"), (0.61, "610 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (28, "28.0 s"),
     (99.94, "99.9 s"), (99.96, "1 min"), (754, "12 min"), (90_000, "25 h"), (900_000, "10 d")],
)  # fmt: skip
def test_what_was_measured(seconds: float, text: str) -> None:
    assert words.took(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (0.01, "0 s"), (0.2, "0.2 s"), (1.9, "1 s"), (89, "89 s"), (91, "1 min"), (5399, "89 min"), (5400, "1 h"), (129_599, "35 h"), (129_600, "1 d"), (1e8, "1,157 d")]
)
def test_ages_in_their_largest_unit(seconds: float, text: str) -> None:
    assert words.age(seconds) == text


def test_moments() -> None:
    def at(**span: float) -> datetime:
        return NOW + timedelta(**span)

    assert words.ago(at(minutes=-2), NOW) == "2 min ago"
    assert words.ago(at(minutes=3), NOW) == "in 3 min"
    assert words.ago(at(seconds=0.4), NOW) == "now"
    assert words.ago(at(days=-3), NOW) == "22 Nov"
    assert words.ago(at(days=-400), NOW) == "21 Oct 2025"
    assert words.clock(at(minutes=-26), NOW) == "14:02:30"
    assert words.clock(at(days=-1), NOW, seconds=False) == "24 Nov 14:28"
    assert words.whole(NOW) == "2026-11-25 14:28:30 +0000"


def test_round_lengths_on_an_axis() -> None:
    assert [words.bound(n) for n in (0.001, 0.3, 1, 30, 100, 300, 1000, 3600, 2, 0.06)] == ["1 ms", "300 ms", "1 s", "30 s", "100 s", "5 min", "1000 s", "1 h", "2 s", "60 ms"]


def test_in_sentences() -> None:
    assert [words.ordinal(n) for n in (1, 3, 10, 11, 12, 21, 22, 103, 111)] == ["first", "third", "tenth", "11th", "12th", "21st", "22nd", "103rd", "111th"]
    assert [words.spelled(n) for n in (0, 2, 9, 10)] == ["No", "Two", "Nine", "10"]
    assert [words.listed(list(w)) for w in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert [words.jobs(n) for n in (0, 1, 5002)] == ["0 jobs", "1 job", "5,002 jobs"]
