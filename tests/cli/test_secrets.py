"""Secret arguments of tasks: stored as they are, and shown in no face.

The command line here has no code of the tasks; what it knows of them is in the file.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from litequeue import JobFailed, LiteQueue, Retry, current_job
from litequeue.base.records import as_dict
from litequeue.commands import notices
from litequeue.task import Task

from ..support import wait_until, worker_process
from .conftest import Cli

pytestmark = pytest.mark.beside

SECRET = "battery staple"
MODULE = """
from litequeue import LiteQueue
app = LiteQueue("db.sqlite")

@app.task(secret="password", pool={pool!r}, retries=1, backoff=0)
{kind}def log_in(user, password, *, note=""):
    raise ValueError(repr(password) + " is not " + user + "'s")
"""


def failing(app: LiteQueue, **options: Any) -> Task[..., Any]:
    """The task of the guide."""

    @app.task(secret=("password", "api_key"), **options)
    def log_in(user: str, password: str, api_key: str | None = None) -> str:
        if password != "correct horse":
            raise ValueError(f"{password} is not {user}'s")
        return f"{user} is in"

    return log_in


def plain(*args: Any) -> None:
    """Without secrets, of a module that can be loaded."""


def burst(app: LiteQueue, **options: Any) -> None:
    with app.worker(threads=1, processes=0, burst=True, **options) as worker:
        worker.join(30)


def stored(app: LiteQueue, column: str) -> list[Any]:
    """As plain SQL has it."""
    with closing(sqlite3.connect(app.path)) as connection:
        return [value for (value,) in connection.execute(f"SELECT {column} FROM litequeue_jobs ORDER BY id")]


# -- a task's arguments ---------------------------------------------------------------------------------------


def test_no_command_shows_a_secret_of_a_task_whose_code_it_has_not(app: LiteQueue, cli: Cli) -> None:
    task = failing(app)
    job = task.delay("ann", SECRET, api_key=SECRET)
    app.schedules.add("often", task, every="1h", args=("ann", SECRET), kwargs={"api_key": SECRET})
    app.schedules.run_now("often")
    burst(app)
    app.close()
    faces = {
        words: cli(*words[:1], app.path, *words[1:])
        for words in [
            ("job", "1"), ("job", "1", "--json"), ("job", "2"), ("job", "1", "--follow"), ("jobs",), ("jobs", "--json"),
            ("schedules",), ("schedules", "--json"), ("ticks", "often"), ("tasks", "--json"),
        ]
    }  # fmt: skip
    faces["cron", "export"] = cli("cron", "export", app.path)
    for words, said in faces.items():
        assert SECRET not in said.out + said.err, words
    assert '["ann","***"]' in faces["job", "1"].out and '{"api_key":"***"}' in faces["job", "1"].out
    assert faces["job", "1"].out.count("ValueError: *** is not ann's") == 2, "the last error, and the traceback"
    assert "*** is not ann's" in faces["jobs",].out
    shown = json.loads(faces["job", "1", "--json"].out)
    assert (shown["args"], shown["kwargs"]) == (["ann", "***"], {"api_key": "***"}) and "secret" not in shown
    (schedule,) = json.loads(faces["schedules", "--json"].out)
    assert (schedule["args"], schedule["kwargs"]) == ('["ann","***"]', '{"api_key":"***"}') and "secret" not in schedule
    assert json.loads(stored(app, "args")[0]) == ["ann", SECRET], "the task has to get it"
    assert job.state == "discarded"


@pytest.mark.slow
def test_the_doctor_shows_no_secret(app: LiteQueue, cli: Cli) -> None:
    failing(app).delay("ann", SECRET, api_key=SECRET)
    burst(app)
    failing(app, name="waits").delay("ann", SECRET)
    for words in (("doctor", app.path), ("doctor", app.path, "--json", "--full")):
        said = cli(*words)
        assert SECRET not in said.out + said.err and "job" in said.out


def test_in_python_code_a_record_has_what_the_task_gets_and_its_repr_and_what_is_shown_have_not(app: LiteQueue) -> None:
    task = failing(app)
    info = task.delay("ann", SECRET, api_key=SECRET).info()
    schedule = app.schedules.add("often", task, every="1h", args=("ann", SECRET))
    for record in (info, schedule, app.jobs()[0], app.schedules.list()[0]):
        assert json.loads(record.args) == ["ann", SECRET]
        assert SECRET not in repr(record) and "args='[\"ann\",\"***\"]'" in repr(record)
        assert json.loads(record.masked().args) == ["ann", "***"]
        assert record.masked().masked() == record.masked()
        assert SECRET not in json.dumps(as_dict(record), default=str)
    open_ = app.task(name="plain")(plain).delay(1).info()
    assert open_.masked() is open_ and "args='[1]'" in repr(open_)


def test_an_error_that_quotes_a_secret_is_stored_and_logged_and_raised_and_remembered_without(
    app: LiteQueue, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    @app.task(secret="password", retries=2, backoff=0)
    def log_in(password: str) -> None:
        seen.extend(error.message for error in current_job().errors)
        if current_job().retries_left == 1:
            raise Retry(f"no {password}", delay=0)
        try:
            int(password)
        except ValueError:
            raise KeyError(password) from None

    job = log_in.delay(SECRET)
    burst(app)
    with pytest.raises(JobFailed) as caught:
        job.get(timeout=10)
    assert caught.value.message == "'***'" and str(caught.value.__cause__) == '"\'***\'"' and "KeyError: '***'" in caught.value.traceback
    assert seen == ["'***'", "'***'", "no ***"]
    assert "no ***" in caplog.text and SECRET not in caplog.text
    with closing(sqlite3.connect(app.path)) as connection:
        told = connection.execute("SELECT group_concat(error_message || traceback) FROM litequeue_attempts").fetchone()[0]
    assert told.count("***") >= 5 and SECRET not in told and SECRET not in stored(app, "last_error")[0]


def test_a_result_that_cannot_be_stored_does_not_tell_the_secret(app: LiteQueue) -> None:
    @app.task(secret="password")
    def log_in(password: str) -> Any:
        return {password: object()}

    job = log_in.delay(SECRET)
    burst(app)
    assert job.info().last_error is not None and "***" in str(job.info().last_error) and SECRET not in str(job.info().last_error)


def test_an_error_from_before_the_argument_was_secret_is_shown_without_it(app: LiteQueue, cli: Cli) -> None:
    def log_in(password: str) -> None:
        raise ValueError(password)

    app.task(name="log_in")(log_in).delay(SECRET)
    burst(app)
    assert SECRET in stored(app, "last_error")[0]
    with LiteQueue(app.path) as newer:
        newer.task(name="log_in", secret="password")(log_in).delay(SECRET)
    for words in (("job", app.path, 1), ("jobs", app.path)):
        said = cli(*words).out
        assert SECRET not in said and "ValueError: ***" in said


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "kind"), [("thread", ""), ("process", ""), ("async", "async ")])
def test_no_pool_and_no_line_of_a_worker_tells_a_secret(tmp_path: Path, pool: str, kind: str) -> None:
    (tmp_path / "tasks.py").write_text(MODULE.format(pool=pool, kind=kind))
    with LiteQueue(tmp_path / "db.sqlite") as app:
        app.stats()
        job = app.send_task("tasks.log_in", ("ann", SECRET), retries=1)
        flags = ("--import", "tasks", "--burst", "--log-level", "debug", "--on-failure", "cat >> told")
        with worker_process(tmp_path / "db.sqlite", *flags, cwd=tmp_path, wait=False) as process:
            log = process.communicate(timeout=30)[0]
        assert job.state == "discarded" and len(job.info().attempts) == 2
        assert "'***' is not ann's" in log and SECRET not in log
        assert SECRET not in (tmp_path / "told").read_text() and "ann" in (tmp_path / "told").read_text()


# -- who is told -----------------------------------------------------------------------------------------------


def test_commands_mails_and_handlers_are_told_of_a_failure_without_the_secret(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    app.on_discarded(app.task(name="handler")(told.append))
    failing(app).delay("ann", SECRET, api_key=SECRET)
    monkeypatch.setattr(notices, "sendmail", lambda: "/bin/true")
    burst(app, async_=2, on_failure="true", mail_to="ann@example.net")
    jobs = [json.loads(text) for text in stored(app, "kwargs")[1:]]
    command, mail = [job["stdin"] for job in jobs if "stdin" in job]
    assert json.loads(command)["job"]["args"] == ["ann", "***"]
    assert "Subject: " in mail and "***" in mail
    assert told[0]["args"] == ["ann", "***"] and told[0]["kwargs"] == {"api_key": "***"}
    for text in (command, mail, json.dumps(told), *stored(app, "args")[1:]):
        assert SECRET not in text


# -- who knows what is secret ------------------------------------------------------------------------------------


def test_a_job_that_was_enqueued_by_name_is_masked_once_a_worker_has_the_code(db: Path, cli: Cli) -> None:
    with LiteQueue(db) as producer:
        producer.enqueue("tests.log_in", "ann", SECRET)
    with LiteQueue(db) as app:
        failing(app, name="tests.log_in")
        burst(app)
    said = cli("job", db, 1).out
    assert '["ann","***"]' in said and SECRET not in said


def test_a_worker_leaves_where_the_code_is_as_producers_say(db: Path) -> None:
    with LiteQueue(db) as app:
        app.task(name="tests.log_in")(plain).delay("ann", SECRET)
        before = app._client.store.jobs.origin("tests.log_in")
    with LiteQueue(db) as app:
        failing(app, name="tests.log_in")
        burst(app)
        after = app._client.store.jobs.origin("tests.log_in")
        assert before is not None and after is not None
        assert (after.module, after.qualname, after.directory) == (before.module, before.qualname, before.directory)
        assert SECRET not in repr(app.jobs())


def test_a_worker_with_the_code_writes_what_is_secret_once(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from litequeue.store.jobs import Jobs

    written: list[Any] = []
    record = Jobs.record_options
    monkeypatch.setattr(Jobs, "record_options", lambda self, origins, now: (written.append(origins), record(self, origins, now)))
    for _ in range(2):
        with LiteQueue(db) as app:
            failing(app, name="tests.log_in")
            app.task(name="plain")(plain)
            app.enqueue("plain")
            with app.worker(threads=1, processes=0):
                wait_until(lambda: "tests.log_in" in str(app._client.store.jobs.origins()))
    assert [[origin.task for origin in origins] for origins in written] == [["tests.log_in"]]


def test_what_is_secret_is_recorded_also_of_a_module_that_has_no_file(app: LiteQueue) -> None:
    def log_in(password: str) -> None: ...

    log_in.__module__ = "made_up"
    app.task(secret="password")(log_in).delay(SECRET)
    assert SECRET not in repr(app.jobs()) and "***" in repr(app.jobs())


def test_a_task_without_secrets_records_what_it_always_did(app: LiteQueue) -> None:
    """Older programs on the file would record theirs over it, and be recorded over, at each start."""
    app.task(name="plain")(plain).delay()
    origin = app._client.store.jobs.origin("plain")
    assert origin is not None and "secret" not in json.loads(origin.options)

