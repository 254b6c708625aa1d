"""The supervisor has the alerts looked at while none of its workers does."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli import notify
from litequeue.cli.fleet.states import Child, Phase, Rules
from litequeue.cli.fleet.supervisor import Supervisor
from litequeue.cli.looking import Looking

from ...support import wait_until

pytestmark = [pytest.mark.beside, pytest.mark.skipif(os.name != "posix", reason="a supervisor needs a Unix")]


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    """Of a file that has an alert, and that no worker serves."""
    with LiteQueue(tmp_path / "db.sqlite") as app:
        app.alerts.add("nobody", when="no-worker", for_=0, run=f"cat >> {tmp_path}/told")
    return Supervisor(2, Rules(30, 60), "shop", lambda name: ["false"], notify.Manager(None), Looking(str(tmp_path / "db.sqlite")))


def with_child(supervisor: Supervisor, **fields: object) -> Supervisor:
    child = Child(1, 1, 0.0, None)
    supervisor._fleet = replace(supervisor._fleet, children=(replace(child, **fields),))  # type: ignore[arg-type]
    return supervisor


def reaped(supervisor: Supervisor) -> Callable[[], bool]:
    def is_over() -> bool:
        supervisor._reap()
        return supervisor._looking._child is not None and supervisor._looking._child.returncode is not None

    return is_over


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{}, {"phase": Phase.UP, "stopped_since": 5.0}], ids=["one that is not up", "one that is stopped"])
def test_with_no_worker_at_work_a_command_looks_and_tells(supervisor: Supervisor, tmp_path: Path, fields: dict[str, object]) -> None:
    with_child(supervisor, **fields)._look_at_alerts()
    wait_until(reaped(supervisor), 30)
    assert '"what": "firing"' in (tmp_path / "told").read_text()
    assert supervisor._looking._child is not None and supervisor._looking._child.returncode == 1, "as it ended, though the supervisor reaps all"


def test_with_one_at_work_or_as_it_ends_it_starts_no_command(supervisor: Supervisor) -> None:
    with_child(supervisor, phase=Phase.UP)._look_at_alerts()
    assert supervisor._looking._child is None
    with_child(supervisor)._fleet = replace(supervisor._fleet, is_ending=True)
    supervisor._look_at_alerts()
    assert supervisor._looking._child is None
