from __future__ import annotations

import threading
import time

import pytest

from litequeue import SoftTimeout
from litequeue.base.softguard import SoftGuard, shielded

pytestmark = pytest.mark.beside


def guarded(work: object, fires: int, pause: float = 0.0) -> tuple[object, list[str]]:
    """Run ``work(notes)`` under a guard that is fired at; the result, and what it noted."""
    notes: list[str] = []
    armed = threading.Event()
    out: list[object] = []

    def run() -> None:
        guard = SoftGuard()
        guards.append(guard)
        armed.set()
        out.append(guard.run(lambda: work(notes)))  # type: ignore[operator]
        for _ in range(2000):  # nothing may land out here
            out[-1] = out[-1]
        notes.append("after")

    guards: list[SoftGuard] = []
    thread = threading.Thread(target=run)
    thread.start()
    assert armed.wait(5)
    for _ in range(fires):
        time.sleep(pause)
        guards[0].fire()
    thread.join(10)
    assert not thread.is_alive()
    return out[0], notes


def spin(notes: list[str]) -> str:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        pass
    return "never interrupted"


def test_a_busy_loop_is_interrupted() -> None:
    result, notes = guarded(spin, 1, 0.02)
    assert (result, notes) == (None, ["after"])


@pytest.mark.slow
def test_fires_at_random_moments_never_escape() -> None:
    for n in range(300):
        result, notes = guarded(lambda notes: sum(range(200)), 50, 0.0 if n % 2 else 0.000_01)
        assert result in (None, 19900)
        assert notes == ["after"]


def test_what_comes_while_shielded_waits_for_the_end_of_it() -> None:
    def work(notes: list[str]) -> str:
        try:
            with shielded, shielded:
                time.sleep(0.1)
                notes.append("inside, whole")
            notes.append("not reached")
        except SoftTimeout:
            notes.append("interrupted after")
        return "tidied up"

    assert guarded(work, 1, 0.02) == ("tidied up", ["inside, whole", "interrupted after", "after"])


def test_a_shield_without_a_guard_costs_nothing_and_does_nothing() -> None:
    with shielded:
        pass
