"""What an error is called in the file: the same in whichever program its task ran."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..prepared import litequeue
from ..support import environment

pytestmark = [pytest.mark.slow, pytest.mark.beside]

SHOP = """
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

class CardDeclined(Exception):
    pass

@app.task
def charge():
    raise CardDeclined("no funds")

@app.task(pool="process")
def charge_apart():
    raise CardDeclined("no funds")

if __name__ == "__main__":
    charge.delay()
    charge_apart.delay()
    app.run_worker(burst=True)
    charge.delay()
    charge_apart.delay()
"""


def test_an_error_of_a_script_has_the_scripts_name_in_each_pool_and_program(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, env=environment(), check=True, capture_output=True, timeout=60)
    assert litequeue("worker", "db.sqlite", "--burst", cwd=tmp_path).returncode == 0
    with LiteQueue(tmp_path / "db.sqlite") as app:
        infos = app.jobs()
    assert [info.last_error for info in infos] == ["shop.CardDeclined: no funds"] * 4
