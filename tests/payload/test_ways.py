"""What people try first as an argument: the error names the argument, what it is, and what to write instead."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import enum
import fractions
import io
import ipaddress
import re
import socket
import sqlite3
import threading
import types
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from litequeue import LiteQueue, PayloadError
from litequeue.payload import ways

from ..support import ROOT

pytestmark = pytest.mark.beside


@dataclasses.dataclass
class Point:
    x: int


class Colour(enum.Enum):
    RED = 1


class Pair(collections.namedtuple("Pair", "a b")):
    pass


def generator() -> Iterator[int]:
    yield 1


async def coroutine() -> None: ...


def opened() -> Any:
    coming = coroutine()
    coming.close()
    return coming


INSTEAD: dict[str, tuple[Callable[[], Any], str]] = {
    "a file": (lambda: io.TextIOWrapper(io.BytesIO()), "pass its path, and open that in the task"), "bytes in memory": (io.BytesIO, "x.getvalue()"),
    "a lock": (threading.Lock, "app.lock(NAME)"), "a condition": (threading.Condition, "app.lock(NAME)"), "asyncio's": (asyncio.Lock, "app.lock(NAME)"),
    "a connection": (lambda: sqlite3.connect(":memory:"), "connect in the task"), "a socket": (socket.socket, "connect in the task"),
    "a generator": (generator, "convert it with list(x)"), "a map": (lambda: map(str, []), "convert it with list(x)"),
    "a coroutine": (opened, "await it, and pass what it comes to"), "a view of bytes": (lambda: memoryview(b""), "convert it with bytes(x)"),
    "keys": (lambda: {}.keys(), "convert it with set(x)"), "values": (lambda: {}.values(), "convert it with list(x)"),
    "a range": (lambda: range(3), "convert it with list(x)"), "a deque": (collections.deque, "convert it with list(x)"),
    "a mapping": (lambda: types.MappingProxyType({}), "convert it with dict(x)"), "a function": (lambda: generator, "pass what it comes to"),
    "a class": (lambda: Point, "pass its name"), "a module": (lambda: re, "pass its name"), "an exception": (ValueError, "convert it with str(x)"),
    "anything else": (object, "pass an id or a path instead, or call app.register_type(object, encode, decode)"),
}  # fmt: skip


@pytest.mark.parametrize("name", INSTEAD)
def test_the_error_says_what_to_pass(app: LiteQueue, name: str) -> None:
    make, says = INSTEAD[name]

    @app.task(name="t")
    def t(first: Any, wanted: Any) -> None: ...

    value = make()
    try:
        with pytest.raises(PayloadError) as caught:
            t.delay(1, {"deep": [value]})
    finally:
        getattr(value, "close", lambda: None)()
    assert str(caught.value).startswith("t: argument wanted, args[1]['deep'][0] cannot be stored: ")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def as_it_says(app: LiteQueue, value: Any, **names: Any) -> Any:
    """The value after it was stored and read, with the line of the error executed as it stands there."""

    @app.task(name="t")
    def t(wanted: Any) -> None: ...

    with pytest.raises(PayloadError) as caught:
        t.delay(value)
    line = str(caught.value).partition("register it once, beside the app: ")[2]
    assert line.startswith("app.register_type("), str(caught.value)
    eval(line, {"app": app, **names})
    job = t.delay(value)
    (back,) = app._client.codec.decode(job.info().args)
    return back


def test_the_line_that_the_error_shows_mends_it(app: LiteQueue) -> None:
    cases: list[tuple[Any, dict[str, Any]]] = [
        (Point(1), {"Point": Point}), (Colour.RED, {"Colour": Colour}), (Pair(1, (2,)), {"Pair": Pair}), (fractions.Fraction(1, 3), {"fractions": fractions}),
        (ipaddress.ip_network("10.0.0.0/8"), {"ipaddress": ipaddress}), (ipaddress.ip_address("::1"), {"ipaddress": ipaddress}),
        (zoneinfo.ZoneInfo("Europe/Berlin"), {"zoneinfo": zoneinfo}), (re.compile("a+", re.IGNORECASE), {"re": re}),
    ]  # fmt: skip
    for value, names in cases:
        back = as_it_says(app, value, **names)
        assert back == value and type(back) is type(value)


def test_every_line_is_of_a_type_that_is_called_so() -> None:
    for name, line in ways._LINES.items():
        assert line.startswith(f"{name}, "), line


def test_the_guide_has_the_lines_of_the_errors() -> None:
    chapter = (ROOT / "litequeue" / "guide" / "tasks.md").read_text()
    for name in ("numpy.ndarray", "pandas.DataFrame"):
        assert f"| `{ways._LINES[name]}` |" in chapter
    model = type("Order", (), {"model_dump": None, "model_validate": None})
    assert f"| `{ways._line(model)}` |" in chapter and f"| `{ways._line(dataclasses.make_dataclass('Order', []))}` |" in chapter


def test_places_have_the_names_of_the_arguments(app: LiteQueue) -> None:
    @app.task(name="t")
    def t(a: Any, /, b: Any = 1, *rest: Any, c: Any = 1) -> None: ...

    for call, says in (
        (((object(),), {}), "t: argument a, args[0] cannot"), (((1, 2, 3, [object()]), {}), "t: argument *rest, args[3][0] cannot"),
        (((1,), {"c": object()}), "t: kwargs['c'] cannot"),
    ):  # fmt: skip
        with pytest.raises(PayloadError) as caught:
            t.delay(*call[0], **call[1])
        assert says in str(caught.value)
    with pytest.raises(PayloadError, match=re.escape("delay_many: item 1: t: argument b, args[1] cannot be stored")):
        t.delay_many([(1,), (1, object())])
    with pytest.raises(PayloadError, match=re.escape("t: args[0] cannot be stored")):
        LiteQueue(app.path).send_task("t", (object(),))
