"""Functions at the top level of a module, as executors run them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

go = threading.Event()  # of whoever is held, in this process
ran: list[Any] = []


def add(x: Any, y: Any = 0) -> Any:
    return x + y


def held(x: Any = None) -> Any:
    ran.append(x)
    assert go.wait(20)
    return x


@contextlib.contextmanager
def let_go() -> Iterator[None]:
    """Whatever becomes of the test, nobody is held at the end of the block."""
    try:
        yield
    finally:
        go.set()


def note(x: Any) -> Any:
    ran.append(x)
    return x


def raises(error: str, *arguments: Any) -> None:
    ran.append(error)
    raise {"ValueError": ValueError, "KeyError": KeyError, "TimeoutError": TimeoutError, "Strange": Strange, "SystemExit": SystemExit}[error](*arguments)


class Strange(Exception):
    pass


def an_object(_: Any) -> object:
    return object()


def where(x: Any) -> tuple[int, Any]:
    return os.getpid(), x


def nap(seconds: float, path: str = "") -> int:
    if path:
        open(path, "x").close()
    time.sleep(seconds)
    return os.getpid()


async def later(x: Any) -> Any:
    await asyncio.sleep(0.01)
    return x


def numbers() -> Iterator[int]:
    yield 1


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return 2 * function(*args)

    return call


@decorated
def doubled(x: int) -> int:
    return x


@functools.cache
def cached(x: int) -> int:
    return x + 1


class Thing:
    def method(self) -> None:
        pass

    @staticmethod
    def static(x: int) -> int:
        return -x

    @classmethod
    def made(cls, x: int) -> str:
        return f"{cls.__name__} {x}"


def shadowed() -> int:
    return 1


first = shadowed


def shadowed() -> int:  # type: ignore[no-redef]
    return 2
