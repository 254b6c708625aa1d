"""Telling of discarded jobs: each once, however it came to be discarded, by whom and whatever dies meanwhile."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from litequeue import Discard, LiteQueue
from litequeue.commands.notices import Listeners, of_job
from litequeue.doctor import work
from litequeue.store import Store
from litequeue.store.inspection import Inspection
from litequeue.task import Task
from litequeue.worker.config import WorkerConfig
from litequeue.worker.discovery import Catalogue
from litequeue.worker.patience import Patience
from litequeue.worker.reporting import BATCH, Reporter
from litequeue.worker.services.declaring import Declarer
from litequeue.worker.services.scheduler import Scheduler

from ..faults import hog_of_the_gate
from ..older import made_by
from ..support import FakeClock, environment, new_job, wait_until, worker_process

pytestmark = pytest.mark.beside

NOW = 1_700_000_000_000_000
PUT = "cat >> {0}; echo >> {0}"
FLAGS = ("--threads", 2, "--processes", 0, "--async", 4)

ALWAYS = Patience(30.0, lambda: math.inf, lambda: 0.0)


class Office:
    """A file with discarded jobs, and what is told of them; the clock is the test's."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store, self.clock = store, clock

    def reporter(self, on_failure: str | None = None, *handlers: Task[..., Any]) -> Reporter:
        codes = {task.name: task.__litequeue_code__ for task in handlers}
        return Reporter(self.store, Catalogue(codes, path=self.store.path, origin=None, monotonic=lambda: 0.0), on_failure, None, ALWAYS)

    def discard(self, count: int = 1, **fields: Any) -> list[int]:
        ids = list(self.store.jobs.enqueue_many(new_job(**fields), [("[]", "{}")] * count)[0])
        now = self.clock.now()
        self.sql(
            "UPDATE litequeue_jobs SET state = 'discarded', finished_at = ?, prune_at = ?, last_error = 'E: no'"
            " WHERE state = 'available' AND id >= ?", now, now, ids[0]
        )  # fmt: skip
        return ids

    def sql(self, text: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.store.path, isolation_level=None)) as connection:
            return connection.execute(text, values).fetchall()

    def told(self) -> list[int]:
        """The jobs that commands were told of."""
        rows = self.sql("SELECT kwargs FROM litequeue_jobs WHERE kwargs LIKE '{%\"stdin\":%' ORDER BY id")
        return [json.loads(json.loads(kwargs)["stdin"])["job"]["id"] for (kwargs,) in rows]

    def untold(self) -> int:
        return len(self.store.notices.unreported(10_000))


@pytest.fixture
def office(store: Store, clock: FakeClock) -> Office:
    return Office(store, clock)


# -- who is told, and once -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_many_that_are_discarded_at_once_are_all_told_and_once(office: Office) -> None:
    ids = office.discard(2 * BATCH + 50)
    reporter = office.reporter("notify")
    assert reporter.report(office.clock)
    assert office.told() == ids
    assert not reporter.report(office.clock)
    assert office.told() == ids


def test_two_workers_that_look_at_the_same_moment_tell_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = office.discard(3)
    one, other = office.reporter("notify"), office.reporter("notify")
    report = office.store.notices.report

    def meanwhile(*args: Any) -> int:
        monkeypatch.setattr(office.store.notices, "report", report)
        assert other.report(office.clock)
        return report(*args)

    monkeypatch.setattr(office.store.notices, "report", meanwhile)
    assert not one.report(office.clock)
    assert office.told() == ids


def test_a_worker_that_knows_of_nobody_leaves_a_job_for_a_minute_to_those_that_do(office: Office) -> None:
    ids = office.discard(BATCH + 5)
    deaf = office.reporter()
    assert not deaf.report(office.clock)
    office.clock.advance(59)
    assert not deaf.report(office.clock)
    assert office.reporter("notify").report(office.clock)
    assert office.told() == ids


def test_when_nobody_asked_nobody_is_told_and_each_is_ticked_off(office: Office) -> None:
    office.discard(BATCH + 5)
    deaf = office.reporter()
    deaf.report(office.clock)
    assert office.untold() == BATCH + 5
    office.clock.advance(61)
    assert not deaf.report(office.clock)
    assert office.untold() == 0
    assert not office.reporter("too late").report(office.clock)
    assert office.told() == []
    assert deaf._left == {}


def test_a_clock_that_was_set_back_leaves_nothing_untold_for_ever(office: Office) -> None:
    office.discard()
    office.clock.wall -= 86_400 * 1_000_000
    office.reporter().report(office.clock)
    assert office.untold() == 0


def test_nothing_is_told_of_what_was_discarded_before_the_upgrade(db: Path, clock: FakeClock) -> None:
    with closing(sqlite3.connect(made_by(1, db))) as old, old:
        old.execute(
            "INSERT INTO litequeue_jobs (task, state, finished_at, prune_at, created_at) VALUES ('t', 'discarded', 1, ?, 1)",
            (NOW * 2,),
        )
    with closing(Store(str(db))) as store:
        office = Office(store, clock)
        ids = office.discard()
        assert office.reporter("notify").report(clock)
        assert office.told() == ids
        assert len(office.sql("SELECT id FROM litequeue_jobs WHERE state = 'discarded'")) == 2


def test_a_job_that_was_revived_and_is_discarded_again_is_told_again(office: Office) -> None:
    (job,) = office.discard()
    office.clock.advance(1)
    reporter = office.reporter("notify")
    reporter.report(office.clock)
    assert office.store.operations.revive(job, office.clock.now())
    office.sql("UPDATE litequeue_jobs SET state = 'discarded', finished_at = 1, prune_at = ? WHERE id = ?", NOW * 2, job)
    reporter.report(office.clock)
    assert office.told() == [job, job]


def test_of_a_telling_that_was_revived_and_failed_again_nobody_is_told(office: Office) -> None:
    office.discard()
    reporter = office.reporter("notify")
    reporter.report(office.clock)
    ((notice,),) = office.sql("SELECT id FROM litequeue_jobs WHERE task = 'litequeue.command'")
    fail = "UPDATE litequeue_jobs SET state = 'discarded', finished_at = 1, prune_at = ? WHERE id = ?"
    office.sql(fail, NOW * 2, notice)
    assert office.store.operations.revive(notice, office.clock.now())
    office.sql(fail, NOW * 2, notice)
    assert not reporter.report(office.clock)


def test_a_schedules_command_and_the_workers_are_told_and_the_same_one_once(db: Path, office: Office) -> None:
    with LiteQueue(db, clock=office.clock) as app:
        for name, command in (("own", "own"), ("same", "notify")):
            app.schedules.add(name, "tasks.f", every="1d", on_failure=command)
            job = app.schedules.run_now(name)
            office.sql("UPDATE litequeue_jobs SET state = 'discarded', finished_at = 1, prune_at = ? WHERE id = ?", NOW * 2, job.id)
    office.reporter("notify").report(office.clock)
    rows = office.sql("SELECT json_extract(kwargs, '$.command') FROM litequeue_jobs WHERE task = 'litequeue.command'")
    assert sorted(command for (command,) in rows) == ["notify", "notify", "own"]


# -- what must not stop it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("last_error", "CAST(x'fffe' AS TEXT)"),
        ("task", "CAST(x'ff' AS TEXT)"),
        ("created_at", "9223372036854775807"),
        ("finished_at", "-9223372036854775808"),
        ("timeout", "9223372036854775807"),
        ("args", "printf('%.*c', 2000000, '\"')"),
        ("args", "'[' || printf('%.*c', 100000, '[')"),
        ("result", "'NaN'"),
        ("queue", "'a' || char(10) || 'b'"),
        ("task", "'litequeue.command'"),
    ],
)
def test_a_planted_row_neither_stops_the_worker_nor_keeps_the_others_from_being_told(
    office: Office, column: str, value: str
) -> None:
    (bad, good) = office.discard(2)
    office.sql(f"UPDATE litequeue_jobs SET {column} = {value} WHERE id = {bad}")
    reporter = office.reporter("notify")
    assert reporter.report(office.clock)
    assert office.told() in ([good], [bad, good])
    assert office.untold() == 0
    assert not office.reporter().report(office.clock)


def test_a_job_that_is_as_large_as_can_be_is_told_of(db: Path, office: Office) -> None:
    with LiteQueue(db, clock=office.clock) as app:
        app.enqueue("tasks.f", '"' * 500_000)
    (job,) = (1,)
    office.sql("UPDATE litequeue_jobs SET state = 'discarded', finished_at = 1, prune_at = ?", NOW * 2)
    assert office.reporter("notify").report(office.clock)
    assert office.told() == [job]


# -- however it was discarded --------------------------------------------------------------------------------

CODE = """
import os
from litequeue import Discard, LiteQueue

app = LiteQueue("db.sqlite")

def note(word, job):
    with open({ledger!r}, "a") as file:
        file.write(word + " " + str(job["id"]) + " " + str(job["last_error"]) + chr(10))

@app.on_discarded
def sync(job):
    note("sync", job)

@app.on_discarded
async def coroutine(job):
    note("async", job)

@app.on_discarded
@app.task(retries=2, backoff=0.01)
def fails(job):
    note("fails", job)
    raise RuntimeError("no")

@app.task
def failing():
    raise ValueError("bad")

@app.task
def giving_up():
    raise Discard("hopeless")

@app.task(pool="process")
def killing():
    import signal
    os.kill(os.getppid(), signal.SIGKILL)
    import time
    time.sleep(30)

@app.task(at_most_once=True)
def killing_once():
    os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_each_kind_of_end_is_told_to_each_handler_once_and_handlers_are_told_of_no_handler(tmp_path: Path, db: Path) -> None:
    ledger = tmp_path / "ledger"
    (tmp_path / "tasks_told.py").write_text(CODE.format(ledger=str(ledger)))
    enqueue = "import tasks_told as t; print(t.failing.delay().id, t.giving_up.delay().id, t.killing_once.delay().id)"
    done = subprocess.run([sys.executable, "-c", enqueue], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    failing, giving_up, once = done.stdout.split()
    with closing(sqlite3.connect(db)) as planted, planted:
        (unknown,) = planted.execute("INSERT INTO litequeue_jobs (task) VALUES ('not a name') RETURNING id").fetchone()
        (convicted,) = planted.execute(  # its third death
            "INSERT INTO litequeue_jobs (task, interruptions, attempt, max_attempts) VALUES ('tasks_told.killing_once', 2, 2, 1)"
            " RETURNING id"
        ).fetchone()
    ids = {failing, giving_up, once, str(unknown), str(convicted)}

    def lines() -> list[str]:
        return ledger.read_text().splitlines() if ledger.exists() else []

    def all_told() -> bool:
        with closing(sqlite3.connect(db)) as looker:
            sql = "SELECT count(*) FROM litequeue_jobs WHERE finished_at IS NULL"
            return len(lines()) >= 5 * (2 + 3) and looker.execute(sql).fetchone() == (0,)

    for _ in range(3):  # two of the jobs each kill a worker
        with worker_process(db, *FLAGS, cwd=tmp_path, wait=False) as worker:
            wait_until(lambda worker=worker: worker.poll() is not None or all_told(), 20)
            if worker.poll() is None:
                break
    assert {tuple(line.split(" ")[:2]) for line in lines()} == {(word, job) for job in ids for word in ("sync", "async", "fails")}
    # A handler that ran while a worker was killed runs again; but there is one job for each to be told.
    with closing(sqlite3.connect(db)) as looker:
        rows = looker.execute(
            "SELECT task, json_extract(args, '$[0].id'), failures FROM litequeue_jobs WHERE args <> '[]' ORDER BY task, id"
        ).fetchall()
    handlers = {"tasks_told.sync": 0, "tasks_told.coroutine": 0, "tasks_told.fails": 3}
    assert sorted(rows) == sorted((task, int(job), failed) for task, failed in handlers.items() for job in ids)
    assert all_told()


@pytest.mark.slow
def test_a_kill_between_the_discard_and_the_telling_loses_nothing(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    job = app.send_task("litequeue.command", (), {"argv": ["false"]})
    script = (
        "import os, sys\nfrom litequeue.worker.reporting import Reporter\nfrom litequeue.store.notices import Notices\n"
        "Notices.report = lambda *_: os.kill(os.getpid(), 9)\n"
        "from litequeue.cli import main\nsys.exit(main())"
    )
    words = (sys.executable, "-c", script)
    on_failure = ("--on-failure", PUT.format(told))
    with worker_process(db, *FLAGS, *on_failure, wait=False, program=words) as worker:
        assert worker.wait(20) == -signal.SIGKILL
    assert job.state == "discarded"
    assert not told.exists()
    for _ in range(2):
        with app.worker(threads=2, burst=True, on_failure=PUT.format(told)) as burst:
            assert burst.join(20)
    (event,) = [json.loads(line) for line in told.read_text().splitlines() if line]
    assert (event["event"], event["job"]["id"], event["job"]["state"]) == ("discarded", job.id, "discarded")


def run(app: LiteQueue) -> None:
    with app.worker(threads=2, processes=0, async_=4, burst=True) as worker:
        worker.join(20)


@pytest.mark.slow
def test_an_embedded_worker_tells_its_apps_handlers_which_fail_without_being_told_of(app: LiteQueue) -> None:
    told: list[tuple[str, int]] = []

    @app.task
    def failing() -> None:
        raise ValueError("bad")

    @app.task
    def hopeless() -> None:
        raise Discard("never")

    @app.on_discarded
    def plain(job: dict[str, Any]) -> None:
        told.append(("plain", job["id"]))

    @app.on_discarded
    async def coroutine(job: dict[str, Any]) -> None:
        told.append(("coroutine", job["id"]))

    @app.on_discarded
    @app.task(retries=1, backoff=0.001)
    def broken(job: dict[str, Any]) -> None:
        told.append(("broken", job["id"]))
        raise RuntimeError(job["last_error"])

    ids = [failing.delay().id, hopeless.delay().id]
    run(app)
    wait_until(lambda: not app.jobs(state="retrying") or run(app))
    run(app)
    names = ("plain", "coroutine", "broken", "broken")
    assert sorted(told) == sorted((name, id_) for id_ in ids for name in names)
    assert [info.state for info in app.jobs(task=broken.name)] == ["discarded", "discarded"]
    assert plain.__litequeue_code__.columns.max_attempts == 4


@pytest.mark.parametrize("how", ["succeeded", "cancelled", "expired"])
def test_of_other_ends_nobody_is_told(office: Office, how: str) -> None:
    office.discard()
    office.sql("UPDATE litequeue_jobs SET state = ?", how)
    assert not office.reporter("notify").report(office.clock)


# -- missed ticks, and mail ----------------------------------------------------------------------------------


def test_a_tick_that_was_missed_beyond_its_grace_is_told_to_the_schedules_command_and_the_workers(
    db: Path, office: Office
) -> None:
    with LiteQueue(db, clock=office.clock) as app:
        app.schedules.add("backup", "tasks.f", every="1d", grace="1h", on_failure="own", queue="q")
        app.schedules.add("quiet", "tasks.f", every="1d", grace="1h")
    office.clock.advance(86_400 + 7_200)
    catalogue = Catalogue({}, path=office.store.path, origin=None, monotonic=lambda: 0.0)
    for config in (WorkerConfig(on_failure="all"), WorkerConfig(on_failure="all")):
        declarer = Declarer(office.store, catalogue, office.clock, None)
        Scheduler(office.store, office.clock, None, declarer, config, lambda fires: None).tick()
    rows = office.sql("SELECT kwargs, queue FROM litequeue_jobs WHERE task = 'litequeue.command'")
    told = sorted(((c := json.loads(k))["command"], json.loads(c["stdin"])["schedule"], queue) for k, queue in rows)
    assert told == [("all", "backup", "q"), ("all", "quiet", "default"), ("own", "backup", "q")]
    event = json.loads(json.loads(rows[0][0])["stdin"])
    assert event["event"] == "missed" and "grace of 1h" in event["ticks"][0]["reason"]


def test_an_address_that_nobody_can_parse_touches_neither_the_tick_nor_the_other_listeners(db: Path, office: Office) -> None:
    with LiteQueue(db, clock=office.clock) as app:
        app.schedules.add("backup", "tasks.f", every="1d", grace="1h", on_failure="own", mail_to="ann")
    office.sql("UPDATE litequeue_schedules SET mail_to = ?", 'a@[,<@,", =?utf-8?q?x=0A?=,ann')
    office.clock.advance(86_400 + 7_200)
    catalogue = Catalogue({}, path=office.store.path, origin=None, monotonic=lambda: 0.0)
    declarer = Declarer(office.store, catalogue, office.clock, None)
    Scheduler(office.store, office.clock, None, declarer, WorkerConfig(), lambda fires: None).tick()
    told = [json.loads(kwargs) for (kwargs,) in office.sql("SELECT kwargs FROM litequeue_jobs WHERE task = 'litequeue.command'")]
    assert [call.get("command") or call["stdin"].splitlines()[0] for call in told] == ["own", "To: ann"]
    assert office.sql("SELECT disabled_at FROM litequeue_schedules") == [(None,)]


@pytest.mark.slow
def test_a_mail_goes_through_the_hosts_sendmail(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "sendmail"
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\ncat > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/mail\n')
    fake.chmod(0o700)
    app.send_task("litequeue.command", (), {"command": "echo all of it; echo 'Ärger' >&2; exit 3"})
    env = {**environment(), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    with worker_process(db, *FLAGS, "--burst", "--mail-to", "ops@example.org", wait=False, env=env) as worker:
        assert worker.wait(20) == 0
    assert (tmp_path / "args").read_text() == "-i -t\n"
    import email
    import email.policy

    mail: Any = email.message_from_bytes((tmp_path / "mail").read_bytes(), policy=email.policy.default)
    assert mail["To"] == "ops@example.org"
    assert mail["Subject"].startswith("litequeue on ") and "job 1 (litequeue.command) was discarded" in mail["Subject"]
    assert "CommandFailed: exit code 3 after 0.0 s: Ärger" in mail["Subject"]
    text = mail.get_content()
    assert "It printed:\n\nall of it\nÄrger\n" in text or "It printed:\n\nÄrger\nall of it\n" in text
    job = json.loads(text[text.index("\n{") :])["job"]
    assert {(piece["stream"], piece["text"]) for piece in job["output"]} >= {("stdout", "all of it\n"), ("stderr", "Ärger\n")}


def test_a_file_that_takes_no_writes_delays_the_telling_and_that_is_known(db: Path, office: Office) -> None:
    office.discard()
    reporter = office.reporter("tell")
    office.store.database.patience = 0.05
    with hog_of_the_gate(db):
        assert not reporter.report(office.clock)
        assert reporter.refused  # the worker's next slow look tries again
    assert reporter.report(office.clock)
    assert not reporter.refused
    assert office.sql("SELECT count(*) FROM litequeue_jobs WHERE task = 'litequeue.command'") == [(1,)]


def test_of_a_long_output_the_end_is_told() -> None:
    pieces = [{"attempt": 1, "number": n, "stream": "stdout", "at": "", "text": f"{n:04}" * 1_000} for n in range(100)]
    job = {"id": 1, "schedule": "s", "task": "t", "last_error": "e", "queue": "q", "attempts": [], "output": pieces}
    command, mail = of_job(job, Listeners(("tell",), ("ops@x",)), "host", 0)
    told = json.loads(json.loads(command.kwargs)["stdin"])["job"]
    assert told["left_out"] == ["all but the end of the output"]
    assert [piece["number"] for piece in told["output"]] == [95, 96, 97, 98, 99]
    assert "0095" in json.loads(mail.kwargs)["stdin"] and "0094" not in json.loads(mail.kwargs)["stdin"]


@pytest.mark.slow
def test_who_could_not_be_told_is_found_by_the_doctor(app: LiteQueue, db: Path) -> None:
    app.send_task("litequeue.command", (), {"argv": ["false"]})
    app.on_discarded(_broken)
    with app.worker(threads=1, processes=0, async_=1, burst=True) as worker:
        worker.join(20)
    store = app._client.store
    (finding,) = work.notices(store, Inspection(store.database))
    assert finding.level == "wrong"
    with store.database.write(durable=False) as planted:  # as it is between two attempts
        planted.execute("UPDATE litequeue_jobs SET state = 'retrying', finished_at = NULL, prune_at = NULL WHERE id = 2")
    (soon,) = work.notices(store, Inspection(store.database))
    assert soon.level == "wrong" and "1 failure could not be told so far to somebody who asked" in soon.text
    with store.database.write(durable=False) as planted:
        planted.execute("UPDATE litequeue_jobs SET state = 'discarded', finished_at = 1, prune_at = 1 WHERE id = 2")
    assert "1 failure could not be told to somebody who asked, the last by job 2: " in finding.text
    assert "nobody is there" in finding.text
    app.job(2).retry()
    assert [finding.level for finding in work.notices(store, Inspection(store.database))] == ["ok"]


def _broken(job: dict[str, Any]) -> None:
    raise Discard("nobody is there")


@pytest.mark.slow
def test_a_worker_that_was_given_its_code_says_nothing_of_tasks_of_which_another_has_failed(
    app: LiteQueue, db: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @app.task(name="elsewhere.f")
    def f() -> None:
        raise ValueError

    first = f.delay()
    with app.worker(threads=1):
        wait_until(lambda: first.state == "discarded")
    with LiteQueue(db) as stranger, stranger.worker(threads=1, on_failure="true", name="w"):
        wait_until(lambda: any(each.task == "litequeue.command" and each.state == "succeeded" for each in stranger.jobs()))
        assert not any(w.unknown_tasks for w in stranger.stats().workers)
        job = stranger.enqueue("elsewhere.f")
        wait_until(lambda: "worker w cannot run it" in str(job.why_waiting()))
    assert not [record for record in caplog.records if "would stay queued" in record.getMessage()]  # nobody needs it to run here
