"""Power cuts: what the device had got by then is a prefix of the commits, and delay() returned after its sync."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..support import environment


@pytest.mark.slow
@pytest.mark.beside
def test_a_log_cut_off_anywhere_holds_a_prefix_of_the_jobs(memory: Path) -> None:
    db = memory / "db.sqlite"
    with LiteQueue(db) as app:
        for n in range(60):
            app.enqueue("t", n)
        app.send_task("t", ("x" * 30_000,))
        wal = Path(f"{db}-wal").read_bytes()
        shutil.copy(db, memory / "base")
    found = []
    for size in range(0, len(wal), 3000):
        cut = memory / "cut.db"
        shutil.copy(memory / "base", cut)
        Path(f"{cut}-wal").write_bytes(wal[:size])
        with sqlite3.connect(cut) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'litequeue_jobs'")
            ids = connection.execute("SELECT id FROM litequeue_jobs ORDER BY id").fetchall() if tables.fetchone()[0] else []
        connection.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{cut}{suffix}").unlink(missing_ok=True)
        assert ids == [(n + 1,) for n in range(len(ids))]
        found.append(len(ids))
    assert found == sorted(found)
    assert found[0] < 3 and found[-1] >= 55  # it did grow with the log


SCRIPT = """
import os, sys
from litequeue import LiteQueue
app = LiteQueue(sys.argv[1], durability=sys.argv[2])
app.enqueue("t")
for n in range(5):
    os.write(2, b"begin\\n")
    app.enqueue("t")
    os.write(2, b"returned\\n")
"""


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(("durability", "synced"), [("full", True), ("normal", False)])
def test_delay_returns_after_the_log_was_synced(db: Path, tmp_path: Path, durability: str, synced: bool) -> None:
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=pwrite64,fdatasync,fsync,write"]
    done = subprocess.run(
        [*words, sys.executable, "-c", SCRIPT, str(db), durability], env=environment(), capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    if b"ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    rounds = re.findall(r'"begin\\n"(.*?)"returned\\n"', trace.read_text(), re.DOTALL)
    assert len(rounds) == 5
    for calls in rounds:
        kinds = re.findall(r"(pwrite64|fdatasync|fsync)\(\d+<[^>]*-wal>", calls)
        assert "pwrite64" in kinds
        assert (kinds[-1] in ("fdatasync", "fsync")) == synced
