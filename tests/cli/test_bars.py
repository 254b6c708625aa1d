"""``stats`` on a terminal: beside each queue what runs and what waits."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli import bars, main

from .conftest import Cli, Terminal


def test_a_bar_is_as_long_as_its_queue_is_full_and_none_that_is_not_empty_has_none() -> None:
    drawn = bars.bars([{"available": 90, "running": 10}, {"available": 40}, {"running": 1}, {"discarded": 7}, {"available": 1, "running": 1}])
    waits, runs = "▒" if "▒" in drawn[0] else ".", "█" if "█" in drawn[0] else "#"
    assert drawn == [runs * 2 + waits * 18, waits * 8, runs, "", runs]
    assert bars.bars([{"discarded": 3}, {}]) == [] == bars.bars([])


def test_a_terminal_has_them_and_a_pipe_has_not(app: LiteQueue, db: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for queue in ("mail", "mail", "slow"):
        app.send_task("t", queue=queue)
    assert "WAITS" not in cli("stats", db).out
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["stats", str(db)]) == 0
    head, mail, slow = terminal.getvalue().splitlines()[:3]
    assert head.endswith("WAITS") and len(mail.split()[-1]) == bars.BAR and len(slow.split()[-1]) == bars.BAR / 2
