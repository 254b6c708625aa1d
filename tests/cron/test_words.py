"""Cron expressions in English."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from litequeue import InvalidArgument, cron
from litequeue.cron.fields import LAST

pytestmark = pytest.mark.beside

SAID = {
    "*/5 9-17 * * mon-fri": "every 5 minutes, from 09:00 to 17:59, Monday to Friday",
    "0 3 * * *": "at 03:00 every day",
    "0 9 1 * *": "at 09:00 on the 1st of every month",
    "0 23 * * 0": "at 23:00 every Sunday",
    "0 0 LW * *": "at 00:00 on the last working day of the month",
    "0 0 L,15 * *": "at 00:00 on the 15th and the last day of the month",
    "0 0 13 * 5": "at 00:00 on the 13th of the month, and on every Friday",
    "0 0 13 3 fri,mon": "at 00:00 on the 13th of March, and on every Monday and Friday in March",
    "0 0 1-7 * 5#3": "at 00:00 on the 1st to 7th of the month, and on the 3rd Friday of the month",
    "0 0 1-31 * 5": "at 00:00 every day",
    "0 0 13 * 0-6": "at 00:00 every day",
    "0 0 */2 * 1": "at 00:00 on every 2nd day from the 1st to the 31st of the month, when it is a Monday",
    "* * * * *": "every minute",
    "0 * * * *": "every hour",
    "1 * * * *": "at 1 minute past every hour",
    "15 * * * *": "at 15 minutes past every hour",
    "0 */2 * * *": "every 2 hours",
    "30 */2 * * *": "every 2 hours from 00:30 to 22:30",
    "0 9-17 * * *": "every hour from 09:00 to 17:00",
    "30 9,12 * * *": "at 09:30 and 12:30 every day",
    "*/7 * * * *": "at every 7th minute from 0 to 56 past every hour",
    "5/15 * * * *": "at 5, 20, 35 and 50 minutes past every hour",
    "*/5 * * * 0": "every 5 minutes, on every Sunday",
    "*/10 1-23/2 * * *": "every 10 minutes, in every 2nd hour from 01 to 23",
    "*/10 1,5 * 2 *": "every 10 minutes, from 01:00 to 01:59 and 05:00 to 05:59, in February",
    "0 0 * nov-feb fri-mon": "at 00:00, Friday to Monday in November to February",
    "0 0 * 1,7 *": "at 00:00 every day in January and July",
    "0 0 * * 5L": "at 00:00 on the last Friday of the month",
    "0 0 * may 5#1,5#2": "at 00:00 on the 1st Friday and the 2nd Friday of May",
    "0 0 * * 5#3,mon": "at 00:00 every Monday, and on the 3rd Friday of the month",
    "0 0 11,12,13,21,22,23 * *": "at 00:00 on the 11th to 13th and 21st to 23rd of every month",
    "0 0 1 1 ?": "at 00:00 on the 1st of January",
    "@daily": "at 00:00 every day",
    "@hourly": "every hour",
    "@reboot": "at every boot",
}
WITH_SECONDS = {
    "* * * * * *": "every second",
    "*/10 * * * * *": "every 10 seconds",
    "30 * * * * *": "at second 30 of every minute",
    "30 * * * * 1": "at second 30 of every minute, on every Monday",
    "*/10 * 9-17 * * *": "every 10 seconds, from 09:00 to 17:59",
    "*/10 30 2 * * *": "every 10 seconds, in minute 30 of each hour, from 02:00 to 02:59",
    "15,45 0-10 * * * *": "at seconds 15 and 45 of minutes 0 to 10 of every hour",
    "0 0 3 * * *": "at 03:00 every day",
    "30 0 3 * * mon": "at 03:00:30 every Monday",
}


@pytest.mark.parametrize("expr", SAID)
def test_plain_english(expr: str) -> None:
    assert cron.explain(expr) == SAID[expr]


@pytest.mark.parametrize("expr", WITH_SECONDS)
def test_plain_english_with_seconds(expr: str) -> None:
    assert cron.explain(expr, seconds=True) == WITH_SECONDS[expr]


def meaning(expr: str, seconds: bool) -> object:
    """What an expression fires at, apart from the rule for changes of the clock."""
    found = cron.parse(expr, seconds=seconds).table
    assert found is not None
    return found.seconds, found.minutes, found.hours, found.months, found.days


def random_field(rng: random.Random, low: int, high: int, extra: tuple[str, ...] = ()) -> str:
    def item() -> str:
        first, last = sorted((rng.randint(low, high), rng.randint(low, high)))
        step = rng.choice((1, 2, 3, 4, 5, 6, 7, 10, 15))
        forms = (f"{first}", f"{first}-{last}", f"*/{step}", f"{first}/{step}", f"{first}-{last}/{step}", *extra)
        return rng.choice(forms)

    return rng.choice(("*", "0" if low == 0 else "*", ",".join(item() for _ in range(rng.choice((1, 1, 2, 3))))))


@pytest.mark.slow
def test_expressions_that_fire_at_different_times_read_differently() -> None:
    """What has one meaning may be said in two ways, but no sentence may stand for two meanings."""
    lines = (Path(__file__).parent / "table" / "ticks.txt").read_text().splitlines()[1:]
    expressions = [(line, False) for line in lines if not line.startswith(" ")]
    rng = random.Random(5)
    for _ in range(500):
        texts = [random_field(rng, 0, 59), random_field(rng, 0, 59), random_field(rng, 0, 23),
                 random_field(rng, 1, 31, ("L", "LW")), random_field(rng, 1, 12),
                 random_field(rng, 0, 7, ("5L", "1#2", "friL", "sat-tue", "mon-sun"))]  # fmt: skip
        seconds = rng.random() < 0.5
        expressions.append((" ".join(texts if seconds else texts[1:]), seconds))
    meanings: dict[str, object] = {}
    for expr, seconds in expressions:
        try:
            means = meaning(expr, seconds)
        except InvalidArgument as error:
            assert "never fire" in str(error)
            continue
        said = cron.explain(expr, seconds=seconds)
        assert said.isprintable() and "  " not in said and not said.endswith((",", " "))
        assert meanings.setdefault(said, means) == means, (expr, said)


def test_what_weekdays_add_to_days_is_told_from_what_they_take_away() -> None:
    assert cron.explain("0 0 1 * 1") != cron.explain("0 0 */31 * 1")
    assert cron.parse("0 0 * * 5L").fields[5].specials == {(5, LAST)}
