"""What a worker hears, of those who can read its file: how often it looks, and whom it tells."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from litequeue.base.bell import DONE, LOOK, MORE, TIMES, WAIT, Address, Bell, Ear
from litequeue.worker.services import listener as module
from litequeue.worker.services.listener import LOOKS_AT_ONCE, PACE, Listener

from ...support import wait_until

TOKEN = b"0123456789abcdef"


class Heard:
    """A listener, and what it asked of its worker."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.listener = Listener(
            lambda passed_on: self.asked.append("more" if passed_on else "look"), lambda: self.asked.append("times"), lambda service, error: self.asked.append(repr(error)), time.monotonic
        )
        self.listener.start(TOKEN)
        assert self.listener.ear.port is not None
        self.address: Address = (self.listener.ear.port, TOKEN)

    def waiters(self) -> int:
        return len(self.listener._waiters)


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard()
    yield made
    made.listener.stop()


@pytest.fixture
def bell() -> Iterator[Bell]:
    with contextlib.closing(Bell()) as made:
        yield made


def test_what_has_the_token_is_heard_and_nothing_else(heard: Heard, bell: Bell) -> None:
    port, _ = heard.address
    for token in (b"", b"x" * 16, TOKEN[:15], TOKEN[:15] + b"x", b"x" + TOKEN):
        bell.ring([(port, token)])
    bell.ring([heard.address], TIMES)
    wait_until(lambda: heard.asked)
    bell.ring([heard.address], LOOK)
    wait_until(lambda: len(heard.asked) > 1)
    bell.ring([heard.address], MORE)
    wait_until(lambda: len(heard.asked) > 2)
    assert heard.asked == ["times", "look", "more"]


@pytest.mark.slow
def test_looks_that_come_to_nothing_are_paced_and_the_last_is_made(heard: Heard, bell: Bell) -> None:
    begin = time.monotonic()
    for number in range(10 * LOOKS_AT_ONCE):
        bell.ring([heard.address])
        while number < LOOKS_AT_ONCE and len(heard.asked) <= number and time.monotonic() < begin + 5:
            pass  # the first are made one by one
    assert len(heard.asked) >= LOOKS_AT_ONCE
    wait_until(lambda: not heard.listener._asked)
    assert len(heard.asked) <= LOOKS_AT_ONCE + (time.monotonic() - begin) / PACE + 1
    before = len(heard.asked)
    bell.ring([heard.address])
    wait_until(lambda: len(heard.asked) > before)


def test_who_settles_jobs_is_not_paced(heard: Heard, bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKS_AT_ONCE", 2)
    monkeypatch.setattr(module, "PACE", 60.0)
    for number in range(6):
        bell.ring([heard.address])
        wait_until(lambda number=number: len(heard.asked) > number)  # type: ignore[misc]
        heard.listener.settled()


def test_waiters_are_told_in_turn_with_their_own_token(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOLD_AT_ONCE", 2)
    with contextlib.ExitStack() as stack:
        ears = [stack.enter_context(contextlib.closing(Ear())) for _ in range(5)]
        for ear in ears:
            ear.tell(WAIT, [heard.address], ear.token)
            first = ear.hear(5.0)
            assert first is not None and first.byte == LOOK
        told = []
        for _ in range(5):
            heard.listener.settled()
            told.append({number for number, ear in enumerate(ears) if ear.hear(0.0)})
        assert told == [{0, 1}, {2, 3}, {0, 4}, {1, 2}, {3, 4}]
        ears[0].tell(DONE, [heard.address], ears[0].token)
        wait_until(lambda: heard.waiters() == 4)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter is Linux's")
def test_what_has_not_the_token_does_not_even_fill_the_buffer() -> None:
    with contextlib.closing(Ear()) as ear:
        assert ear.port is not None and ear.socket is not None
        ear.listen_for(TOKEN)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for data in (b"!", b"", b"!" + TOKEN[:15], b"!x" + TOKEN, *(b"!" + TOKEN[:at] + b"x" + TOKEN[at + 1 :] for at in range(16))):
                sock.sendto(data, ("127.0.0.1", ear.port))
            for data in (LOOK + TOKEN, WAIT + TOKEN + TOKEN):
                sock.sendto(data, ("127.0.0.1", ear.port))
                assert ear.socket.recv(100) == data
