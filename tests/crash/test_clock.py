"""The wall clock set forward and back under live workers: no lease is robbed, nothing due is lost or held up."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue

from .. import faults, sample
from ..support import ledger_lines, wait_until

HOUR = 3600


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("hours", [1, 10 * 365 * 24, -1], ids=["an hour on", "ten years on", "an hour back"])
def test_a_clock_that_is_set_robs_nobody_and_stops_nothing(
    sample_app: LiteQueue, db: Path, tmp_path: Path, hours: int
) -> None:
    ledger, gate, clock = tmp_path / "ledger", tmp_path / "gate", tmp_path / "clock"
    running = sample.wait_at_gate.delay(str(ledger), str(gate))
    due = sample.add.apply_async((1, 2), countdown=HOUR // 2)
    fault = f"shift_clock({str(clock)!r})"
    with contextlib.ExitStack() as workers:
        for _ in range(2):
            workers.enter_context(faults.faulty_worker(db, fault, "--lease", "1"))
        wait_until(lambda: ledger_lines(ledger))
        clock.write_text(str(hours * HOUR))
        if hours > 0:
            assert due.get(timeout=10) == 3
        assert sample.add.delay(3, 4).get(timeout=10) == 7  # enqueued by the time as it was
        time.sleep(2.0)  # more than a lease and two looks at it: time for a thief
        assert running.info().attempt == 1
        clock.write_text("0")  # and back again
        assert sample.add.delay(5, 6).get(timeout=10) == 11
        gate.touch()
        assert running.get(timeout=10) == "attempt 1"
    assert len([line for line in ledger_lines(ledger) if line.startswith("start")]) == 1
    assert due.state == ("succeeded" if hours > 0 else "scheduled")
