"""Commands as jobs, through worker and command line: what is kept of them and shown, and how they are ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.cli import main
from litequeue.store.turn.output import KEEP_OUTPUT, TRIM_EVERY

from ..crash.logged import alive
from ..prepared import litequeue, worker_process
from ..support import PROGRAM, environment, wait_until
from .conftest import Cli

pytestmark = [pytest.mark.beside, pytest.mark.skipif(os.name != "posix", reason="commands need process groups")]


def run(app: LiteQueue) -> None:
    with app.worker(threads=0, processes=0, async_=4, burst=True) as worker:
        worker.join(30)


@contextlib.contextmanager
def working(app: LiteQueue) -> Iterator[None]:
    with app.worker(threads=0, processes=0, async_=4):
        yield


def enqueue(app: LiteQueue, *words: str, capsys: pytest.CaptureFixture[str]) -> int:
    capsys.readouterr()
    app.stats()  # the file is there
    assert main(["enqueue", app.path, "--command", *words]) == 0
    return int(capsys.readouterr().out)


def shown(app: LiteQueue, job: int, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["job", app.path, str(job), *words]) == 0
    return capsys.readouterr().out


def pieces(app: LiteQueue, job: int, stream: str, attempt: int = 1) -> str:
    return "".join(p.text for p in app.job(job).output() if (p.stream, p.attempt) == (stream, attempt))


# -- what is kept --------------------------------------------------------------------------------------------

BUSY = "import sys; x = bytearray(50_000_000); [i * i for i in range(10**6)]; print('out'); print('err', file=sys.stderr); sys.exit(int(sys.argv[1]))"


@pytest.mark.parametrize("code", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_what_a_command_used_and_printed_is_kept_with_its_job(
    app: LiteQueue, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    job = enqueue(app, "--", sys.executable, "-c", BUSY, str(code), capsys=capsys)
    run(app)
    found = json.loads(shown(app, job, capsys, "--json"))
    assert found["state"] == ("succeeded" if code == 0 else "discarded")
    by_stream: dict[str, str] = {}
    for piece in found["output"]:
        assert piece["attempt"] == 1
        by_stream[piece["stream"]] = by_stream.get(piece["stream"], "") + piece["text"]
    usage = json.loads(by_stream.pop("usage"))
    assert by_stream == {"stdout": "out\n", "stderr": "err\n"}
    assert usage["exit_code"] == code
    assert 0 < usage["cpu_seconds"] < 10 and 0 < usage["seconds"] < 30
    assert usage["max_rss_bytes"] > 50_000_000
    assert (found["cpu_seconds"], found["max_rss_bytes"]) == (usage["cpu_seconds"], usage["max_rss_bytes"])
    text = shown(app, job, capsys)
    assert "    out\n" in text and "    err\n" in text and f"[exit code {code}, " in text and " of CPU, " in text
    if code:
        assert f"exit code {code}" in found["last_error"] and "err" in found["last_error"]


@pytest.mark.slow
def test_each_attempt_keeps_its_own_and_is_retried_as_told(
    app: LiteQueue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"echo x >> {tmp_path}/n; echo attempt $LITEQUEUE_ATTEMPT; test $(wc -l < {tmp_path}/n) -ge 3"
    job = enqueue(app, "--shell", "--retries", "2", "--backoff", "1h", "--", line, capsys=capsys)
    with working(app):
        for attempt in (1, 2):
            wait_until(lambda attempt=attempt: app.job(job).info().failures == attempt and app.job(job).state == "retrying")
            app.job(job).retry()  # now, not after the backoff
        wait_until(lambda: app.job(job).state == "succeeded")
    for attempt in (1, 2, 3):
        assert pieces(app, job, "stdout", attempt) == f"attempt {attempt}\n"
        assert json.loads(pieces(app, job, "usage", attempt))["exit_code"] == int(attempt < 3)
    text = shown(app, job, capsys)
    assert [line for line in text.splitlines() if line.startswith("output of")] == [f"output of attempt {n}" for n in (1, 2, 3)]


@pytest.mark.slow
def test_without_retries_a_failure_is_final(app: LiteQueue, capsys: pytest.CaptureFixture[str]) -> None:
    job = enqueue(app, "--", "false", capsys=capsys)
    run(app)
    assert (app.job(job).state, app.job(job).info().attempt) == ("discarded", 1)


FLOOD = """
import os, sys, time
for n in range(400):
    for stream in ({streams}):
        os.write(stream, (f"{{n:03}}" + "x" * 4997).encode())
    time.sleep(0.001)
"""


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["1,", "1, 2"])
def test_of_a_long_output_the_beginning_and_the_end_are_kept_and_the_gap_is_shown(
    app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, streams: str
) -> None:
    monkeypatch.setattr("litequeue.commands.attempt.PACE", 0.01)  # as a job that prints for hours, in seconds
    job = enqueue(app, "--", sys.executable, "-c", FLOOD.format(streams=streams), capsys=capsys)
    run(app)
    with closing(sqlite3.connect(db)) as looker:
        sizes = dict(looker.execute("SELECT stream, sum(length(text)) FROM litequeue_output GROUP BY stream").fetchall())
    for stream in ("stdout", "stderr")[: len(streams.strip(",").split(","))]:
        text = pieces(app, job, stream)
        assert text.startswith("000x") and text.endswith("399" + "x" * 4997)
        assert "bytes left out" in text or len(text) < 400 * 5000
        # The head, the tail, and what came since the last trimming.
        assert sizes[stream] < 2 * KEEP_OUTPUT + 2 * (TRIM_EVERY + 1) * (16 << 10)
    out = shown(app, job, capsys)
    assert "left out" in out
    assert json.loads(pieces(app, job, "usage"))["stdout_bytes"] == 400 * 5000


# -- following -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def following(db: Path, job: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, "job", str(db), str(job), "--follow"], env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, 7])
def test_following_shows_output_while_it_runs_and_ends_with_the_jobs_success(
    app: LiteQueue, db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    gate = tmp_path / "gate"
    line = f"echo begun; while ! test -e {gate}; do sleep 0.02; done; printf '\\033[31mend'; echo problem >&2; exit {code}"
    job = enqueue(app, "--shell", "--", line, capsys=capsys)
    with working(app), following(db, job) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert app.job(job).state == "running"
        gate.touch()
        out, err = process.communicate(timeout=20)
        ended = f"litequeue: job 1 is discarded: litequeue.CommandFailed: exit code {code} after"
        assert out == "\x1b[31mend", "a pipe has it as it was printed"
        assert err.startswith(f"problem\n{ended}" if code else "problem\n")
        assert process.returncode == (0 if code == 0 else 1)


@pytest.mark.slow
def test_interrupting_the_one_who_follows_harms_nothing(
    app: LiteQueue, db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate"
    job = enqueue(app, "--shell", "--", f"echo begun; while ! test -e {gate}; do sleep 0.02; done", capsys=capsys)
    with working(app), following(db, job) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None and process.stderr.read() == ""
        gate.touch()
        wait_until(lambda: app.job(job).state == "succeeded")


def test_following_a_job_that_is_over_or_was_never_there(
    app: LiteQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    job = enqueue(app, "--", "echo", "done", capsys=capsys)
    run(app)
    assert shown(app, job, capsys, "--follow") == "done\n"
    assert main(["job", app.path, "99", "--follow"]) == 1
    assert capsys.readouterr().err.startswith("litequeue: there is no job 99 in ")


# -- its end -------------------------------------------------------------------------------------------------


def group(path: Path) -> list[int]:
    words = path.read_text().split() if path.exists() else []
    return [int(word) for word in words] if len(words) == 2 else []


@pytest.mark.parametrize("how", [pytest.param("timeout", marks=pytest.mark.slow), "cancel"])
def test_a_timeout_and_a_cancel_end_the_whole_group(
    app: LiteQueue, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    line = f"sleep 60 & echo $! $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pids; echo begun; wait"
    options = ("--timeout", "1.5") if how == "timeout" else ()
    job = enqueue(app, "--shell", *options, "--", line, capsys=capsys)
    with working(app):
        pids = wait_until(lambda: group(tmp_path / "pids"))
        assert all(map(alive, pids))
        if how == "cancel":
            assert main(["cancel", app.path, str(job)]) == 0
        state = "discarded" if how == "timeout" else "cancelled"
        wait_until(lambda: app.job(job).state == state)
        assert not any(map(alive, pids))
    assert pieces(app, job, "stdout") == "begun\n"
    assert "[killed" in shown(app, job, capsys)


def test_no_command_of_a_file_that_others_can_write_is_run(app: LiteQueue, db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = tmp_path / "mark"
    job = enqueue(app, "--", "touch", str(mark), capsys=capsys)
    app.close()
    db.chmod(0o666)
    with worker_process(db, "--burst", wait=False) as worker:
        assert worker.stdout is not None
        log = worker.stdout.read()
        assert worker.wait(20) == 0
    assert "others" in log or "write" in log
    assert app.job(job).state == "available" and not mark.exists()
    assert "not imported" not in log.splitlines()[0]


# -- what it finds -------------------------------------------------------------------------------------------


def test_it_runs_where_it_was_enqueued_unless_told_otherwise(
    app: LiteQueue, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    jobs = [enqueue(app, *words, "--", "pwd", capsys=capsys) for words in ((), ("--cwd", "sub"), ("--cwd", "/"))]
    monkeypatch.chdir("/")
    run(app)
    assert [pieces(app, job, "stdout").strip() for job in jobs] == [f"{tmp_path}/here", f"{tmp_path}/here/sub", "/"]


def test_words_shell_and_environment(app: LiteQueue, capsys: pytest.CaptureFixture[str]) -> None:
    words = enqueue(app, "--env", "A=1=2", "--env", "B=", "--", "printf", "%s|", "$A", "--", "-x", capsys=capsys)
    shell = enqueue(app, "--env", "A=1=2", "--env", "B=", "--shell", "--", "echo \"$A,$B.\" | tr 1 x", capsys=capsys)
    run(app)
    assert pieces(app, words, "stdout") == "$A|--|-x|"
    assert pieces(app, shell, "stdout") == "x=2,.\n"


def test_the_users_environment_is_that_of_a_login_shell(
    app: LiteQueue, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pwd

    me: Any = pwd.getpwuid(os.getuid())
    user = pwd.struct_passwd((*me[:5], str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: user)
    (tmp_path / ".profile").write_text("FROM_PROFILE=yes; export FROM_PROFILE\n")
    jobs = [enqueue(app, *words, "--", "sh", "-c", "echo $FROM_PROFILE.", capsys=capsys) for words in ((), ("--user-env",))]
    run(app)
    assert [pieces(app, job, "stdout") for job in jobs] == [".\n", "yes.\n"]


# -- mistakes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--command",), "give the command after --"),
        (("echo", "--command"), "there is no task: 'echo'"),
        (("--command", "--"), "give the command after --"),
        (("--command", "--env", "A", "--", "true"), "write NAME=VALUE"),
        (("--command", "--env", "=A", "--", "true"), "write NAME=VALUE"),
        (("--command", "--cwd", "", "--", "true"), "cwd is empty"),
        (("--command", "--shell", "--", " "), "command is empty"),
        (("--command", "--", ""), "first word must name the command"),
        (("tasks.f", "--cwd", "/"), "--cwd goes with a command"),
        (("tasks.f", "--env", "A=1"), "--env goes with a command"),
        (("tasks.f", "--user-env"), "--user-env goes with a command"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_enqueues_nothing(
    app: LiteQueue, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    app.stats()
    assert main(["enqueue", app.path, *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("litequeue: ") and err.count("\n") == 1 and says in err
    assert app.jobs() == []


def test_options_may_stand_before_the_task(app: LiteQueue, capsys: pytest.CaptureFixture[str]) -> None:
    app.stats()
    with contextlib.suppress(SystemExit):
        main(["enqueue", app.path, "--queue", "q", "tasks.f", "1", "k=v"])
    assert [(info.task, info.queue, info.args) for info in app.jobs()] == [("tasks.f", "q", "[1]")]


@pytest.mark.slow
def test_from_a_directory_that_is_gone_the_command_wants_another(db: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    LiteQueue(db).stats()
    line = f'cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {sys.executable} -m litequeue enqueue {db} --command "$@"'
    for words, code in ((["--", "true"], 2), (["--cwd", "/", "--", "true"], 0)):
        (tmp_path / "gone").mkdir(exist_ok=True)
        done = subprocess.run(["sh", "-c", line, "sh", *words], env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    assert litequeue("jobs", db).returncode == 0


@pytest.mark.slow
def test_a_command_that_failed_is_tried_again_after_its_own_backoff(cli: Cli, db: Path) -> None:
    """Also where it was its timeout that ended it; and the last delay repeats."""
    with LiteQueue(db) as app:
        app.stats()  # now there is a file
        for words in (("--", "false"), ("--timeout", "0.2", "--", "sleep", "30")):
            assert cli("enqueue", db, "--command", "--retries", "3", "--backoff", "10ms,2h", *words).code == 0
        jobs = [app.job(1), app.job(2)]
        for attempt in (2, 3):
            with app.worker(threads=0, processes=0, async_=4):
                wait_until(lambda n=attempt: all((job.info().attempt, job.state) == (n, "retrying") for job in jobs))
            for info in [job.info() for job in jobs]:
                assert info.run_at - info.attempts[-1].finished_at == timedelta(hours=2)
            assert all(job.retry() for job in jobs)


def test_waiting_for_a_command_prints_what_it_printed(cli: Cli, db: Path) -> None:
    with LiteQueue(db) as app, app.worker(threads=0, processes=0, async_=4):
        app.stats()  # now there is a file
        for line, code, error in (("echo out; echo err >&2", 0, "err\n"), ("echo out; exit 3", 1, "exit code 3")):
            done = cli("enqueue", db, "--command", "--wait", "10", "--shell", "--", line)
            assert done.code == code
            assert done.out.splitlines()[1:] == ["out"]  # after the job's id
            assert error in done.err
