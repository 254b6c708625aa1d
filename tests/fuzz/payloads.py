"""Stored texts: decoded, or PayloadCorrupt; and what was decoded can be stored."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import pathlib
import uuid
import zoneinfo
from pathlib import Path
from random import Random
from typing import Any

from litequeue.payload import Codec

from . import mutations
from .oracle import family, within

SECONDS = 5.0


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = None


CODEC = Codec()
CODEC.register(Colour)
CODEC.register(Point)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
LEAVES: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1 << 20_000, 0.5, float("inf"), float("nan"), "", "x", "\ud800", b"\0x", 1j, datetime.date(2024, 2, 29),
    datetime.datetime(2024, 1, 1, tzinfo=BERLIN), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), datetime.time(1, 2),
    datetime.timedelta(days=1), decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=1), pathlib.PurePosixPath("/x"),
    ipaddress.ip_address("::1"), Colour.RED, range(3), bytearray(b"x"),
)  # fmt: skip


def make(random: Random) -> str:
    text = None
    while text is None:
        value = _value(random, 4)
        text = family(lambda value=value: CODEC.encode(value))
    others = [family(lambda leaf=leaf: CODEC.encode(leaf)) or "" for leaf in LEAVES]
    text = mutations.text(random, text, others)
    return text if random.random() < 0.95 else mutations.noise(random, 300).decode(errors="replace")


def _value(random: Random, depth: int) -> Any:
    items = [_value(random, depth - 1) for _ in range(random.randint(0, 3))] if depth else []
    kinds = [
        lambda: random.choice(LEAVES), lambda: items, lambda: tuple(items), lambda: {str(n): item for n, item in enumerate(items)},
        lambda: {n: item for n, item in enumerate(items)}, lambda: {f"${random.choice('ab')}": items}, lambda: Point(items),
        lambda: {n for n in range(len(items))}, lambda: frozenset("ab"),
    ]  # fmt: skip
    return random.choice(kinds)()


def judge(text: str, _: Path) -> None:
    with within(SECONDS):
        family(lambda: (CODEC.decode(text), None))
