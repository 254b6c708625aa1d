"""What goes in comes out: the same values, of the same types, or an error that names the place."""

from __future__ import annotations

import array
import dataclasses
import enum
import io
import json
import math
import random
import struct
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from litequeue.base.errors import (
    InvalidArgument,
    PayloadCorrupt,
    PayloadError,
    PayloadTooLarge,
)
from litequeue.payload import MAX_BYTES, Codec, plain

pytestmark = pytest.mark.beside

BERLIN = ZoneInfo("Europe/Berlin")

VALUES = [
    None, True, False, 0, -1, 2**62, 2**63, 10**300, 10**5000, -(10**5000), 1.5, -0.0, 1e300, 5e-324,
    math.inf, -math.inf, "", "a", "é😀", "\0", "\ud800", "\ud83d\ude00", "😀\udc00", "'\"\\</script>",
    [], [1, [2, [3]]], {}, {"a": {"b": [1]}}, {"$tuple": [1]}, {"$": 1}, {"$type": ["x", 1]}, {"$a": 1, "b": 2},
    {1: 2}, {True: 1}, {None: 1}, {1.5: "x"}, {(1, 2): {3: 4}}, {"\ud83d\ude00": 1}, {b"k": 1},
    (), (1,), (1, (2, [3, (4,)])), {1, 2}, frozenset({(1, 2)}), set(), [(1,), {2}],
    b"", b"\0\xff", bytearray(b"x"),
    datetime(2026, 1, 2, 3, 4, 5, 6), datetime(2026, 1, 2, tzinfo=UTC), datetime.max, datetime.min,
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET")), datetime(2026, 1, 1, tzinfo=timezone(timedelta(0), "GMT")), date(2026, 1, 2), time(1, 2, 3, 4),
    time(1, tzinfo=UTC), timedelta(days=-1, seconds=5, microseconds=7), timedelta.max,
    Decimal("1.10"), Decimal("NaN").copy_abs() if False else Decimal("Infinity"), Decimal("-0"),
    UUID(int=5), Path("/a/b"), PurePosixPath("x"), PureWindowsPath("c:/x"), 1 + 2j, complex(-0.0, math.inf),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{type(v).__name__}-{str(v)[:20]!a}" if not isinstance(v, int) or abs(v) < 10**99 else "huge")
def test_round_trip_is_exact(value: Any) -> None:
    codec = Codec()
    for wrapped in (value, [value], {"k": value}, (value,)):
        text = codec.encode(wrapped)
        assert text.isascii()
        json.loads(text)
        back = codec.decode(text)
        assert_same(back, wrapped)


def assert_same(back: Any, sent: Any) -> None:
    """Equal, and of the same types all the way down."""
    assert type(back) is type(sent)
    if isinstance(sent, (list, tuple)):
        assert len(back) == len(sent)
        for b, s in zip(back, sent, strict=True):
            assert_same(b, s)
    elif isinstance(sent, dict):
        assert [type(k) for k in back] == [type(k) for k in sent]
        assert list(back) == list(sent)
        for b, s in zip(back.values(), sent.values(), strict=True):
            assert_same(b, s)
    elif isinstance(sent, float):
        assert math.isnan(back) or (back, math.copysign(1, back)) == (sent, math.copysign(1, sent))
    else:
        assert back == sent
        if isinstance(sent, (datetime, time)):
            assert back.fold == sent.fold and str(back.tzinfo) == str(sent.tzinfo)
        if isinstance(sent, (Decimal, complex)):
            assert repr(back) == repr(sent)


def test_nan_comes_back_as_nan() -> None:
    codec = Codec()
    assert math.isnan(codec.decode(codec.encode(math.nan)))
    assert math.isnan(codec.decode(codec.encode([math.nan]))[0])


@pytest.mark.slow
def test_random_nested_values_round_trip() -> None:
    rng = random.Random(20261122)
    leaves = [v for v in VALUES if not isinstance(v, (list, dict, set, bytearray))]

    def grow(depth: int) -> Any:
        kind = rng.choice(["leaf", "list", "tuple", "dict"]) if depth else "leaf"
        if kind == "list":
            return [grow(depth - 1) for _ in range(rng.randrange(4))]
        if kind == "tuple":
            return tuple(grow(depth - 1) for _ in range(rng.randrange(4)))
        if kind == "dict":
            keys = [rng.choice(["a", "$x", 1, None, (1, 2), "\ud800"]) for _ in range(rng.randrange(3))]
            return {k: grow(depth - 1) for k in keys}
        return rng.choice(leaves)

    codec = Codec()
    for _ in range(1500):
        value = grow(4)
        assert_same(codec.decode(codec.encode(value)), value)


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Perm(enum.Flag):
    R = 1
    W = 2


@dataclasses.dataclass
class Point:
    x: int
    y: Any


@dataclasses.dataclass(frozen=True)
class Hidden:
    """What rebuilding through __init__ would get wrong."""

    x: int
    scale: dataclasses.InitVar[int] = 2
    y: int = dataclasses.field(init=False, default=1)

    def __post_init__(self, scale: int) -> None:
        object.__setattr__(self, "x", self.x * scale)


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def test_registered_types_round_trip() -> None:
    codec = Codec()
    codec.register(Colour)
    codec.register(Level)
    codec.register(Perm)
    codec.register(Point)
    codec.register(Hidden)
    codec.register(Money, lambda m: m.cents, Money)
    for value in (Colour.RED, Level.LOW, Perm.R | Perm.W, Point(1, (2, Point(3, None))), Hidden(4)):
        back = codec.decode(codec.encode([value]))[0]
        assert back == value and type(back) is type(value)
    assert codec.decode(codec.encode({"price": Money(5)}))["price"].cents == 5


class Asks(tzinfo):
    """Its offset turns on the time."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        assert moment is not None
        return timedelta(hours=1 if moment.month < 6 else 2)

    def tzname(self, moment: datetime | None) -> str:
        return "X"

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(0)


class Fixed(Asks):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(minutes=90)


class Keyed(Asks):
    key = "Europe/Berlin"


def test_zones_of_other_makers_are_carried_by_key_or_offset_or_refused() -> None:
    codec = Codec()
    for value in (datetime(2026, 7, 1, tzinfo=Fixed()), time(1, tzinfo=Fixed())):
        back = codec.decode(codec.encode(value))
        assert back == value and back.tzinfo == timezone(timedelta(minutes=90)) and back.tzname() == "X"
    summer = datetime(2026, 7, 1, tzinfo=Keyed())
    assert codec.decode(codec.encode(summer)).tzinfo is BERLIN
    with pytest.raises(PayloadError, match=r"args\[0\].*Europe/Berlin does not have the offset 1:00:00.*astimezone"):
        codec.encode([datetime(2026, 5, 1, tzinfo=Keyed())], "args")
    for zone in (Asks(), ZoneInfo.from_file(io.BytesIO(utc_file()))):
        with pytest.raises(PayloadError, match=r"args\[0\].*astimezone\(zoneinfo.ZoneInfo.*timezone.utc"):
            codec.encode([datetime(2026, 7, 1, tzinfo=zone)], "args")


def utc_file() -> bytes:
    """A zone's file with two types of time, so that it has no fixed offset."""
    head = b"TZif" + b"2" + bytes(15)
    counts = struct.pack(">6l", 0, 0, 0, 1, 2, 8)
    types = struct.pack(">lbB", 3600, 0, 0) + struct.pack(">lbB", 7200, 1, 4)
    body = struct.pack(">q", 0) + b"\1" + types + b"CET\0CES\0"
    empty = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    return head + empty + struct.pack(">lbB", 0, 0, 0) + b"UTC\0" + head + counts + body + b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"


Pair = namedtuple("Pair", "a b")


class Stamp(datetime):
    pass


class Day(date):
    pass


class Length(timedelta):
    pass


class Text(str):
    pass


class Number(int):
    pass


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (object(), "object is not supported"),
        (Colour.RED, "register_type"),
        (Level.LOW, "register_type"),
        (Point(1, 2), "register_type"),
        (Pair(1, 2), "plain tuple"),
        (Text("x"), "plain str"),
        (Number(1), "plain int"),
        (OrderedDict(a=1), "plain dict"),
        (Stamp(2026, 1, 1), "plain datetime; convert it with datetime.combine("),
        (Day(2026, 1, 1), "plain date; convert it with date("),
        (Length(1), "plain timedelta; convert it with timedelta("),
        (array.array("i", [1]), "convert it with x.tolist()"),
        (lambda: 1, "function"),
        (ValueError(), "ValueError"),
    ],
)
def test_what_would_come_back_otherwise_is_refused_by_place(value: Any, says: str) -> None:
    with pytest.raises(PayloadError, match=r"args\[1\]\['deep'\]\[0\]") as caught:
        Codec().encode([1, {"deep": [value]}], "args")
    assert says in str(caught.value)


@pytest.mark.slow
def test_nesting_and_cycles_are_refused() -> None:
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    codec = Codec()
    assert codec.decode(codec.encode(deep)) == deep
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PayloadError, match="nested"):
        codec.encode(deep)
    loop: list[Any] = []
    loop += [loop, loop]
    with pytest.raises((PayloadError, PayloadTooLarge)):
        codec.encode(loop)


def test_the_limit_is_exact() -> None:
    codec = Codec()
    assert len(codec.encode("x" * (MAX_BYTES - 2))) == MAX_BYTES
    with pytest.raises(PayloadTooLarge, match="1,048,577"):
        codec.encode("x" * (MAX_BYTES - 1))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1", "NaN", "[Infinity]", '{"$nope": 1}', '{"$tuple": 5}', '{"$type": ["os.system", "ls"]}',
     '{"$type": 1}', '{"$set": [[]]}', '{"$datetime": ["x", 0, null]}', '{"$int": "zz"}', '{"$path": ["Popen", "x"]}',
     '{"$decimal": "x"}', '{"$bytes": "*"}', "[" * 100_000 + "]" * 100_000, "9" * 5000],
    ids=lambda t: t[:20],
)  # fmt: skip
def test_text_that_was_never_written_is_corrupt(text: str) -> None:
    with pytest.raises(PayloadCorrupt):
        Codec().decode(text)


def test_registering_is_checked() -> None:
    codec = Codec()
    for wrong in (dict, int, datetime, Money):
        with pytest.raises(InvalidArgument):
            codec.register(wrong)
    with pytest.raises(InvalidArgument):
        codec.register(Money, lambda m: 1)
    with pytest.raises(TypeError):
        codec.register(5)  # type: ignore[arg-type]
    codec.register(Point, name="p")
    with pytest.raises(InvalidArgument, match="another class"):
        codec.register(Colour, name="p")


MAKERS = {
    "as it is": json.encoder.c_make_encoder,  # type: ignore[attr-defined]
    "missing": None, "with other arguments": lambda one: None, "encoding otherwise": lambda *words: lambda value, level: ["[]"],
}  # fmt: skip


@pytest.mark.parametrize("known", MAKERS)
def test_plain_values_are_encoded_alike_whatever_the_encoder_in_c_is_like(known: str) -> None:
    encode = plain.encoder(MAKERS[known])
    assert ("lambda" in encode.__qualname__) is (known == "as it is")
    for value in ([1, 2], {"a": [None, 0.1], "b": "\u00e9"}, "x", []):
        assert encode(value) == json.dumps(value, separators=(",", ":"))
    for value in (math.nan, [math.inf], [10**5000]):
        with pytest.raises(ValueError):
            encode(value)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        encode(deep)
