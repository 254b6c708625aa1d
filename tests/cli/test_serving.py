"""Who serves a file, as ``stats`` and ``doctor`` show it, and whether the jobs that wait can start."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.doctor import examining as examination
from litequeue.doctor.work import judged
from litequeue.store.inspection import Condition
from litequeue.store.waiting import start_one, word

from .. import sample
from ..prepared import litequeue, worker_process
from ..support import ledger_lines, wait_until
from .test_doctor import doctor, wrong

pytestmark = pytest.mark.beside

SECOND = 1_000_000
NOW = 1_000 * SECOND


def condition(**fields: Any) -> Condition:
    well: dict[str, Any] = {"pid": 7, "dead": False, "leaving": False, "stopped": False, "beat_at": NOW - 2 * SECOND}
    return Condition(**{**well, **fields})


@pytest.mark.parametrize(
    ("fields", "short", "level", "long"),
    [
        ({}, "", "ok", "lives; its last beat was 2.0 s ago"),
        ({"leaving": True, "held": 1, "lease_until": NOW + 50 * SECOND}, "leaving", "ok", "is leaving"),
        ({"dead": True, "held": 3}, "dead", "wrong", "is dead, and held 3 jobs"),
        ({"dead": True, "held": 3, "leaving": True}, "has left", "note", "has left while 3 jobs"),
        ({"dead": None}, "its lock file is gone", "wrong", "no lock file"),
        ({"dead": None, "refused": "x is no folder"}, "its lock file is refused", "wrong", "may live or be dead: x is no folder"),
        (
            {"stopped": True, "beat_at": NOW - 35 * SECOND, "held": 3, "lease_until": NOW + 25 * SECOND},
            "frozen: no beat for 35 s", "wrong",
            ("is frozen: its last beat was 35.0 s ago; it holds 3 jobs; any live worker takes over in 25.0 s, when the "
            "last lease has run out. To have it sooner, wake it (kill -CONT 7) or end it (kill -9 7)"),
        ),
        (
            {"beat_at": NOW - 70 * SECOND, "held": 1, "lapsed": 1, "lease_until": NOW - 10 * SECOND},
            "no beat for 70 s", "wrong", "it keeps its 1 job; a task may hold the GIL",
        ),
        (
            {"stopped": None, "beat_at": NOW - 70 * SECOND, "held": 1, "lapsed": 1, "lease_until": NOW - SECOND},
            "no beat for 70 s", "wrong", "the leases have run out: any live worker takes over",
        ),
        ({"beat_at": NOW - 35 * SECOND}, "no beat for 35 s", "note", "is late"),
        # Beats of --lease 600 come every 100 s.
        ({"beat_at": NOW - 90 * SECOND, "held": 1, "lease_until": NOW + 510 * SECOND}, "", "ok", "lives"),
    ],
)  # fmt: skip
def test_a_worker_is_judged_from_the_outside(fields: dict[str, Any], short: str, level: str, long: str) -> None:
    found = condition(**fields)
    assert word(found, NOW) == short
    assert judged(found, NOW)[0] == level
    assert long in judged(found, NOW)[1]


def notes(db: Path) -> list[str]:
    return [worker["note"] for worker in json.loads(litequeue("stats", db, "--json").stdout)["workers"]]


@pytest.mark.slow
def test_frozen_and_dead_workers_stand_out_in_stats_and_doctor_says_what_they_hold(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    sample.wait_at_gate.delay(str(ledger), str(tmp_path / "gate"))
    with worker_process(db, "--name", "anna") as worker:
        wait_until(lambda: ledger_lines(ledger))
        assert notes(db) == [""]
        worker.send_signal(signal.SIGSTOP)
        wait_until(lambda: notes(db) != [""])
        assert notes(db)[0].startswith("frozen: no beat for")
        assert "frozen: no beat" in litequeue("stats", db).stdout
        text = wrong(doctor(db)[1])["workers"]
        assert "it holds 1 job; any live worker takes over in" in text
        assert f"kill -CONT {worker.pid}" in text
        worker.kill()
        worker.wait()
        assert notes(db) == ["dead"]


@pytest.mark.slow
def test_a_worker_that_left_a_thread_behind_has_left_and_is_nothing_wrong(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    sample.stuck.delay(str(ledger))
    with worker_process(db, "--grace", "0") as worker:
        wait_until(lambda: ledger_lines(ledger))
        worker.terminate()
        worker.communicate(timeout=10)
        assert worker.returncode == 0
    assert notes(db) == ["has left"]
    code, found = doctor(db)
    assert (code, wrong(found)) == (0, {})
    assert [level for level, text in found["workers"] if "has left while 1 job" in text] == ["note"]


def test_without_a_worker_nobody_knows_whether_the_code_is_there(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("strange.task")
        code, found = doctor(db)
        assert code == 0
        ((level, text),) = found["tasks"]
        assert level == "note"
        assert "not known before it has tried" in text


def test_code_that_no_worker_will_take_is_told_without_a_worker_and_commands_need_none(db: Path, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir(0o755)
    module = folder / "tasks_of_it.py"
    module.write_text("raise RuntimeError('is not imported')")
    with LiteQueue(db) as app:
        app.enqueue("litequeue.command", ["true"])
        assert doctor(db)[1]["tasks"] == [("note", f"1 available job waits for a worker, and none serves this file: {start_one(str(db))}")]
        app.enqueue("tasks_of_it.f")
        with contextlib.closing(sqlite3.connect(db)) as connection, connection:
            row = ("tasks_of_it.f", "tasks_of_it", "f", str(folder), "{}", 0)
            connection.execute("INSERT INTO litequeue_tasks VALUES (?, ?, ?, ?, ?, ?)", row)
        module.chmod(0o644)
        assert [level for level, _ in doctor(db)[1]["tasks"]] == ["note"]
        for path, mode in ((module, 0o666), (folder, 0o777)):
            before = path.stat().st_mode
            path.chmod(mode)
            code, found = doctor(db)
            (refused, waits) = found["tasks"]
            assert code == 1 and refused[0] == "wrong" and waits[0] == "note"
            why = f"tasks_of_it in {folder} is not imported, since {path} can be written by others (mode {mode:o}); let nobody else write there"
            assert f"1 job of tasks_of_it.f in queue default cannot start: {why}: chmod go-w {path}, name the code yourself" in refused[1]
            assert why in litequeue("worker", db, "--burst", "--grace", "1").stderr, "in the worker's words"
            path.chmod(before & 0o7777)


def register(app: LiteQueue, slots: dict[str, int], queues: tuple[str, ...] | None = None) -> None:
    """A worker's row whose lock file is lost, so that nobody calls it dead."""
    store = app._client.store
    store.workers.register(name="w", host="h", wake_port=None, queues=queues, slots=slots, now=store_now(app)).close()


def store_now(app: LiteQueue) -> int:
    return app._client.clock.now()


@pytest.mark.parametrize(
    ("slots", "queues", "why"),
    [
        ({"thread": 0, "process": 1}, None, "no worker of its queue has slots for the thread pool"),
        ({"thread": 1}, ("mail",), "no worker serves its queue default"),
        ({"thread": 1}, None, None),
    ],
)
def test_doctor_and_why_waiting_agree(
    db: Path, slots: dict[str, int], queues: tuple[str, ...] | None, why: str | None
) -> None:
    with LiteQueue(db) as app:
        jobs = [app.enqueue("a.task") for _ in range(3)]
        register(app, slots, queues)
        assert jobs[0].why_waiting() == why
        code, found = doctor(db)
        ((level, text),) = found["tasks"]
        assert level == ("ok" if why is None else "wrong")
        if why is not None:
            assert code == 1
            assert text == f"3 jobs of a.task in queue default cannot start: {why}"


def test_a_queue_that_somebody_paused_is_only_noted(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("a.task")
        register(app, {"thread": 1})
        app.pause("default")
        assert doctor(db)[1]["tasks"][0][0] == "note"


def test_stats_shows_the_log_beside_the_file(db: Path) -> None:
    with LiteQueue(db) as app:
        app.send_task("t", ("x" * 150_000,))
        found = json.loads(litequeue("stats", db, "--json").stdout)
        assert found["log_bytes"] > 150_000
        last = litequeue("stats", db).stdout.splitlines()[-1]
        assert last.startswith("file: 4 KB, and ") and last.endswith(" KB in its log (-wal)")


def test_a_disabled_and_a_late_schedule_are_wrong_and_a_file_without_any_is_well(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
        assert found_schedules(db) == [("ok", "0 schedules")]
        for name in ("late", "gone", "well"):
            app.schedules.add(name, "tasks.t", every="1h")
        app.schedules.pause("well")
    assert found_schedules(db) == [("wrong", "2 schedules with a next tick, and no worker serves this file, so none fires")]
    with LiteQueue(db) as app, app.worker(threads=1, processes=0):
        wait_until(lambda: app.stats().workers)
        assert found_schedules(db) == [("ok", "3 schedules, 1 paused")]
    with LiteQueue(db) as app:
        for name in ("late", "gone"):
            app.schedules.pause(name)
        assert found_schedules(db) == [("ok", "3 schedules, 3 paused")]
        for name in ("late", "gone"):
            app.schedules.resume(name)
    with contextlib.closing(sqlite3.connect(db)) as planted, planted:
        planted.execute("UPDATE litequeue_schedules SET next_tick_at = 0, fires_at = 0 WHERE name = 'late'")
        planted.execute("UPDATE litequeue_schedules SET disabled_at = 1, disabled_why = 'so' WHERE name = 'gone'")
    (gone, late) = found_schedules(db)
    assert gone == ("wrong", "gone is disabled: so")
    assert late[0] == "wrong"
    assert "1 schedule with a tick that nobody fired" in late[1]


def found_schedules(db: Path) -> list[tuple[str, str]]:
    return [(f.level, f.text) for f in examination.examine(str(db), full=False) if f.check == "schedules"]
