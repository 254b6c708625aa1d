"""Triggers: their ticks, their stored texts, their words, and zones by name."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from litequeue import InvalidArgument, InvalidType, triggers
from litequeue.base import checks
from litequeue.cron import zones
from litequeue.triggers import (
    At,
    Cron,
    Every,
    describe,
    from_spec,
    last_ticks,
    next_tick,
    spec_of,
)

from ..support import environment

pytestmark = pytest.mark.beside

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STAMP = checks.moment(NOON, "noon")
SECOND = 1_000_000
DAY = 86_400 * SECOND


class Hourly:
    """A user's own trigger."""

    def __init__(self, step: timedelta = timedelta(hours=1)) -> None:
        self.step = step

    def next_after(self, moment: datetime) -> datetime | None:
        return moment + self.step

    def __repr__(self) -> str:
        return f"Hourly({self.step})"


class Answers:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def next_after(self, moment: datetime) -> Any:
        return self.answer


# -- Cron -----------------------------------------------------------------------------------------


def test_a_cron_trigger_ticks_in_its_zone() -> None:
    daily = Cron("0 3 * * *", "Europe/Berlin")
    assert daily.next_after(NOON) == datetime(2026, 11, 23, 2, tzinfo=UTC)
    assert next_tick(daily, STAMP) == STAMP + 14 * 3600 * SECOND
    assert (daily.expr, daily.timezone, daily.seconds) == ("0 3 * * *", "Europe/Berlin", False)
    assert Cron("* * * * * *", "UTC", seconds=True).next_after(NOON) == NOON + timedelta(seconds=1)
    with pytest.raises(InvalidArgument, match="time zone"):
        daily.next_after(datetime(2026, 1, 1))


def test_triggers_are_values() -> None:
    made = [Cron("0 3  * * *", "Europe/Berlin"), Cron("0 3 * * *", ZoneInfo("Europe/Berlin")), Every("90m"),
            Every(timedelta(hours=1, minutes=30)), At(NOON), At(NOON.astimezone(ZoneInfo("Asia/Tokyo")))]  # fmt: skip
    assert [made[n] == made[n + 1] and hash(made[n]) == hash(made[n + 1]) for n in (0, 2, 4)] == [True] * 3
    assert len(set(made)) == 3 and Cron("0 3 * * *", "UTC") != Cron("0 3 * * *", "Etc/UTC")
    assert repr(made[0]) == "Cron('0 3 * * *', 'Europe/Berlin')"
    assert repr(Every("90m", anchor="epoch")) == "Every('90m', anchor='epoch')"
    names = {"Cron": Cron, "Every": Every, "At": At, "datetime": sys.modules["datetime"]}
    for trigger in (*made, Cron("@reboot"), Cron("* * * * * *", "UTC", seconds=True),
                    Every(1, after="finish", run_immediately=True),
                    Every("1d", anchor=NOON), Every("1d").anchored(NOON)):  # fmt: skip
        assert pickle.loads(pickle.dumps(trigger)) == trigger
        assert eval(repr(trigger), names) == trigger
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(trigger, dataclasses.fields(trigger)[0].name, 1)


def test_reboot_has_no_tick_in_time() -> None:
    boot = Cron("@Reboot")
    assert boot.is_reboot and boot.next_after(NOON) is None and next_tick(boot, STAMP) is None
    assert boot == Cron("@reboot", "Europe/Berlin") and not Cron("@daily", "UTC").is_reboot
    with pytest.raises(InvalidArgument, match=r"use Every\('90s'\)"):
        Cron("@every 90s")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Europe/Berln", "Europe/Berlin"), ("berlin", "Europe/Berlin"), ("New York", "America/New_York"), ("Europe", ""),
     ("/etc/passwd", ""), ("../../etc/passwd", ""), ("", ""), ("x" * 300, ""), ("a\0b", ""), ("\ud800", ""),
     ("CEST", "")],
)  # fmt: skip
def test_an_unknown_zone_is_refused_with_names_like_it(name: str, hint: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Cron("* * * * *", name)
    assert f"{name!r:.50}" in str(caught.value) and hint in str(caught.value)


def test_what_is_no_zone_is_a_type_error() -> None:
    for value in (5, timezone(timedelta(hours=1)), b"UTC"):
        with pytest.raises(InvalidType, match="IANA"):
            Cron("* * * * *", value)  # type: ignore[arg-type]
    assert Cron("* * * * *", UTC).timezone == "UTC"
    with (
        open(os.path.join("/usr/share/zoneinfo", "Europe", "Berlin"), "rb") as file,
        pytest.raises(InvalidArgument, match="file"),
    ):
        Cron("* * * * *", ZoneInfo.from_file(file))


def test_the_hosts_own_zone_is_stored_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link, text = tmp_path / "localtime", tmp_path / "timezone"
    monkeypatch.setattr(zones, "LOCALTIME", str(link))
    monkeypatch.setattr(zones, "TIMEZONE_FILE", str(text))
    monkeypatch.delenv("TZ", raising=False)
    assert Cron("0 3 * * *").timezone == "UTC"
    text.write_text("Asia/Tokyo\n")
    assert Cron("0 3 * * *").timezone == "Asia/Tokyo"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    assert Cron("0 3 * * *").timezone == "Europe/Berlin"
    for value, name in (("America/New_York", "America/New_York"), (":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
                        ("", "UTC"), (str(link), "Europe/Berlin"), (f":{link}", "Europe/Berlin"), ("UTC", "UTC")):  # fmt: skip
        monkeypatch.setenv("TZ", value)
        assert Cron("0 3 * * *").timezone == name
    link.unlink()
    link.symlink_to("/var/db/timezone/zoneinfo/Etc/UTC")
    monkeypatch.delenv("TZ")
    assert Cron("0 3 * * *").timezone == "UTC"


@pytest.mark.parametrize(
    ("variable", "hint"), [("Europe/Berln", "did you mean Europe/Berlin"), ("CET-1CEST,M3.5.0,M10.5.0/3", "use an IANA name"), ("/no/zone", "use")]
)
def test_a_variable_that_names_no_zone_is_no_zone_to_guess(monkeypatch: pytest.MonkeyPatch, variable: str, hint: str) -> None:
    """The host's zone was taken, in which ``date`` showed another time."""
    monkeypatch.setenv("TZ", variable)
    with pytest.raises(InvalidArgument, match=rf"say timezone= \(--timezone\), or correct the variable TZ.*'{variable}' is not known; {hint}"):
        Cron("0 3 * * *")
    assert Cron("0 3 * * *", "Asia/Tokyo").timezone == "Asia/Tokyo"
    assert Cron("@reboot").is_reboot
    assert zones.host_beside("Asia/Tokyo") is None


@pytest.mark.slow
def test_a_machine_without_zone_data_is_told_what_to_install() -> None:
    code = (
        "import sys, zoneinfo; sys.modules['tzdata'] = None; zoneinfo.reset_tzpath(to=())\n"
        "from litequeue.triggers import Cron\n"
        "print(Cron('0 3 * * *', 'UTC'))\n"
        "Cron('0 3 * * *', 'Europe/Berlin')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "Cron('0 3 * * *', 'UTC')\n"
    last = done.stderr.splitlines()[-1]
    assert (
        "InvalidArgument" in last
        and "'Europe/Berlin'" in last
        and "pip install tzdata" in last
        and "PYTHONTZPATH" in last
    )


def test_the_package_does_not_load_them_before_they_are_used() -> None:
    ours = "('litequeue.cron', 'litequeue.trig', 'litequeue.base.durations', 'zoneinfo')"
    code = f"import sys, litequeue; print([name for name in sys.modules if name.startswith({ours})])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "[]\n"


# -- Every ----------------------------------------------------------------------------------------


def test_an_interval_counts_from_its_anchor() -> None:
    assert next_tick(Every("15m"), STAMP + 7) == STAMP + 7 + 900 * SECOND  # not anchored yet
    anchored = Every("15m").anchored(NOON)
    assert [next_tick(anchored, STAMP + n) for n in (-1, 0, 900 * SECOND - 1, 900 * SECOND)] == [
        STAMP + 900 * SECOND, STAMP + 900 * SECOND, STAMP + 900 * SECOND, STAMP + 1800 * SECOND]  # fmt: skip
    assert next_tick(Every("15m", run_immediately=True).anchored(NOON), STAMP - 1) == STAMP
    assert next_tick(Every("7h", anchor="epoch"), -1) == 0
    assert next_tick(Every("7h", anchor="epoch"), STAMP) == (STAMP // (7 * 3600 * SECOND) + 1) * 7 * 3600 * SECOND
    fixed = Every("1d", anchor=NOON)
    assert [next_tick(fixed, STAMP + n) for n in (-9 * DAY, -1, 0)] == [STAMP, STAMP, STAMP + DAY]
    assert fixed.anchored(NOON + timedelta(days=3)) == fixed
    assert Every("15m").next_after(NOON) == NOON + timedelta(minutes=15)


def test_a_fixed_delay_counts_from_the_end_of_the_previous_job() -> None:
    delay = Every("10s", after="finish").anchored(NOON)
    assert [next_tick(delay, STAMP + n) for n in (0, 3, 10**9)] == [STAMP + n + 10 * SECOND for n in (0, 3, 10**9)]
    assert next_tick(Every("10s", after="finish", run_immediately=True).anchored(NOON), STAMP - 5) == STAMP


@pytest.mark.slow
def test_a_million_ticks_do_not_drift() -> None:
    for period in (0.1, "333ms", timedelta(microseconds=1001), "1h"):
        every = Every(period).anchored(NOON)
        tick = STAMP
        for _ in range(1_000_000 if period == 0.1 else 1000):
            tick = every.micros_after(tick)
        assert tick == STAMP + (1_000_000 if period == 0.1 else 1000) * every.micros
        far = STAMP + 1_000_000 * every.micros
        assert every.micros_after(far - 1) == far


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"period": "soon"}, "'soon'"), ({"period": 0}, "period"), ({"period": "999us"}, "1ms"),
        ({"period": "40000d"}, "100 years"),
        ({"period": float("nan")}, "finite"), ({"period": -5}, "period"), ({"period": "1h", "anchor": "now"}, "anchor"),
        ({"period": "1h", "anchor": datetime(2026, 1, 1)}, "time zone"), ({"period": "1h", "after": "end"}, "after"),
        ({"period": "1h", "after": "finish", "anchor": "epoch"}, "anchor"), ({"period": None}, "period"),
        ({"period": "1h", "run_immediately": 1}, "run_immediately"), ({"period": True}, "period"),
        ({"period": "1h", "anchor": "epoch", "run_immediately": True}, "run_immediately"),
        ({"period": "1h", "anchor": []}, "anchor"),
    ],
)  # fmt: skip
def test_a_wrong_interval_is_refused_when_it_is_written(options: dict[str, Any], said: str) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=said):
        Every(**options)


# -- any trigger ----------------------------------------------------------------------------------


def test_one_moment_is_one_tick() -> None:
    once = At(NOON)
    assert [next_tick(once, STAMP + n) for n in (-1, 0, 1)] == [STAMP, None, None]
    with pytest.raises(InvalidArgument, match="time zone"):
        At(datetime(2026, 1, 1))
    with pytest.raises(InvalidType):
        At("tomorrow")  # type: ignore[arg-type]


def test_what_can_tell_its_next_tick_is_a_trigger() -> None:
    for trigger in (Cron("* * * * *", "UTC"), Every(1), At(NOON), Hourly()):
        assert triggers.check(trigger) is trigger

    class Two:
        def next_after(self, moment: datetime, more: int) -> None: ...

    for wrong, hint in (
        (Two(), "next_after"),
        (Every, "class"),
        ("0 3 * * *", "Cron"),
        (90, "Every"),
        (NOON, "At"),
        (None, "NoneType"),
    ):
        with pytest.raises(InvalidType, match=hint):
            triggers.check(wrong)


@pytest.mark.parametrize(
    "answer", [5, "soon", datetime(2030, 1, 1), NOON, NOON - timedelta(1), datetime.max.replace(tzinfo=UTC)]
)
def test_what_a_users_trigger_answers_is_checked(answer: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"test_triggers\.Answers\.next_after"):
        next_tick(Answers(answer), STAMP)
    assert next_tick(Answers(None), STAMP) is None
    assert next_tick(Answers(NOON), STAMP - 1) == STAMP


ROUND = [
    (Cron("0 3 * * *", "Europe/Berlin"), '{"cron": "0 3 * * *", "timezone": "Europe/Berlin"}'),
    (Cron("@daily", "UTC"), '{"cron": "@daily", "timezone": "UTC"}'),
    (Cron("0 0 3 * * *", "UTC", seconds=True), '{"cron": "0 0 3 * * *", "timezone": "UTC", "seconds": true}'),
    (Cron("@reboot", "UTC"), '{"cron": "@reboot"}'),
    (Every(5400), '{"every": "90m"}'),
    (Every("1d", anchor="epoch"), '{"every": "1d", "anchor": "epoch"}'),
    (Every("1d", anchor=NOON.astimezone(ZoneInfo("Asia/Tokyo"))), '{"every": "1d", "anchor": "2026-11-22T12:00:00Z"}'),
    (Every(1, after="finish", run_immediately=True), '{"every": "1s", "after": "finish", "run_immediately": true}'),
    (Every(1.0005).anchored(NOON + timedelta(microseconds=1)),
     '{"every": "1s500us", "started": "2026-11-22T12:00:00.000001Z"}'),
    (At(NOON), '{"at": "2026-11-22T12:00:00Z"}'),
]  # fmt: skip


@pytest.mark.parametrize(("trigger", "text"), ROUND, ids=[text for _, text in ROUND])
def test_a_trigger_is_stored_as_text_that_never_changes(trigger: Any, text: str) -> None:
    assert spec_of(trigger) == text
    assert from_spec(text) == trigger and spec_of(from_spec(text)) == text


def test_a_users_trigger_is_named_but_not_made_from_text() -> None:
    assert json.loads(spec_of(Hourly())) == {"object": "tests.triggers.test_triggers.Hourly", "repr": "Hourly(1:00:00)"}
    assert json.loads(spec_of(Answers(1))) == {"object": "tests.triggers.test_triggers.Answers"}

    class Nested(Hourly):
        def __repr__(self) -> str:
            return f"Nested({object()})"

    class Broken(Hourly):
        def __repr__(self) -> str:
            raise RuntimeError

    class Shifted(Every):
        pass

    for trigger in (Nested(), Broken()):
        assert list(json.loads(spec_of(trigger))) == ["object"]
    assert json.loads(spec_of(Shifted("1h")))["object"].endswith("Shifted")
    with pytest.raises(InvalidArgument, match="only a worker with that code"):
        from_spec(spec_of(Hourly()))


@pytest.mark.parametrize(
    "text",
    ["", "x", "{}", "[]", "null", "5", '"cron"', "[" * 5000, '{"a": ' * 600, '{"cron": 5, "timezone": "UTC"}',
     '{"cron": "0 3 * * *"}',
     '{"cron": "x", "timezone": "UTC"}', '{"cron": "* * * * *", "timezone": "Mars"}',
     '{"cron": "* * * * *", "timezone": null}',
     '{"cron": "* * * * *", "timezone": "UTC", "seconds": 1}', '{"every": 5}', '{"every": "5"  , "anchor": "x"}',
     '{"every": "x"}',
     '{"every": "5s", "anchor": "2026-01-01"}', '{"every": "5s", "more": 1}', '{"every": "5s", "started": 5}',
     '{"at": "x"}', '{"at": 5}',
     '{"at": "2026-01-01T00:00:00"}', '{"at": "9999-01-01T00:00:00Z"}',
     '{"at": "2026-01-01T00:00:00Z", "cron": "* * * * *"}',
     '{"every": "1h", "anchor": "epoch", "started": "2026-01-01T00:00:00Z"}', '{"object": 5}',
     '{"every": "1h", "after": []}', "1" * 4000, '{"every": NaN}', None, 5, b"{}"],
)  # fmt: skip
def test_nonsense_is_refused_with_one_kind_of_error(text: Any) -> None:
    with pytest.raises(InvalidArgument):
        from_spec(text)


@pytest.mark.slow
def test_random_damage_to_a_text_raises_nothing_else() -> None:
    rng = random.Random(9)
    for _ in range(1500):
        text = list(rng.choice(ROUND)[1])
        for _ in range(rng.randint(1, 4)):
            text[rng.randrange(len(text))] = rng.choice('{}[]":, 0159aZ-/*\\\0\ud800é')
        try:
            from_spec("".join(text))
        except InvalidArgument:
            pass


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (Cron("0 3 * * *", "Europe/Berlin"), "at 03:00 every day (Europe/Berlin)"),
        (Cron("@reboot", "UTC"), "at every boot"),
        (Cron("*/10 * * * * *", "UTC", seconds=True), "every 10 seconds (UTC)"), (Every("15m"), "every 15 minutes"),
        (Every(3600), "every hour"),
        (Every("1d", after="finish"), "every day, counted from the end of the previous run"),
        (Every("1h", anchor="epoch"), "every hour, in step with the clock in UTC"),
        (Every("1h", anchor=NOON), "every hour from 2026-11-22 12:00:00 UTC on"),
        (At(NOON), "once at 2026-11-22 12:00:00 UTC"), (Hourly(), "by Hourly(1:00:00)"),
        (Answers(1), "by tests.triggers.test_triggers.Answers"),
    ],
    ids=str,
)  # fmt: skip
def test_words_for_lists(trigger: Any, words: str) -> None:
    assert describe(trigger) == words


# -- missed ticks ---------------------------------------------------------------------------------


def walked(trigger: Any, first: int, until: int) -> list[int]:
    found = [first]
    while (tick := next_tick(trigger, found[-1])) is not None and tick <= until:
        found.append(tick)
    return found


@pytest.mark.parametrize(
    "trigger",
    [pytest.param(Cron("*/7 * * * *", "Europe/Berlin"), marks=pytest.mark.slow), Cron("30 2 * * *", "Europe/Berlin"), Cron("0 0 1 1 *", "UTC"),
     Every("13m").anchored(NOON),
     Cron("0 9 * * mon", "America/New_York"), Hourly(timedelta(minutes=30)), Every("5h", anchor="epoch")],
    ids=str,
)  # fmt: skip
def test_the_latest_missed_ticks_are_those_of_a_walk(trigger: Any) -> None:
    rng = random.Random(2)
    first = next_tick(trigger, STAMP)
    assert first is not None
    for _ in range(25):
        until = first + rng.choice((0, 1, rng.randrange(3600 * SECOND), rng.randrange(20 * DAY)))
        if isinstance(trigger, Hourly):  # its ticks hang on where it is asked from: ask from its own
            until = first + (until - first) // (1800 * SECOND) * 1800 * SECOND
        most = rng.choice((1, 2, 3, 10, 1000))
        every = walked(trigger, first, until)
        found, more = last_ticks(trigger, first, until, most)
        if isinstance(trigger, Hourly):
            assert len(found) == min(most, len(every)) and more == (len(every) > most)
        else:
            assert (found, more) == (every[-most:], len(every) > most), (until, most)


def test_an_empty_range_and_single_ticks() -> None:
    assert last_ticks(Every("1h"), STAMP, STAMP - 1, 5) == ([], False)
    assert last_ticks(At(NOON), STAMP, STAMP + DAY, 5) == ([STAMP], False)
    assert last_ticks(Every("1h", after="finish"), STAMP, STAMP + DAY, 5) == ([STAMP], False)
    assert last_ticks(Answers(None), STAMP, STAMP + DAY, 5) == ([STAMP], False)
    with pytest.raises(InvalidArgument, match="most"):
        last_ticks(Every("1h"), STAMP, STAMP, 0)


def test_millions_of_missed_ticks_cost_no_walk() -> None:
    began = time.perf_counter()
    found, more = last_ticks(Cron("* * * * * *", "Europe/Berlin", seconds=True), STAMP, STAMP + 3650 * DAY, 3)
    assert more and found == [STAMP + 3650 * DAY - n * SECOND for n in (2, 1, 0)]
    assert last_ticks(Every("1ms"), STAMP, STAMP + 3650 * DAY, 2)[1]
    found, more = last_ticks(Cron("0 0 1 1 *", "UTC"), STAMP, STAMP + 36_500 * DAY, 1)
    assert more and len(found) == 1
    assert last_ticks(Hourly(timedelta(milliseconds=1)), STAMP, STAMP + 3650 * DAY, 100)[1]
    assert time.perf_counter() - began < 2
