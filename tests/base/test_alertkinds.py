"""What can be watched: its grammar, its words in English, and what is said of a mistake."""

from __future__ import annotations

import random

import pytest

from litequeue import InvalidArgument, InvalidType
from litequeue.base.alertkinds import EXAMPLES, described, meaning, parse, written

pytestmark = pytest.mark.beside

SAID = {
    "oldest queue=mail >5m": "mail's oldest job waits over 5 minutes",
    "oldest >1h": "the oldest job waits over 1 hour",
    "waiting queue=mail >1000": "over 1,000 jobs in mail wait",
    "waiting >1": "over 1 job waits",
    "discarded task=shop.pay >10 in 1h": "over 10 jobs of shop.pay were discarded within 1 hour",
    "discarded >0 in 1d": "a job was discarded within 1 day",
    "failed-ratio >20% in 15m min 50": "over 20% of the attempts failed within 15 minutes, of at least 50",
    "failed-ratio queue=mail >2.5% in 1h": "over 2.5% of the attempts in mail failed within 1 hour",
    "no-worker": "no worker serves the file",
    "worker-frozen": "a worker is frozen",
    "schedule nightly late": "schedule nightly is late",
    "schedule nightly missed": "schedule nightly has missed its last tick",
    "schedule nightly no-success 26h": "schedule nightly has not succeeded for 1 day and 2 hours",
    "disk <1G": "the disk has less than 1G left",
    "log >200M": "the log (-wal) is larger than 200M",
    "untold": "a failure could not be told to somebody who asked",
}


@pytest.mark.parametrize("text", SAID)
def test_each_kind_is_stored_as_it_is_written_and_said_in_english(text: str) -> None:
    condition = parse(text)
    assert (written(condition), described(condition)) == (text, SAID[text])
    assert parse(written(condition)) == condition


def test_each_kind_is_among_them_and_has_an_example_that_can_be_read() -> None:
    assert {text.split()[0] for text in SAID} == set(EXAMPLES)
    assert {kind: parse(text).kind for kind, text in EXAMPLES.items()} == {kind: kind for kind in EXAMPLES}


@pytest.mark.parametrize(("text", "stored"), [
    ("  oldest   queue=mail  > 5m ", "oldest queue=mail >5m"), ("oldest>300", "oldest >5m"), ("oldest queue=mail>5m", "oldest queue=mail >5m"),
    ("disk < 1024M", "disk <1G"), ("failed-ratio > 20.00% in 900s min 1", "failed-ratio >20% in 15m"), ("schedule nightly no-success 1d2h", "schedule nightly no-success 26h"),
])  # fmt: skip
def test_what_is_meant_alike_is_stored_alike(text: str, stored: str) -> None:
    assert written(parse(text)) == stored


WRONG = {
    "oldst >5m": "'oldst' is nothing that can be watched; did you mean oldest?; there are: oldest queue=mail >5m; ",
    "": "when must be one line of text, not ''",
    "oldest": "at its end > and a length of time are missing, as in: oldest queue=mail >5m",
    "oldest 5m": "'5m' stands where > and a length of time belong",
    "oldest <5m": "'<5m' stands where > and a length of time belong",
    "oldest >5x": "'5x' is no length of time: use whole numbers with the units w, d, h",
    "oldest >500d": "a length of time must be from 1s to 400d, not '500d'",
    "oldest task=x >5m": "'task'= cannot be said here; oldest takes queue=, as in: oldest queue=mail >5m",
    "oldest queue=a queue=b >5m": "queue= is there twice",
    "oldest queue=a/b >5m": "queue= 'a/b' is not allowed: use 1 to 200 letters",
    "waiting >1000000": "a number of jobs must be from 0 to 100000, not '1000000'",
    "waiting >many": "'many' is no whole number",
    "discarded >10": "say within which time, with in and a length of time, as in: discarded task=shop.pay >10 in 1h",
    "discarded task=a queue=b >10 in 1h": "discarded takes one of task= and queue=",
    "failed-ratio >20 in 1h": "'20' is no percentage such as 20% or 2.5%",
    "failed-ratio >100% in 1h": "a percentage must be from 0% to 99.99%, not '100%'",
    "failed-ratio >20% in 1h 50": "after the time there may be min and a number of attempts",
    "no-worker queue=mail": "'queue'= cannot be said here; no-worker takes no name",
    "no-worker at night": "'at night' is more than no-worker takes",
    "oldest >5m and no-worker": "'and no-worker' is more than oldest takes",
    "schedule": "name the schedule, and say late, missed, or no-success and a length of time",
    "schedule nightly": "say one of late, missed, no-success",
    "schedule nightly latte": "'latte' is not one of late, missed, no-success",
    "schedule nightly no-success": "'' is no length of time",
    "schedule nightly no-success 91d": "a length of time must be from 1s to 90d, not '91d'",
    "disk >1G": "'>1G' stands where < and a size belong, as in: disk <1G",
    "log >1X": "'1X' is no size",
    "untold\nno-worker": "when must be one line of text",
    "oldest queue=\ud800 >5m": "half a character",
    "x" * 501: "when must be at most 500 characters, not 501",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: repr(text)[:30])
def test_a_mistake_is_told_with_what_was_given_and_what_can_be(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(text)
    assert WRONG[text] in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidType, match="must be a string, not int"):
        parse(5)  # type: ignore[arg-type]


def test_what_somebody_has_planted_is_said_as_it_is() -> None:
    assert meaning("oldest queue=mail >5m") == "mail's oldest job waits over 5 minutes"
    assert meaning("sunspots >5") == "sunspots >5"


def test_whatever_is_typed_is_read_or_refused() -> None:
    rng = random.Random(7)
    pieces = [*" ".join(EXAMPLES.values()).split(), "queue=", "=", ">", "<", "%", "in", "min", "1" * 30, "-1", "5m", "é", "NaN", "inf%", "9" * 5000]
    read = 0
    for _ in range(20_000):
        text = " ".join(rng.choices(pieces, k=rng.randrange(1, 6)))
        try:
            condition = parse(text)
        except InvalidArgument:
            continue
        read += 1
        assert written(parse(written(condition))) == written(condition) and described(condition)
    assert read > 200
