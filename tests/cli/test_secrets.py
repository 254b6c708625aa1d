"""Secret arguments of tasks, and secret variables of commands: stored as they are, and shown in no face.

The command line here has no code of the tasks; what it knows of them is in the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert caught.value.message == "'***'" and str(caught.value.__cause__) == "'***'" and "KeyError: '***'" in caught.value.traceback
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_job_that_was_enqueued_by_name_is_masked_once_a_worker_has_the_code(db: Path, cli: Cli) -> None:
    with LiteQueue(db) as producer:
        producer.enqueue("tests.log_in", "ann", SECRET)
    with LiteQueue(db) as app:
        failing(app, name="tests.log_in")
        burst(app)
    said = cli("job", db, 1).out
    assert '["ann","***"]' in said and SECRET not in said


@pytest.mark.slow
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
    monkeypatch.setattr(Jobs, "record_options", lambda self, origins, *more: (written.append(origins), record(self, origins, *more)))
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


# -- commands ----------------------------------------------------------------------------------------------------

unix = pytest.mark.skipif(os.name != "posix", reason="commands need process groups")
KNOWS = f'test "$PGPASSWORD" = "{SECRET}" || exit 3; echo it knows; echo "no $PGPASSWORD" >&2; exit $CODE'


@contextlib.contextmanager
def having(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[None]:
    with monkeypatch.context() as there:
        for name, value in variables.items():
            there.setenv(name, value)
        yield


@unix
def test_a_command_finds_its_secret_environment_and_nobody_is_shown_it(app: LiteQueue, cli: Cli) -> None:
    app.stats()
    words = ("--env", "CODE=0", "--secret-env", f"PGPASSWORD={SECRET}", "--shell", "--", KNOWS.partition("; echo \"no")[0])
    assert cli("enqueue", app.path, "--command", *words).code == 0
    burst(app, async_=2)
    said = cli("job", app.path, 1)
    assert "succeeded" in said.out and "it knows" in said.out
    kwargs = json.loads(stored(app, "kwargs")[0])
    assert (kwargs["env"], kwargs["secret_env"]) == ({"CODE": "0"}, {"PGPASSWORD": SECRET})
    shown = json.loads(cli("job", app.path, 1, "--json").out)["kwargs"]
    assert (shown["env"], shown["secret_env"]) == ({"CODE": "0"}, {"PGPASSWORD": "***"})
    assert '"secret_env":{"PGPASSWORD":"***"}' in said.out, "as the guide has it"


@pytest.mark.slow
@unix
def test_the_error_of_a_command_does_not_tell_its_secret_environment(app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    kwargs = {"command": KNOWS, "env": {"CODE": "7"}, "secret_env": {"PGPASSWORD": SECRET}}
    job = app.send_task("litequeue.command", kwargs=kwargs)
    burst(app, async_=2)
    error = str(job.info().last_error)
    assert "exit code 7" in error and "no ***" in error and SECRET not in caplog.text
    assert SECRET in "".join(piece.text for piece in job.output()), "what it prints is its own"


@unix
def test_a_secret_variable_without_a_value_is_taken_from_here(app: LiteQueue, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    app.stats()
    add = ("schedule", "add", app.path, "remote", "--cron", "0 4 * * *", "--secret-env", "PGPASSWORD", "--", "true")
    with having(monkeypatch, PGPASSWORD=SECRET):
        assert cli(*add).code == 0
    assert json.loads(app.schedules.get("remote").kwargs)["secret_env"] == {"PGPASSWORD": SECRET}
    for words in (("schedules", app.path), ("schedules", app.path, "--json"), ("doctor", app.path)):
        assert SECRET not in str(cli(*words))
    monkeypatch.delenv("PGPASSWORD", raising=False)
    said = cli(*add[:3], "other", *add[4:])
    assert (said.code, said.err.count("\n")) == (2, 1) and "there is no such variable here; export it first" in said.err
    said = cli("enqueue", app.path, "--command", "--secret-env", f"={SECRET}", "--", "true")
    assert said.code == 2 and "write NAME=VALUE" in said.err and SECRET not in said.err


@unix
def test_a_variable_is_secret_or_not_as_it_was_given_last(app: LiteQueue, cli: Cli) -> None:
    def environment() -> tuple[Any, Any]:
        kwargs = json.loads(app.schedules.get("remote").kwargs)
        return kwargs.get("env"), kwargs.get("secret_env")

    cli("schedule", "add", app.path, "remote", "--every", "1h", "--env", "A=1", "--env", "B=2", "--", "true")
    cli("schedule", "update", app.path, "remote", "--secret-env", "B=3")
    assert environment() == ({"A": "1"}, {"B": "3"})
    cli("schedule", "update", app.path, "remote", "--retries", "1", "--env", "C=4")
    assert environment() == ({"A": "1", "C": "4"}, {"B": "3"})
    cli("schedule", "update", app.path, "remote", "--env", "B=5")
    assert environment() == ({"A": "1", "B": "5", "C": "4"}, None)
    said = cli("schedule", "update", app.path, "remote", "--env", "A=1", "--secret-env", f"A={SECRET}")
    assert said.code == 2 and "A is in env and in secret_env" in said.err and SECRET not in said.err
    task = cli("enqueue", app.path, "tests.add", "--secret-env", "A=1")
    assert task.code == 2 and "--secret-env goes with a command" in task.err


@pytest.mark.slow
@unix
@pytest.mark.parametrize("secret_env", [{"A": f"{SECRET}\0"}, {"A": [SECRET]}, SECRET, {"A": f"{SECRET}\ud800"}])
def test_what_is_wrong_with_a_secret_variable_is_said_without_its_value(app: LiteQueue, cli: Cli, secret_env: Any) -> None:
    job = app.send_task("litequeue.command", kwargs={"argv": ["true"], "secret_env": secret_env})
    app.schedules.add("s", "litequeue.command", every="1h", kwargs={"argv": ["true"], "secret_env": secret_env})
    burst(app, async_=2)
    assert "secret_env" in str(job.info().last_error) and job.state == "discarded"
    for words in (("job", app.path, 1), ("job", app.path, 1, "--json"), ("jobs", app.path), ("schedules", app.path), ("cron", "export", app.path)):
        assert SECRET not in str(cli(*words))


@unix
def test_an_export_leaves_secret_variables_out_and_says_so_unless_it_is_asked_for_them(app: LiteQueue, cli: Cli) -> None:
    words = ("--env", "LANG=C", "--secret-env", f"PGPASSWORD={SECRET}", "--secret-env", "PGUSER=root", "--", "pg_dump", "mydb")
    cli("schedule", "add", app.path, "remote", "--cron", "0 4 * * *", *words)
    said = cli("cron", "export", app.path)
    assert SECRET not in said.out + said.err and "LANG=C" in said.out and "pg_dump mydb" in said.out
    assert "# Left out of the environment, since it is secret (--with-secrets writes it):\n# remote: PGPASSWORD, PGUSER\n" in said.out
    said = cli("cron", "export", app.path, "--with-secrets")
    assert f"PGPASSWORD={SECRET}\n" in said.out and "PGUSER=root\n" in said.out and "Left out" not in said.out


@unix
def test_an_import_marks_settings_of_the_crontab_and_later_imports_leave_the_mark(app: LiteQueue, cli: Cli) -> None:
    def text(password: str) -> bytes:
        return f"PGPASSWORD={password}\nLANG=C\n0 4 * * * pg_dump mydb\n".encode()

    def kwargs() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(app.schedules.get("pg_dump").kwargs)
        return found

    app.stats()
    first = cli("cron", "import", app.path, "-", given=text(SECRET))
    assert first.code == 0 and kwargs()["env"]["PGPASSWORD"] == SECRET
    again = ("cron", "import", app.path, "-", "--secret-env", "PGPASSWORD")
    said = cli(*again, given=text(SECRET))
    assert said.code == 1 and "differs in what of its environment is secret: --replace changes that one" in said.err
    assert cli(*again, "--replace", given=text(SECRET)).code == 0
    assert kwargs()["secret_env"] == {"PGPASSWORD": SECRET} and "PGPASSWORD" not in kwargs()["env"]
    for words in (again, again[:4]):
        assert "pg_dump: unchanged" in cli(*words, given=text(SECRET)).out
    changed = cli(*again[:4], given=text("correct horse"))
    assert changed.code == 1 and "differs in its environment" in changed.err and "correct horse" not in changed.err
    assert cli(*again[:4], "--replace", given=text("correct horse")).code == 0
    assert kwargs()["secret_env"] == {"PGPASSWORD": "correct horse"} and kwargs()["env"]["LANG"] == "C"


LATER = f"PGPASSWORD={SECRET}\n0 4 * * * pg_dump mydb\n"


@unix
@pytest.mark.parametrize("source", ["-", "crontab", "other"])
def test_a_line_that_is_added_to_a_crontab_later_has_the_secrets_that_its_others_have(
    app: LiteQueue, cli: Cli, tmp_path: Path, source: str
) -> None:
    app.stats()
    for file in (tmp_path / "crontab", tmp_path / "other"):
        file.write_text(LATER + "0 5 * * * psql mydb\n")
    first = "-" if source == "-" else tmp_path / "first"
    (tmp_path / "first").write_text(LATER)
    assert cli("cron", "import", app.path, first, "--secret-env", "PGPASSWORD", given=LATER.encode()).code == 0
    again = "-" if source == "-" else tmp_path / source
    said = cli("cron", "import", app.path, again, given=f"{LATER}0 5 * * * psql mydb\n".encode())
    assert said.code == 0
    assert json.loads(app.schedules.get("psql").kwargs)["secret_env"] == {"PGPASSWORD": SECRET}
    for words in (("schedules", app.path, "--json"), ("cron", "export", app.path)):
        assert SECRET not in str(cli(*words))


@unix
def test_a_line_that_shows_what_is_secret_to_another_is_told_at_the_next_import_and_healed_by_replace(app: LiteQueue, cli: Cli) -> None:
    both = f"{LATER}0 5 * * * psql mydb\n".encode()
    app.stats()
    cli("cron", "import", app.path, "-", given=both)
    cli("schedule", "update", app.path, "pg_dump", "--secret-env", f"PGPASSWORD={SECRET}")
    said = cli("cron", "import", app.path, "-", given=both)
    assert said.code == 1 and "psql that is there differs in what of its environment is secret: --replace changes that one" in said.err
    said = cli("cron", "import", app.path, "-", "--replace", given=both)
    assert said.code == 0 and "pg_dump: unchanged" in said.out
    assert SECRET not in cli("schedules", app.path, "--json").out


@unix
def test_an_export_leaves_what_is_secret_to_one_line_out_of_all(app: LiteQueue, cli: Cli) -> None:
    app.stats()
    cli("cron", "import", app.path, "-", given=f"{LATER}0 5 * * * psql mydb\n".encode())
    cli("schedule", "update", app.path, "pg_dump", "--secret-env", f"PGPASSWORD={SECRET}")
    said = cli("cron", "export", app.path)
    assert SECRET not in said.out and "# pg_dump: PGPASSWORD\n# psql: PGPASSWORD\n" in said.out
    assert cli("cron", "export", app.path, "--with-secrets").out.count(SECRET) == 1


@unix
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_an_import_refuses_a_secret_that_no_line_has_before_it_stores_anything(app: LiteQueue, cli: Cli, more: tuple[str, ...]) -> None:
    app.stats()
    said = cli("cron", "import", app.path, "-", "--secret-env", "PGPASWORD", *more, given=LATER.encode())
    assert (said.code, said.err.count("\n"), said.out) == (2, 1, "")
    assert "--secret-env 'PGPASWORD': no job that can be read has such a setting" in said.err and " PGPASSWORD" in said.err
    said = cli("cron", "import", app.path, "-", "--secret-env", f"PGPASSWORD={SECRET}", *more, given=LATER.encode())
    assert said.code == 2 and "write NAME" in said.err and SECRET not in said.err
    assert app.schedules.list() == []
    for name in ("PGPASSWORD", "HOME"):  # cron's own are stored with a command as well
        assert cli("cron", "import", app.path, "-", "--replace", "--secret-env", name, *more, given=LATER.encode()).code == 0
    assert cli("cron", "import", app.path, "-", "--secret-env", "PGPASSWORD", *more, given=b"").code == 0, "there is no job that could lack it"
