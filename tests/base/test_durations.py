from __future__ import annotations

import random
from typing import Any

import pytest

from litequeue import InvalidArgument, InvalidType
from litequeue.base import durations

pytestmark = pytest.mark.beside


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("500ms", 0.5), ("15m", 900), ("1h30m", 5400), ("2d", 172_800), ("1w", 604_800), ("90", 90),
     ("1w2d3h4m5s6ms7us", 788_645.006_007), (" 5m ", 300), ("0", 0), ("0s", 0), ("36h", 129_600)],
)  # fmt: skip
def test_a_text_is_microseconds(text: str, seconds: float) -> None:
    assert durations.parse(text) == round(seconds * 1_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "m",
        "1.5h",
        "-5s",
        "+5s",
        "5 m",
        "30m1h",
        "1h1h",
        "5x",
        "5M",
        "1_0s",
        "٣s",
        "1e3",
        "1h30",
        "9" * 99,
        "s5",
    ],
)
def test_what_is_no_length_is_quoted_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        durations.parse(text)
    assert f"{text!r:.60}" in str(caught.value) and "1h30m" in str(caught.value)


@pytest.mark.parametrize("value", [5, None, b"5s", 1.5])
def test_what_is_no_text_is_a_type_error(value: Any) -> None:
    with pytest.raises(InvalidType):
        durations.parse(value)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0s"), (90_000_000, "90s"), (60_000_000, "1m"), (3_600_000_000, "1h"), (86_400_000_000, "1d"),
     (604_800_000_000, "1w"), (3_900_000_000, "65m"), (500_000, "500ms"), (1_500, "1500us"), (3_601_000_000, "1h1s"),
     (86_460_000_000, "1d1m"), (1_209_600_000_000, "2w"), (129_600_000_000, "36h")],
)  # fmt: skip
def test_the_shortest_text(micros: int, text: str) -> None:
    assert durations.render(micros) == text


def test_what_is_rendered_parses_back() -> None:
    rng = random.Random(3)
    for _ in range(2000):
        micros = rng.randrange(10 ** rng.randint(1, 16)) * rng.choice((1, 1_000, 1_000_000, 60_000_000))
        assert durations.parse(durations.render(micros)) == micros
    with pytest.raises(InvalidArgument):
        durations.render(-1)
    with pytest.raises(InvalidType):
        durations.render(1.5)  # type: ignore[arg-type]


def test_words_follow_every() -> None:
    said = {"1h": "hour", "15m": "15 minutes", "90m": "1 hour and 30 minutes", "2w": "14 days", "1d": "day",
            "1d1h1s": "1 day, 1 hour and 1 second", "500ms": "500 milliseconds"}  # fmt: skip
    assert {text: durations.words(durations.parse(text)) for text in said} == said
