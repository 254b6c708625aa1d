"""Writes ticks.txt: next ticks as cronsim computes them, an implementation that shares nothing with ours.

Run by hand, in an environment of its own, when the table is to change; no test imports it:

    python -m venv /tmp/cs && /tmp/cs/bin/pip install cronsim==2.8 tzdata
    /tmp/cs/bin/python tests/cron/table/make.py

The years are past ones, so that no new edition of the zone data changes the answers. Left out of the
table, each with the reason that the test repeats:

- starts in the second pass of a fold for fixed times: cronsim forgets the pass, and may answer a past moment;
- answers that are local times which do not exist: cronsim starts a day at 00:00 even where it is skipped;
- rows for which it takes too long;
- wildcard tables in Lord Howe around its half-hour fold: cronsim's steps of an hour leave 30 minutes out.
"""

from __future__ import annotations

import random
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsim import CronSim

TICKS = 5
STARTS = 2  # of each expression
PATIENCE = 0.06  # seconds for one row; cronsim walks, and rare ticks take it long
ZONES = {
    "Europe/Berlin": (2023, 2024), "Europe/London": (2023, 2024), "Europe/Dublin": (2023, 2024),
    "America/New_York": (2023, 2024), "America/Los_Angeles": (2022, 2023), "America/St_Johns": (2010, 2023),
    "America/Sao_Paulo": (2016, 2018), "America/Santiago": (2023, 2024), "America/Havana": (2023, 2024),
    "America/Asuncion": (2022, 2023), "America/Caracas": (2007, 2016), "Asia/Beirut": (2022, 2024),
    "Africa/Cairo": (2023, 2024), "Africa/Casablanca": (2022, 2023), "Asia/Tehran": (2020, 2021),
    "Asia/Gaza": (2021, 2022), "Asia/Kathmandu": (1985, 1986), "Asia/Pyongyang": (2015, 2018),
    "Asia/Kolkata": (2023, 2024), "Australia/Sydney": (2023, 2024), "Australia/Lord_Howe": (2023, 2024),
    "Antarctica/Troll": (2023, 2024), "Pacific/Auckland": (2023, 2024), "Pacific/Chatham": (2023, 2024),
    "Pacific/Apia": (2011, 2012), "Pacific/Kwajalein": (1992, 1993), "UTC": (2023, 2024),
}  # fmt: skip
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def transitions(zone: ZoneInfo, years: tuple[int, int]) -> list[datetime]:
    """The minutes at which the offset changes in these two years; for a zone without any, two arbitrary ones."""
    found = []
    for year in years:
        moment = datetime(year, 1, 1, tzinfo=UTC)
        while moment.year == year:
            if moment.astimezone(zone).utcoffset() != (moment + HOUR).astimezone(zone).utcoffset():
                turn = moment
                while turn.astimezone(zone).utcoffset() == moment.astimezone(zone).utcoffset():
                    turn += MINUTE
                found.append(turn)
            moment += HOUR
    return found or [datetime(years[0], 2, 28, 22, tzinfo=UTC), datetime(years[1], 12, 31, 22, tzinfo=UTC)]


def systematic() -> list[str]:
    made = [f"{n} * * * *" for n in range(60)] + [f"{n} 2 * * *" for n in range(0, 60, 7)]
    made += [f"*/{n} * * * *" for n in (*range(1, 61), 100)] + [f"*/{n} 1-3 * * *" for n in (1, 5, 15, 20, 30, 45)]
    made += [f"{n}/7 {n % 24} * * *" for n in range(0, 60, 3)] + [f"0 {n} * * *" for n in range(24)]
    made += [f"30 {n} * * *" for n in range(24)] + [f"0 */{n} * * *" for n in range(1, 25)]
    made += [f"15 {n}/{n % 5 + 1} * * *" for n in range(24)] + [f"0 0 {n} * *" for n in range(1, 32)]
    made += [f"30 1 */{n} * *" for n in range(1, 32)] + [f"0 2 {n}/3 * *" for n in range(1, 29)]
    made += [f"0 0 1 {n} *" for n in (*range(1, 13), *MONTHS)] + [f"0 3 1 */{n} *" for n in range(1, 13)]
    made += [f"30 2 * * {n}" for n in (*range(8), *WEEKDAYS, "Mon", "FRI", "sAt")]
    made += [f"0 2 * * */{n}" for n in range(1, 9)] + [f"0 1 * * {n}/2" for n in range(8)]
    made += [f"0 1 13 * {n}" for n in range(8)] + [f"0 1 */13 * {n}" for n in range(8)] + ["0 1 13 * */5"]
    made += [f"0 2 * * {n}#{nth}" for n in range(8) for nth in range(1, 6)] + [f"0 2 * * {n}L" for n in range(8)]
    made += [f"30 2 {day} * {weekday}" for day in ("L", "LW", "L,15", "1,LW") for weekday in ("*", "1", "5#2", "0L")]
    made += [f"*/20 1-3 {day} {month} *" for day in ("L", "LW", "28-31") for month in ("*", "3", "oct", "2-4", "10/1")]
    made += [
        f"{m} {h} * * *" for m in ("0,30", "5-10", "59", "0-59", "0-59/15") for h in ("0", "1,2,3", "0-23", "22-23")
    ]
    made += ["0 0 29 2 *", "0 0 29 feb */7", "0 0 * 2 mon#5", "0 12 31 12 *", "59 23 31 dec fri", "* * * * *"]
    return made


def item(rng: random.Random, low: int, high: int, names: tuple[str, ...] = ()) -> str:
    first, second = sorted(rng.sample(range(low, high + 1), 2))
    name = (
        (lambda n: rng.choice((str(n), names[(n - low) % len(names)])) if n - low < len(names) else str(n))
        if names
        else str
    )
    form = rng.random()
    if form < 0.45:
        return name(first)
    if form < 0.6:
        return f"{name(first)}-{name(second)}"
    if form < 0.75:
        return f"{name(first)}-{name(second)}/{rng.randint(1, 9)}"
    if form < 0.88:
        return f"*/{rng.randint(1, high)}"
    return f"{name(first)}/{rng.randint(1, 9)}"


def field(
    rng: random.Random, star: float, low: int, high: int, names: tuple[str, ...] = (), extra: tuple[str, ...] = ()
) -> str:
    if rng.random() < star:
        return "*"
    items = [item(rng, low, high, names) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    if extra and rng.random() < 0.15:
        items[0] = rng.choice(extra)
    return ",".join(items)


def scattered(rng: random.Random) -> str:
    hour = field(rng, 0.25, 0, 23) if rng.random() < 0.5 else field(rng, 0, 0, 4)
    nth = tuple(f"{d}#{n}" for d in range(8) for n in range(1, 5)) + tuple(f"{d}L" for d in range(8))
    return " ".join((
        field(rng, 0.12, 0, 59), hour, field(rng, 0.5, 1, 31, extra=("L", "LW")),
        field(rng, 0.7, 1, 12, MONTHS), field(rng, 0.5, 0, 7, WEEKDAYS, nth),
    ))  # fmt: skip


def exists(moment: datetime) -> bool:
    return moment.replace(tzinfo=None) == moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None)


def ticks(expression: str, zone: ZoneInfo, start: datetime) -> list[int] | None:
    """Minutes from one tick to the next, from the start on; None for what is left out."""
    here = start.astimezone(zone)
    minute, hour = expression.split()[:2]
    fixed = not minute.startswith("*") and not hour.startswith("*")
    if fixed and here.fold:
        return None
    if not fixed and zone.key == "Australia/Lord_Howe" and start.month in (3, 4):
        return None
    simulated = CronSim(expression, here)
    deltas = []
    for _ in range(TICKS):
        tick = next(simulated)
        if not exists(tick):
            return None
        deltas.append((tick.astimezone(UTC) - start) // MINUTE)
        start = tick.astimezone(UTC)
    return deltas


def give_up(number: int, frame: object) -> None:
    raise TimeoutError


def main() -> None:
    signal.signal(signal.SIGALRM, give_up)
    rng = random.Random(20_26)
    turns = {name: transitions(ZoneInfo(name), years) for name, years in ZONES.items()}
    expressions = dict.fromkeys(systematic())
    while len(expressions) < 2400:
        expressions[scattered(rng)] = None
    lines, zones, used, left_out, slow = [], list(ZONES), 0, 0, 0
    for expression in expressions:
        rows = []
        extra = (0, 0) if used < 40 else ()  # single minutes do not need many zones, but a few starts in one
        for number in (*extra, *rng.sample(range(len(zones)), STARTS)):
            name = zones[number]
            start = rng.choice(turns[name]) - rng.choice((0, 1, 30, 45, 60, 90, 200, 800, 1500, -1, -30, -59)) * MINUTE
            try:
                signal.setitimer(signal.ITIMER_REAL, PATIENCE)
                deltas = ticks(expression, ZoneInfo(name), start)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except TimeoutError:
                slow += 1
                continue
            except Exception as error:  # noqa: BLE001  (its own error, or StopIteration: it never fires)
                signal.setitimer(signal.ITIMER_REAL, 0)
                print("refused by cronsim:", expression, repr(error))
                break
            left_out += deltas is None
            if deltas is not None:
                rows.append(f" {number} {int(start.timestamp()) // 60} {' '.join(map(str, deltas))}")
        if rows:
            used += 1
            lines += [expression, *rows]
    path = Path(__file__).with_name("ticks.txt")
    path.write_text("\n".join([" ".join(zones), *lines]) + "\n")
    rows_written = sum(line[0] == " " for line in lines)
    print(used, "expressions,", rows_written, "rows,", left_out, "left out,", slow, "too slow")


if __name__ == "__main__":
    main()
