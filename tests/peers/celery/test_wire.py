"""The serializer: what our codec keeps comes back equal, through kombu as through the file."""

from __future__ import annotations

import enum
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from litequeue import LiteQueue
from litequeue.base.errors import PayloadCorrupt, PayloadError
from tests.peers import peer

peer("celery")
pytestmark = pytest.mark.beside

from celery import Celery, chain
from kombu.exceptions import DecodeError, EncodeError
from kombu.serialization import dumps, loads

from litequeue.celery import export
from litequeue.celery.wire import CONTENT_TYPE, NAME


class Colour(enum.Enum):
    RED = "red"


BERLIN = ZoneInfo("Europe/Berlin")
VALUES: list[Any] = [
    None, True, 1, -1.5, "", "text", [], {}, [1, [2]], {"a": {"b": [None]}}, (), (1, (2,)), {1, 2}, frozenset("ab"), b"\x00\xff", bytearray(b"x"), date(2026, 2, 28),
    datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1), time(1, 2, 3, 4),
    timedelta(days=-1, microseconds=3), Decimal("1.10"), UUID(int=7), PurePosixPath("/a/b"), 1 + 2j, math.inf, {1: "a", (2, 3): [4], None: ()}, 10**5000, -(10**5000), "\ud800", "\ud83d\ude00",
    {"$tuple": [1]}, {"$kombu": "x"}, {"__type__": "datetime", "__value__": "2026"}, {"task": "x", "args": []}, Colour.RED,
]  # fmt: skip


@pytest.fixture(scope="module")
def celery() -> Any:
    app = LiteQueue("never.sqlite")
    app.register_type(Colour)
    celery = Celery("t", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="echo")
    def echo(value: Any) -> Any:
        return value

    export(app, celery)
    return celery


def through(value: Any) -> Any:
    kind, encoding, text = dumps(value, serializer=NAME)
    assert kind == CONTENT_TYPE
    return loads(text.encode(), kind, encoding, accept=[CONTENT_TYPE])


@pytest.mark.usefixtures("celery")
@pytest.mark.parametrize("value", VALUES, ids=[f"{number}-{type(value).__name__}" for number, value in enumerate(VALUES)])
def test_a_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    (back,), named, rest = through(((value,), {"v": value}, {"callbacks": None}))
    assert back == value == named["v"]
    assert type(back) is type(value) and rest == {"callbacks": None}
    if isinstance(value, datetime):
        assert back.fold == value.fold and str(back.tzinfo) == str(value.tzinfo)


def test_nan_and_what_has_no_equal_come_back_too() -> None:
    assert math.isnan(through(math.nan))


def test_a_chain_travels_with_its_values(celery: Any) -> None:
    echo = celery.tasks["echo"]
    sent = chain(echo.s((1, {2})), echo.si(value=b"x")).options
    assert sent == {}
    embedded = {"chain": [echo.s((1, 10**5000)), echo.si(value={b"x"})], "chord": None}
    _, _, back = through(((), {}, embedded))
    assert [step["args"] for step in back["chain"]] == [((1, 10**5000),), ()] and back["chain"][1]["kwargs"] == {"value": {b"x"}}
    assert {type(step) for step in back["chain"]} == {dict}


def test_what_only_kombu_knows_goes_as_kombus_json() -> None:
    class Known:
        def __json__(self) -> str:
            return "as kombu has it"

    assert through([Known(), 1]) == ["as kombu has it", 1]


def test_what_nobody_knows_is_refused_with_its_place() -> None:
    with pytest.raises(EncodeError, match=r"the message\[1\] cannot be stored: .*object is not supported") as caught:
        dumps([1, object()], serializer=NAME)
    assert isinstance(caught.value.args[0], PayloadError)


def test_more_than_one_value_may_have_goes_in_one_message() -> None:
    assert through(["x" * 1_000_000] * 12) == ["x" * 1_000_000] * 12


def test_nothing_is_run_that_a_message_names() -> None:
    for text in ('{"$type": ["os.system", "true"]}', '{"$pickle": ""}', '{"$tuple": 1, "x": {"$nope": 1}}'):
        with pytest.raises(DecodeError, match="not registered here|unknown tag") as caught:
            loads(text, CONTENT_TYPE, "utf-8", accept=[CONTENT_TYPE])
        assert isinstance(caught.value.args[0], PayloadCorrupt)
