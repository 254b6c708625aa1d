"""``doctor`` finds each thing that it names, on files that are healthy, busy, damaged or not ours."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base import errors
from litequeue.cli.doctor import exit_code
from litequeue.doctor import host
from litequeue.doctor.examining import examine, sqlite_version
from litequeue.doctor.finding import Finding, refused
from litequeue.doctor.host import file_system, what_others_can
from litequeue.store.inspection import Inspection

from .. import faults, sample
from ..prepared import litequeue, worker_process
from ..support import PROGRAM, environment, ledger_lines, wait_until
from .conftest import Cli

pytestmark = pytest.mark.beside


def doctor(db: Path, *flags: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The exit code, and each check's (level, text)."""
    done = litequeue("doctor", db, "--json", *flags)
    assert done.stderr == ""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in json.loads(done.stdout):
        found.setdefault(line["check"], []).append((line["level"], line["text"]))
    return done.returncode, found


def impatient(db: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The same of one that waits less for a lock, and so in this process."""
    monkeypatch.setattr("litequeue.doctor.examining.PATIENCE", 0.2)
    findings = list(examine(str(db), full=False))
    found: dict[str, list[tuple[str, str]]] = {}
    for finding in findings:
        found.setdefault(finding.check, []).append((finding.level, finding.text))
    return exit_code(findings), found


def wrong(found: dict[str, list[tuple[str, str]]]) -> dict[str, str]:
    return {check: text for check, lines in found.items() for level, text in lines if level not in ("ok", "note")}


def change(db: Path, sql: str, *parameters: Any) -> None:
    with sqlite3.connect(db) as connection:
        connection.execute(sql, parameters)
    connection.close()


@pytest.fixture
def filled(db: Path) -> Path:
    with LiteQueue(db) as app:
        for n in range(3):
            app.enqueue("tests.task", n)
    return db


def test_a_healthy_file_is_exit_0_one_line_each(filled: Path) -> None:
    code, found = doctor(filled, "--full")
    assert (code, wrong(found)) == (0, {})
    assert set(found) - {"process 1"} == {
        "sqlite", "trust", "file", "disk", "integrity", "lock", "wal", "clock", "workers", "tasks", "jobs", "workflows", "schedules", "notices",
    }  # fmt: skip
    assert found["jobs"] == [("ok", "3 available")]
    people = litequeue("doctor", filled)
    assert people.returncode == 0
    assert all(line.split()[0] in ("ok", "note") for line in people.stdout.splitlines())


def test_what_lets_others_decide_what_is_in_the_file_is_told_also_where_that_is_not_opened(filled: Path) -> None:
    assert [level for level, _ in doctor(filled)[1]["trust"]] == ["ok", "ok", "ok"]
    filled.parent.chmod(0o1777)
    code, found = doctor(filled)
    assert (code, found["open"][0][0]) == (4, "unusable")
    assert [level for level, _ in found["trust"]] == ["wrong", "ok", "wrong"]
    assert f"{filled.parent} can be written by others (mode 1777): it is not opened" in found["trust"][0][1]
    filled.parent.chmod(0o700)
    Path(f"{filled}-journal").symlink_to("elsewhere")
    code, found = doctor(filled)
    assert (code, found["open"][0][0]) == (4, "unusable")
    assert [level for level, _ in found["trust"]] == ["ok", "wrong", "ok"]
    assert f"{filled}-journal is a symbolic link: it is not opened" in found["trust"][1][1]


def test_what_is_said_to_be_meant_is_noted_once_and_a_journal_cannot_be_meant(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITEQUEUE_TRUST", "anyone")
    filled.parent.chmod(0o1777)
    code, found = doctor(filled)
    assert code == 0
    assert [level for level, _ in found["trust"]] == ["note", "ok"]
    journal = Path(f"{filled}-journal")
    journal.symlink_to("elsewhere")
    code, found = doctor(filled)
    assert (code, [level for level, _ in found["trust"]]) == (4, ["note", "wrong"])
    assert found["trust"][1][1] == f"{journal} is a symbolic link: it is not opened; look at it, and move it away if it is not yours"
    monkeypatch.delenv("LITEQUEUE_TRUST")
    assert "LITEQUEUE_TRUST" not in doctor(filled)[1]["trust"][1][1], "since it would help nothing"


@pytest.mark.parametrize("suffix", ["-lock", "-workers"])
def test_a_link_beside_the_file_is_to_be_removed_and_what_it_leads_to_is_left_alone(filled: Path, suffix: str, tmp_path: Path) -> None:
    target, link = tmp_path / "target", Path(f"{filled}{suffix}")
    link.unlink(missing_ok=True)
    target.mkdir(mode=0o755) if suffix == "-workers" else target.touch(0o644)
    link.symlink_to(target)
    code, found = doctor(filled)
    assert code != 0 and "chmod" not in str(found)
    advice = f"{link} is a symbolic link, which is refused: stop what uses the database, and remove it: rm {link}"
    assert advice in str(found)
    assert advice in litequeue("worker", filled, "--burst").stderr
    link.unlink()
    assert litequeue("worker", filled, "--burst", "--grace", "1").returncode == 0
    assert (target.stat().st_mode & 0o777) == (0o755 if suffix == "-workers" else 0o644)


@pytest.mark.slow
def test_a_folder_of_locks_that_is_refused_is_told_with_why_and_not_as_locks_that_are_gone(filled: Path) -> None:
    folder = Path(f"{filled}-workers")
    folder.mkdir(mode=0o700)
    columns = "(name, pid, host, lock_file, slots, started_at, heartbeat_at)"
    change(filled, f"INSERT INTO litequeue_workers {columns} VALUES ('w', 1, 'h', '0123456789abcdef.lock', '{{}}', 0, 0)")
    assert "somebody deleted it" in str(doctor(filled)[1]["workers"])
    folder.chmod(0o777)
    code, found = doctor(filled)
    said, none = (text for _, text in found["workers"])
    assert code == 1 and "somebody deleted it" not in said
    why = f"{folder} can be written by others (mode 777): others could make live workers look dead. Stop the workers, and move it away"
    assert f"may live or be dead: {why}" in said
    assert f"no worker starts, since {why}" in none
    folder.rename(filled.with_name("away"))  # as it says
    assert litequeue("worker", filled, "--burst").returncode == 0


def test_a_variable_that_names_no_zone_is_noted(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berln")
    code, found = doctor(filled)
    assert code == 0
    ((level, text),) = found["zone"]
    assert level == "note" and "the variable TZ, which names no zone" in text and "did you mean Europe/Berlin" in text
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert "zone" not in doctor(filled)[1]


@pytest.mark.parametrize("content", [None, b"hello " * 999, "another app's"], ids=["missing", "text", "other"])
def test_a_file_that_is_none_of_ours_is_exit_4_and_left_alone(db: Path, content: bytes | str | None) -> None:
    if isinstance(content, bytes):
        db.write_bytes(content)
    elif content:
        change(db, "CREATE TABLE theirs (x)")
    before = db.read_bytes() if db.exists() else None
    code, found = doctor(db)
    assert code == 4
    assert list(wrong(found)) == ["open"]
    assert (db.read_bytes() if db.exists() else None) == before


@pytest.mark.slow
def test_damage_is_exit_3_and_the_file_is_left_alone(db: Path) -> None:
    with LiteQueue(db) as app:
        app.send_task("t", ("x" * 50_000,))
        for n in range(500):
            app.enqueue("t", n)
    size = os.path.getsize(db)
    with open(db, "r+b") as file:
        for page in range(3, size // 4096, 3):
            file.seek(page * 4096)
            file.write(os.urandom(300))
    before = hashlib.sha256(db.read_bytes()).hexdigest()
    code, found = doctor(db)
    assert code == 3
    assert any(level == "damaged" for lines in found.values() for level, _ in lines)
    assert hashlib.sha256(db.read_bytes()).hexdigest() == before


def test_of_a_large_file_the_whole_is_read_when_that_is_asked_for(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.store.inspection.SMALL_BYTES", 1_000)
    (level, text), = impatient(filled, monkeypatch)[1]["integrity"]
    assert level == "ok" and "--full" in text
    assert doctor(filled, "--full")[1]["integrity"] == [("ok", "every table and index entry")]


@pytest.mark.slow
def test_a_held_write_lock_names_its_holder_and_the_rest_is_still_told(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faults.hog_of_the_gate(filled) as holder:
        code, found = impatient(filled, monkeypatch)
    assert code == 75
    assert found["lock"][0][0] == "busy"
    assert f"process {holder.pid}" in wrong(found)["lock"]
    assert found["jobs"] == [("ok", "3 available")]
    assert found["integrity"][0][0] == "ok"


def test_what_others_can_read_or_write_is_told(filled: Path) -> None:
    filled.chmod(0o666)
    code, found = doctor(filled)
    assert code == 1
    assert f"chmod go= {filled}" in wrong(found)["file"]
    for name in (f"{filled}-wal", f"{filled}-shm"):
        assert name not in str(found["file"]), "it is gone by now"
    with LiteQueue(filled) as app:
        app.enqueue("t")
        assert f"chmod go= {filled}-wal" in str(doctor(filled)[1]["file"])
    assert "its group can read and write it, everybody can read and write it" in wrong(found)["file"]
    assert "import no code" in wrong(found)["trust"]


def test_what_is_foreign_in_the_schema_is_told_all_of_it(filled: Path) -> None:
    change(filled, "CREATE TRIGGER spy AFTER INSERT ON litequeue_jobs BEGIN SELECT 1; END")
    change(filled, "DROP VIEW litequeue_jobs_readable")
    change(filled, "CREATE VIEW litequeue_jobs_readable AS SELECT 1")
    code, found = doctor(filled)
    assert code == 4
    ((level, text),) = found["open"]
    assert level == "unusable"
    assert "the trigger spy on litequeue_jobs, the view litequeue_jobs_readable, which is not as litequeue makes it" in text


def test_odd_rows_are_told(filled: Path) -> None:
    change(filled, "UPDATE litequeue_jobs SET created_at = created_at + 3600000000 WHERE id = 1")
    change(filled, "UPDATE litequeue_jobs SET run_at = run_at - 3600000000, created_at = created_at - 3600000000 WHERE id = 2")
    code, found = doctor(filled)
    assert code == 1
    assert "the clock was set back" in wrong(found)["clock"]
    assert "has waited for 60 min" in wrong(found)["jobs"]


@pytest.mark.slow
def test_a_reader_that_keeps_the_log_long_is_told_with_its_process(filled: Path) -> None:
    reader = sqlite3.connect(filled)
    cursor = reader.execute("SELECT id FROM litequeue_jobs")
    cursor.fetchone()
    try:
        with LiteQueue(filled) as app:
            for _ in range(24):
                app.send_task("t", ("x" * 1_000_000,))
        code, found = doctor(filled)
    finally:
        reader.close()
    assert code == 1
    assert f"is held by {os.getpid()} (uid {os.geteuid()})" in wrong(found)["wal"]


@pytest.mark.slow
def test_workers_that_are_dead_frozen_or_without_code_are_told(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    sample.record.delay(str(ledger), 1)
    sample_app.enqueue("strange.task")
    with worker_process(db, "--name", "good") as worker:
        wait_until(lambda: ledger_lines(ledger))
        wait_until(lambda: sample_app.stats().workers[0].unknown_tasks)
        code, found = doctor(db)
        assert code == 1
        assert list(wrong(found)) == ["tasks"]
        assert "strange.task" in wrong(found)["tasks"]
        assert found["workers"][0][0] == "ok"
        worker.send_signal(signal.SIGSTOP)
        assert "good" in wrong(doctor(db)[1])["workers"]
        assert "is frozen" in wrong(doctor(db)[1])["workers"]
        worker.kill()
        worker.wait()
        assert "is dead" in wrong(doctor(db)[1])["workers"]


def test_versions_of_sqlite_and_kinds_of_file_systems() -> None:
    for version, affected in (((3, 40, 1), True), ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 2), True),
                              ((3, 51, 3), False), ((3, 53, 0), False)):  # fmt: skip
        assert ("can lose commits" in sqlite_version(version).text) == affected
    assert file_system("/proc/self/status") == "proc"
    # In a chroot the table has only what is mounted below its root, and then nobody can tell.
    root_is_known = any(line.split()[4] == "/" for line in Path("/proc/self/mountinfo").read_text().splitlines())
    assert root_is_known == (file_system("/") is not None)


# -- files in trouble that are not damaged --------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "level", "code"),
    [
        (errors.QueueBusy, "busy", 75), (errors.StorageFull, "full", 75), (errors.StorageFailed, "failing", 75),
        (errors.CannotOpen, "unusable", 4), (errors.NotAQueue, "unusable", 4), (errors.StoreError, "unusable", 4),
        (errors.DatabaseCorrupt, "damaged", 3), (errors.DatabaseReplaced, "damaged", 3),
        (errors.SchemaTooNew, "damaged", 3),
    ],
)  # fmt: skip
def test_a_refused_check_is_as_bad_as_its_error_is_anywhere(
    error: type[errors.LitequeueError], level: str, code: int
) -> None:
    finding = refused("wal", error("x"))
    assert (finding.level, exit_code([finding])) == (level, code)


def test_the_worst_finding_decides_the_exit_code() -> None:
    order = ["ok", "note", "wrong", "busy", "full", "failing", "unusable", "damaged"]
    codes = [exit_code([Finding("x", level, "") for level in order[:n]]) for n in range(1, len(order) + 1)]
    assert codes == [0, 0, 1, 75, 75, 75, 4, 3]


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    with faults.small_disk(tmp_path / "disk") as disk:
        db = disk.path / "db"
        with LiteQueue(db) as app:
            app.enqueue("t")
            disk.fill()
            code, found = doctor(db)
        assert code == 75
        assert "full" in {level for lines in found.values() for level, _ in lines}
        assert "damaged" not in {level for lines in found.values() for level, _ in lines}


def test_a_file_that_another_program_keeps_to_itself_is_busy(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        code, found = impatient(filled, monkeypatch)
    finally:
        other.close()
    assert code == 75
    assert found["open"][0][0] == "busy"


def test_a_lock_file_that_cannot_be_opened_is_exit_4(filled: Path) -> None:
    lock = Path(f"{filled}-lock")
    lock.unlink()
    lock.symlink_to("elsewhere")
    code, found = doctor(filled)
    assert code == 4
    assert found["lock"][0][0] == "unusable"
    assert found["jobs"] == [("ok", "3 available")]


@pytest.mark.parametrize("mode", [0o755, 0o700], ids=oct)
def test_no_modes_are_advised_for_what_is_no_queue(tmp_path: Path, mode: int) -> None:
    folder, text = tmp_path / "folder", tmp_path / "text"
    folder.mkdir(mode)
    text.write_text("hello " * 999)
    text.chmod(0o644)
    for path in (folder, text, Path("/dev/null")):
        done = litequeue("doctor", path)
        assert done.returncode == 4
        assert "chmod" not in done.stdout


def test_the_modes_are_put_in_words() -> None:
    assert what_others_can(0o100600) == ""
    assert what_others_can(0o100644) == "its group can read it, everybody can read it"
    assert what_others_can(0o100620) == "its group can write it"
    assert what_others_can(0o040755) == "its group can read and enter it, everybody can read and enter it"


def test_a_file_system_in_memory_is_noted(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "file_system", lambda path: "tmpfs")
    (finding,) = [f for f in host.disk(str(filled)) if "tmpfs" in f.text]
    assert finding.level == "note"
    assert "gone when the machine restarts" in finding.text


@pytest.mark.parametrize(
    ("kind", "level", "says"),
    [(kind, "wrong", "the file may be damaged: keep it on a disk of this system") for kind in ("nfs4", "cifs", "9p", "virtiofs", "fakeowner", "fuse.grpcfuse")]
    + [(kind, "note", "a program serves it") for kind in ("fuse", "fuse.mergerfs", "fuseblk")]
    + [(kind, "ok", "") for kind in ("ext4", "overlay", "fusectl")],
)
def test_file_systems_that_are_not_a_disk_of_this_system_are_told(filled: Path, monkeypatch: pytest.MonkeyPatch, kind: str, level: str, says: str) -> None:
    monkeypatch.setattr(host, "file_system", lambda path: kind)
    (finding,) = [f for f in host.disk(str(filled)) if f"file system {kind}" in f.text]
    assert finding.level == level and says in finding.text


@pytest.mark.slow
def test_a_shell_as_process_1_is_noted_since_it_passes_no_signal_on(filled: Path) -> None:
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs unshare, and leave to make a PID namespace")
    command = shlex.join([*PROGRAM, "doctor", str(filled)])
    said = []
    for line in (f"{command}; true", f"exec {command}"):
        done = subprocess.run([*unshare, "sh", "-c", line], cwd=filled.parent, env=environment(), check=False, capture_output=True, text=True, timeout=30)
        said.append([line for line in done.stdout.splitlines() if "process 1" in line])
    assert said[1] == []
    assert "the first process here is a shell, sh, which passes no SIGTERM on" in said[0][0] and said[0][0].startswith("note")


def test_damage_is_a_line_each_and_ends_with_what_to_do(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = "*** in database main ***\nPage 9: never used\nPage 10: never used"
    monkeypatch.setattr(Inspection, "damage", lambda self, full: [report])
    texts = [f.text for f in examine(str(filled), full=False) if f.check == "integrity"]
    assert texts[:2] == ["Page 9: never used", "Page 10: never used"]
    assert texts[2].endswith(f"sqlite3 {filled} .recover")
    assert len(texts) == 3


@pytest.mark.slow
def test_a_job_that_keeps_its_schedule_from_going_on_is_wrong(cli: Cli, db: Path) -> None:
    with LiteQueue(db) as app, app.worker(threads=1, name="w"):
        app.schedules.add("nightly", "gone.f", every="1s")
        (job,) = wait_until(lambda: app.jobs(limit=1))
        app.schedules.pause("nightly")
        with app._client.store.database.write(durable=False) as connection:
            connection.execute("UPDATE litequeue_jobs SET state = 'running', worker_id = 1, lease_expires_at = 1e16 WHERE id = ?", (job.id,))
            connection.execute("UPDATE litequeue_ticks SET tick_at = tick_at - 7200000000")
            connection.execute("UPDATE litequeue_schedules SET anchor_at = anchor_at - 7200000000")
        done = cli("doctor", db)
        assert done.code == 1
        assert f"nightly does not go on: its job {job.id} has not ended since its tick 2.0 h ago" in done.out
        with app._client.store.database.write(durable=False) as connection:
            connection.execute("UPDATE litequeue_schedules SET overlap = 'allow'")
        assert "does not go on" not in cli("doctor", db).out
