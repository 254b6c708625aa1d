"""Datagrams to a worker's ear: most are dropped, and what has the token means no more than "look"."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

from litequeue.base.bell import DONE, HOST, LOOK, MORE, TIMES, TOKEN_BYTES, WAIT
from litequeue.worker.services.listener import Listener

from .oracle import Fault

SECONDS = 10.0
MOST = 60  # datagrams of a case, less than fill a socket's buffer


class Heard(NamedTuple):
    token: bytes
    datagrams: list[bytes]


def make(random: Random) -> Heard:
    token = random.randbytes(TOKEN_BYTES // 2).hex().encode()
    found = []
    for _ in range(random.randint(1, MOST)):
        byte = random.choice((LOOK, MORE, TIMES, WAIT, DONE, b"", random.randbytes(1)))
        behind = random.choice((b"", random.randbytes(TOKEN_BYTES), random.randbytes(random.randint(0, 2000))))
        theirs = random.choice((token, token, token[:-1], token[::-1], random.randbytes(TOKEN_BYTES), b""))
        found.append(byte + theirs + behind)
    return Heard(token, found)


def judge(heard: Heard, _: Path) -> None:
    died: list[BaseException] = []
    looked = threading.Event()
    listener = Listener(lambda passed_on: looked.set(), lambda: None, lambda _, error: died.append(error), time.monotonic)
    listener.start(heard.token)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for data in heard.datagrams:
                sock.sendto(data, (HOST, listener.ear.port))
                listener.settled()
            looked.clear()
            sock.sendto(LOOK + heard.token, (HOST, listener.ear.port))
            if not looked.wait(SECONDS) and not died:
                raise Fault(f"a look was not heard within {SECONDS:g} s")
    finally:
        listener.stop()
    if died:
        raise Fault(f"the ear died: {died[0]!r}") from died[0]
