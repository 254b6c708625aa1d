"""Cron expressions: said in English, with their next ticks in some zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

from litequeue import cron

from . import mutations
from .crontabs import lines
from .oracle import Fault, family, within

SECONDS = 5.0
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Monrovia", "Asia/Tehran")
BASES = ("* * * * *", "0 0 29 2 *", "*/7 1-5,9 * jan-mar mon", "0 30 2 * * sun", "@daily", "@reboot", "0 0 L * *", "59 23 31 12 7")


class Asked(NamedTuple):
    text: str
    zone: str
    start: datetime
    seconds: bool


def make(random: Random) -> Asked:
    base = random.choice(BASES) if random.random() < 0.5 else " ".join(random.choice(lines()).split()[:5])
    text = mutations.text(random, base) if random.random() < 0.8 else base
    zone = random.choice(ZONES)
    if random.random() < 0.1:
        zone = mutations.text(random, zone)
    start = datetime(1, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(9998 * 365 * 86400))
    near = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(10 * 365 * 86400))
    return Asked(text, zone, start if random.random() < 0.2 else near, random.random() < 0.3)


def judge(asked: Asked, _: Path) -> None:
    with within(SECONDS):
        said = family(lambda: cron.explain(asked.text, seconds=asked.seconds))
        ticks = family(lambda: cron.preview(asked.text, asked.zone, asked.start, 20, seconds=asked.seconds))
    if said == "":
        raise Fault("it says nothing")
    moments = [asked.start, *(tick.at for tick in ticks or ())]
    if any(one >= other for one, other in pairwise(moments)):
        raise Fault(f"ticks out of order: {ticks}")
