"""Tasks that behave badly in every way of the faults catalogue, importable by workers and pool children."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from litequeue import Retry, current_job

from .sample import app, note


def _fail(*_: object) -> NoReturn:
    raise RuntimeError("no answer for you")


class HostileInit(Exception):
    def __init__(self, *, needed: str) -> None:
        self.needed = needed


class HostileReduce(Exception):
    __reduce__ = _fail


class HostileTraceback(Exception):
    __traceback__ = property(_fail)  # type: ignore[assignment]


class HostileCause(Exception):
    __cause__ = property(_fail)  # type: ignore[assignment]
    __context__ = property(_fail)  # type: ignore[assignment]
    __suppress_context__ = property(_fail)  # type: ignore[assignment]


class HostileName(Exception):
    __module__ = "\x1b[31m\r\n"


class HostileClass(Exception):
    __class__ = property(_fail)  # type: ignore[assignment]


class Unbound:
    """Like werkzeug's LocalProxy outside of its context."""

    __class__ = property(_fail)  # type: ignore[assignment]


class EvilMoney:
    """A registered type whose encoder fails with the words of whoever sent it."""


def _evil_money(_: EvilMoney) -> NoReturn:
    raise ValueError("\x1b[31m\r\nforged line")


app.register_type(EvilMoney, _evil_money, lambda _: EvilMoney())


class NotYet(Retry):
    """An app's own way to ask for a retry, which forgets to call ``super().__init__``."""

    def __init__(self, why: str) -> None:
        self.why = why


class Slippery(str):
    def encode(self, *_: object) -> bytes:
        raise RuntimeError("no bytes for you")


class HostileMessage(Exception):
    def __str__(self) -> str:
        return Slippery("x")


def _chain(length: int, *, cycle: bool = False) -> NoReturn:
    first = error = ValueError("the first")
    for n in range(length):
        error.__cause__ = ValueError(f"cause {n}")
        error = error.__cause__
    if cycle:
        error.__cause__ = first
    raise first


def _raiser(error: Callable[[], BaseException]) -> Callable[[], NoReturn]:
    def throw() -> NoReturn:
        raise error()

    return throw


def _out_of_memory() -> NoReturn:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, limits[1]))
    try:
        bytearray(4 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    raise AssertionError("there was enough memory")


def _shout() -> int:
    for stream in (sys.stdout, sys.stderr):
        for _ in range(50):
            print("x" * ((1 << 20) - 1), file=stream, flush=True)
    return 100


def _unsettle() -> None:
    os.chdir("/")
    os.umask(0)
    os.environ["UNSETTLED"] = "1"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, signal.SIG_IGN)


def _spin() -> NoReturn:
    while True:
        pass


WAYS: dict[str, Callable[[], Any]] = {
    "hostile init": _raiser(lambda: HostileInit(needed="x")),
    "hostile reduce": _raiser(HostileReduce),
    "hostile traceback": _raiser(HostileTraceback),
    "hostile cause": _raiser(HostileCause),
    "hostile name": _raiser(HostileName),
    "hostile class": _raiser(HostileClass),
    "hostile message": _raiser(HostileMessage),
    "control characters": _raiser(lambda: ValueError("a\r\n\x1b[31m\0b")),
    "half a retry": _raiser(lambda: NotYet("busy")),
    "10 MB": _raiser(lambda: ValueError("x" * (10 << 20))),
    "group": _raiser(lambda: ExceptionGroup("several", [ValueError("x" * 1000)] * 500)),
    "base group": _raiser(lambda: BaseExceptionGroup("several", [KeyboardInterrupt(), SystemExit(0)])),
    "cause cycle": lambda: _chain(3, cycle=True),
    "cause chain": lambda: _chain(5000),
    "sys.exit": lambda: sys.exit(0),
    "BaseException": _raiser(lambda: BaseException("bare")),
    "CancelledError": _raiser(asyncio.CancelledError),
    "StopIteration": _raiser(StopIteration),
    "MemoryError": _raiser(MemoryError),
    "out of memory": _out_of_memory,
    "unbound": Unbound,
    "evil result": EvilMoney,
    "exit 3": lambda: os._exit(3),
    "null": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "close all": lambda: os.closerange(0, 4096),
    "close streams": lambda: (sys.stdout.close(), sys.stderr.close()),
    "shout": _shout,
    "spin": _spin,
    "unsettle": _unsettle,
}


@app.task
def hostile_thread(how: str) -> Any:
    return WAYS[how]()


@app.task(pool="process")
def hostile_process(how: str) -> Any:
    return WAYS[how]()


@app.task
async def hostile_async(how: str) -> Any:
    return WAYS[how]()


HOSTILE = {"thread": hostile_thread, "process": hostile_process, "async": hostile_async}


# -- tasks that leave something behind --------------------------------------------------------------------


def _forks(ledger: str) -> str:
    os.fork()
    note(ledger, f"after the fork {os.getpid()}")
    return "forked"


@app.task
def forks_thread(ledger: str) -> str:
    return _forks(ledger)


@app.task(pool="process")
def forks_process(ledger: str) -> str:
    return _forks(ledger)


@app.task
async def forks_async(ledger: str) -> str:
    return _forks(ledger)


FORKS = {"thread": forks_thread, "process": forks_process, "async": forks_async}


def _leaves(what: str, ledger: str) -> None:
    if what == "thread":
        threading.Thread(target=time.sleep, args=(60,)).start()
    else:
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(["sleep", "60"], stdin=nowhere, stdout=nowhere, stderr=nowhere)
        note(ledger, str(process.pid))


@app.task
def leaves_thread(what: str, ledger: str) -> None:
    _leaves(what, ledger)


@app.task(pool="process")
def leaves_process(what: str, ledger: str) -> None:
    _leaves(what, ledger)


LEAVES = {"thread": leaves_thread, "process": leaves_process}

_seen: contextvars.ContextVar[str] = contextvars.ContextVar("_seen", default="nothing")


def _spoils(items: list[int]) -> list[Any]:
    """Spoils its argument and its context, and fails at its first attempt."""
    found, saw = list(items), _seen.get()
    items.append(99)
    _seen.set("the first attempt")
    if current_job().attempt == 1:
        raise Retry(delay=0.01)
    return [found, saw]


@app.task(retries=1)
def spoils_thread(items: list[int]) -> list[Any]:
    return _spoils(items)


@app.task(pool="process", retries=1)
def spoils_process(items: list[int]) -> list[Any]:
    return _spoils(items)


@app.task(retries=1)
async def spoils_async(items: list[int]) -> list[Any]:
    return _spoils(items)


SPOILS = {"thread": spoils_thread, "process": spoils_process, "async": spoils_async}


def _swallows(ledger: str, seconds: float) -> str:
    """Swallows whatever asks it to end, for a while."""
    job = current_job()
    note(ledger, f"start {job.attempt}")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(0.01)
        except BaseException:  # noqa: BLE001, S112
            continue
    note(ledger, f"end {job.attempt}")
    return "late"


@app.task(backoff=5)
def swallows_thread(ledger: str, seconds: float) -> str:
    return _swallows(ledger, seconds)


@app.task(pool="process", backoff=5)
def swallows_process(ledger: str, seconds: float) -> str:
    return _swallows(ledger, seconds)


@app.task(backoff=5)
async def swallows_async(ledger: str, seconds: float) -> str:
    note(ledger, "start")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue
    note(ledger, "end")
    return "late"


SWALLOWS = {"thread": swallows_thread, "process": swallows_process, "async": swallows_async}


@app.task
async def blocks_the_loop(ledger: str, seconds: float) -> str:
    note(ledger, f"start {current_job().attempt}")
    time.sleep(seconds)  # noqa: ASYNC251 - that is the point
    return "unblocked"


@app.task
def surroundings() -> list[Any]:
    """What the worker itself is surrounded by."""
    umask = os.umask(0o77)
    os.umask(umask)
    handlers = [str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    return [os.getcwd(), umask, os.environ.get("UNSETTLED"), handlers, os.getpid()]
