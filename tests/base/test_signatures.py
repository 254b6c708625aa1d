"""Annotations that nobody can evaluate, in everything whose signature is looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..support import environment, litequeue

pytestmark = [
    pytest.mark.beside,
    pytest.mark.skipif(sys.version_info < (3, 14), reason="before Python 3.14 such a module fails by itself, or needs no help"),
]

MODULE = """
from typing import TYPE_CHECKING
from litequeue import LiteQueue, current_job
if TYPE_CHECKING:
    from nowhere import Order

app = LiteQueue("db.sqlite")

def soon(attempt: int, error: Failure) -> Delay:
    return 0

class Once:
    def next_after(self, moment: Moment) -> Moment | None:
        return None

@app.schedule(Once(), name="once", args=(1,))
@app.task(backoff=soon, retries=1)
def ship(order: Order, how: Later = "fast") -> Parcel:
    if current_job().attempt == 1:
        raise ValueError
    return f"{order} {how}"

@app.on_discarded
def tell(job: dict[str, Order]) -> Nothing:
    print("told of", job["id"])

@app.task
async def coroutine(order: Order) -> Parcel:
    raise ValueError

class Later: ...
"""


def test_a_task_a_backoff_a_trigger_and_a_listener_may_name_what_is_only_there_for_a_type_checker(tmp_path: Path) -> None:
    """PEP 649: @app.task raised NameError."""
    (tmp_path / "orders.py").write_text(MODULE)
    (tmp_path / "enqueue.py").write_text("import orders\norders.ship.delay(7)\norders.ship.delay(order=8)\norders.coroutine.delay(9)")
    subprocess.run([sys.executable, "enqueue.py"], cwd=tmp_path, env=environment(), check=True)
    done = litequeue("worker", "db.sqlite", "--burst", "--import", "orders", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == "told of 3\n"
    assert "schedule once is disabled" not in done.stderr
    shown = litequeue("jobs", "db.sqlite", "--state", "succeeded", cwd=tmp_path).stdout
    assert shown.count("orders.ship") == 2
