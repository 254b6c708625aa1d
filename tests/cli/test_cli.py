"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from litequeue import Job, LiteQueue
from litequeue.base.errors import InvalidArgument
from litequeue.cli.jobs import parse_call

from .. import prepared, sample
from ..prepared import litequeue
from ..support import PROGRAM, environment, ledger_lines, wait_until, worker_process
from .conftest import Cli

pytestmark = pytest.mark.beside

TASKS = '''
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

@app.task
def add(x, y):
    return x + y

@app.task(pool="process")
def product(x, y):
    return x * y

if __name__ == "__main__":
    job = add.delay(4, 4)
    print(job.get(timeout=20))
    print(product.delay(4, 5).get(timeout=20))
'''


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("litequeue: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("first", ["worker", "script"])
def test_the_block_of_the_first_page_works_as_printed(tmp_path: Path, first: str) -> None:
    """The worker's command line names the file and nothing else, from any directory."""
    (tmp_path / "tasks.py").write_text(TASKS)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    script = [sys.executable, "tasks.py"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(script, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True)

    db = tmp_path / "db.sqlite"
    if first == "script":
        process = start()
        wait_until(lambda: db.exists() and ledger_has_job(db))
        with worker_process(Path("../db.sqlite"), cwd=elsewhere, wait=False):
            assert process.communicate(timeout=30)[0] == "8\n20\n"
    else:
        with worker_process(db, cwd=elsewhere):
            assert start().communicate(timeout=30)[0] == "8\n20\n"


def ledger_has_job(db: Path) -> bool:
    import sqlite3

    try:
        with closing(sqlite3.connect(db)) as connection, connection:
            return bool(connection.execute("SELECT count(*) FROM litequeue_jobs").fetchone()[0])
    except sqlite3.Error:
        return False


@pytest.mark.slow
def test_reading_commands_create_nothing(tmp_path: Path) -> None:
    for command in ("jobs", "stats"):
        done = litequeue(command, tmp_path / "no.sqlite")
        assert done.returncode == 4
        assert one_line(done).strip().endswith("/no.sqlite: there is no such file; `litequeue init` makes an empty queue")
        done = litequeue(command, tmp_path / "no/db.sqlite")
        assert one_line(done).strip().endswith(f"there is no such file, since the folder {tmp_path}/no does not exist")
    for command in (("job", "1"), ("retry", "1"), ("cancel", "1"), ("pause", "q"), ("enqueue", "t")):
        assert litequeue(command[0], tmp_path / "no.sqlite", command[1]).returncode == 4
    assert list(tmp_path.iterdir()) == []
    text = tmp_path / "notes.txt"
    text.write_text("hello " * 500)
    done = litequeue("stats", text)
    assert done.returncode == 4 and "not a SQLite database" in one_line(done)
    done = litequeue("worker", text, "--burst")
    assert done.returncode == 4 and "not a SQLite database" in one_line(done)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("worker", "DB", "--threads", "-5"), "threads"),
        (("worker", "DB", "--threads", "0", "--processes", "0", "--async", "0"), "at least one slot"),
        (("worker", "DB", "--queues", "a b"), "queues"),
        (("worker", "DB", "--lease", "0.1"), "--lease must be at least 1 second, not 0.1"),
        (("worker", "DB", "--max-jobs", "0"), "--max-jobs"),
        (("worker", "DB", "--import", "no_such_module_xyz"), "no_such_module_xyz"),
        (("worker", "DB", "--import", "json"), "no tasks"),
        (("enqueue", "DB", "a b"), "task's name"),
        (("enqueue", "DB", "t", "k=1", "5"), "positional arguments first"),
        (("enqueue", "DB", "t", "k:=x"), "not JSON"),
        (("enqueue", "DB", "t", "--countdown", "nan"), "countdown"),
        (("jobs", "DB", "--limit", "0"), "--limit: must be a whole number from 1 to 10000, not '0'"),
        (("jobs", "DB", "--limit", "x"), "--limit: must be a whole number from 1 to 10000, not 'x'; litequeue jobs --help says"),
        (("ticks", "DB", "x", "--limit", "0"), "--limit: must be a whole number from 1 to 10000, not '0'"),
        (("cron", "explain", "* * * * *", "--count", "-1"), "--count: must be a whole number from 0 to 10000, not '-1'"),
        (("jobs", "DB", "--before", "9" * 30), "is beyond any job"),
        (("jobs", "DB", "stat:x"), "there is no 'stat' to search by: state, queue"),
        (("jobs", "DB", "state:dead"), "there is no state 'dead': blocked, scheduled"),
        (("jobs", "DB", "--queue", "a;b"), "--queue 'a;b' is not allowed"),
        (("enqueue", "DB", "t", "--wait", "-1"), "--wait"),
        (("enqueue", "DB", "t", "--wait", "soon"), "--wait: 'soon' is no length of time"),
        (("worker", "DB", "--threads", "-1"), "--threads must be a whole number from 0 to 1000, or a range such as 2:32, not '-1'"),
        (("worker", "DB", "--processes", "-1"), "processes"),
        (("job", "DB", "-1"), "argument ID: must be a whole number from 1 to"),
        (("retry", "DB", "1", "x"), "1 x: name jobs by their ids, or say a search"),
        (("pause", "DB", "a b"), "queue"),
        (("worker", "DB", "--threads", "x"), "--threads must be a whole number from 0 to 1000, or a range such as 2:32, not 'x'"),
        (("worker", "DB", "--threads", "32:2"), "--threads must go from the least to the most, not from 32 to 2"),
        (("worker", "DB", "--threads", "0:0"), "--threads from 0 to 0 is no slots at all: give 0"),
        (("worker", "DB", "--threads", "0:4"), "--threads must have a least of 1 or more, since slots that are not used cost nothing; for none at all give 0"),
        (("worker", "DB", "--threads", "2:"), "or a range such as 2:32, not '2:'"),
        (("worker", "DB", "--threads=-1:4"), "or a range such as 2:32, not '-1:4'"),
        (("worker", "DB", "--threads", "-1:4"), "--threads"),
        (("worker", "DB", "--processes", "0:61"), "--processes must be a whole number from 0 to 60, or a range such as 2:32, not '0:61'"),
        (("worker", "DB", "--async", "1:2:3"), "or a range such as 2:32, not '1:2:3'"),
        (("worker",), "the following arguments are required: DB"),
        (("wroker", "DB"), "invalid choice: 'wroker'; did you mean worker?; litequeue --help says what there is"),
        (("schedule", "ad", "DB"), "invalid choice: 'ad'; did you mean add?"),
        (("nothing-like-it", "DB"), "invalid choice: 'nothing-like-it' (choose from "),
        (("schedule", "add", "DB", "x", "--every", "5m"), "or a task with --task TASK"),
        (("schedule", "pause", "DB"), "required: NAME (or --all)"),
        (("enqueue", "DB"), "required: TASK (or --command)"),
        (("worker", "DB", "--log-level", "INFO"), "invalid choice: 'INFO'"),
        (("service", "DB", "--threads", "8"), "unrecognized arguments: --threads 8; the worker's own options go after --"),
        (("schedule", "add", "DB", "x", "--every", "1h", "--task", "t", "4"), "or a task's arguments, go after --"),
        ((), "required: COMMAND"),
        (("worker", "DB", "--thread", "4"), "worker: unrecognized arguments: --thread 4; did you mean --threads?"),
        (("jobs", "DB", "--qeueu=x"), "jobs: unrecognized arguments: --qeueu=x; did you mean --queue?"),
        (("job", "5"), "required: ID (5 was taken for the DB, which comes first)"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_2(with_a_job: Path, words: tuple[str, ...], says: str) -> None:
    done = litequeue(*(with_a_job if word == "DB" else word for word in words))
    assert done.returncode == 2, done.stderr
    assert says in one_line(done)
    with LiteQueue(with_a_job) as app:
        assert app.stats().states == {"available": 1}  # nothing half done


@pytest.fixture(scope="module")
def with_a_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for all the mistakes, since none is to change it."""
    db = tmp_path_factory.mktemp("mistakes") / "db.sqlite"
    with LiteQueue(db) as app:
        app.enqueue("t")
    return db


@pytest.mark.parametrize("words", [("enqueue", "tasks.add", "4", "4"), ("job", "17", "1"), ("jobs", "mail")], ids=" ".join)
def test_a_database_that_was_forgotten_is_asked_for(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = litequeue(*words, cwd=tmp_path)
    assert done.returncode == 4
    assert f"/{words[1]}: there is no such file; the database comes first, as in litequeue COMMAND DB" in one_line(done)
    assert "comes first" not in litequeue(words[0], "db.sqlite", *words[1:2], cwd=tmp_path).stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["job", "retry", "cancel"])
def test_a_job_that_is_not_there_is_exit_1(with_a_job: Path, command: str) -> None:
    done = litequeue(command, with_a_job, "77")
    assert done.returncode == 1
    assert "no job 77" in one_line(done)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_one_line(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "litequeue", "jobs", str(db)], stdout=full, stderr=subprocess.PIPE,
            text=True, env=environment(), timeout=30, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "could not be written" in one_line(done)


@pytest.mark.parametrize(
    ("buffered", "words"),
    [
        (True, ("jobs", "--limit=999")),
        pytest.param(False, ("jobs", "--limit=999"), marks=pytest.mark.slow),
        pytest.param(True, ("stats",), marks=pytest.mark.slow),
        pytest.param(True, ("enqueue", "t"), marks=pytest.mark.slow),
    ],
)
def test_output_that_nobody_reads_is_no_error(db: Path, buffered: bool, words: tuple[str, ...]) -> None:
    """`litequeue jobs db | head -1`, whose head has gone; what was asked for is done all the same."""
    with LiteQueue(db) as app:

        @app.task(name="t")
        def task() -> None: ...

        task.delay_many(() for _ in range(300))  # more than a buffer of output
        there, gone = os.pipe()
        os.close(there)
        with open(gone, "w") as nobody:
            done = subprocess.run(
                [*PROGRAM, words[0], str(db), *words[1:]], stdout=nobody, stderr=subprocess.PIPE, text=True,
                env={**environment(), "PYTHONUNBUFFERED": "" if buffered else "1"}, timeout=30, check=False,
            )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert app.stats().states == {"available": 301 if words[0] == "enqueue" else 300}


@pytest.mark.slow
def test_pausing_says_whether_there_is_such_a_queue(db: Path) -> None:
    with LiteQueue(db) as app:
        app.send_task("t", queue="mail")
    assert litequeue("pause", db, "mail").stdout == "queue mail is paused\n"
    assert "no job is in it" in litequeue("pause", db, "mial").stdout
    stats = litequeue("stats", db).stdout
    assert "mial (paused)" in stats
    assert "mail (paused)" in stats
    assert "any more" in litequeue("resume", db, "mial").stdout
    assert "was not paused" in litequeue("resume", db, "mial").stdout
    assert "its queue mail is paused" in litequeue("job", db, "1").stdout
    assert json.loads(litequeue("job", db, "1", "--json").stdout)["why_waiting"] == "its queue mail is paused"


def test_unknown_words_are_refused_by_the_parser(db: Path) -> None:
    assert litequeue("dance", db).returncode == 2
    assert litequeue("worker").returncode == 2
    assert litequeue("jobs", db, "--state", "asleep").returncode == 2
    assert litequeue("--version").stdout.startswith("litequeue ")


def test_the_words_of_a_call() -> None:
    assert parse_call(["4", "x", "[1]", '"5"', "-3", "k=5", "j:={\"a\": 1}", "t="]) == (
        [4, "x", [1], "5", -3], {"k": "5", "j": {"a": 1}, "t": ""},
    )  # fmt: skip
    assert parse_call(["http://a?b=c"]) == (["http://a?b=c"], {})
    with pytest.raises(InvalidArgument, match="twice"):
        parse_call(["a=1", "a=2"])


@pytest.mark.slow
def test_a_session_at_the_command_line(sample_app: LiteQueue, db: Path) -> None:
    sample.add.delay(1, 2)
    assert litequeue("enqueue", db, "tests.sample.add", "4", "4").stdout == "2\n"
    assert litequeue("enqueue", db, "tests.sample.misbehave_thread", "ValueError", "--priority", "5").stdout == "3\n"
    assert litequeue("enqueue", db, "tests.sample.add", "x=a", 'y:="b"', "--countdown", "60").stdout == "4\n"
    done = litequeue("worker", db, "--burst", "--import", "tests.sample")
    assert done.returncode == 0, done.stderr
    assert "job 2 tests.sample.add: succeeded" in done.stderr
    assert "job 3 tests.sample.misbehave_thread: attempt 1 discarded (ValueError: boom)" in done.stderr

    listed = litequeue("jobs", db)
    assert [line.split()[:3] for line in listed.stdout.splitlines()[1:]] == [
        ["4", "scheduled", "tests.sample.add"], ["3", "discarded", "tests.sample.misbehave_thread"],
        ["2", "succeeded", "tests.sample.add"], ["1", "succeeded", "tests.sample.add"],
    ]  # fmt: skip
    assert "\x1b" not in listed.stdout
    page = json.loads(litequeue("jobs", db, "--json", "--state", "succeeded", "--before", "2").stdout)
    assert [(j["id"], j["result"]) for j in page] == [(1, 3)]
    shown = litequeue("job", db, 3).stdout
    assert "ValueError: boom" in shown and "in _misbehave" in shown and "attempt 1 failed" in shown
    assert json.loads(litequeue("job", db, 3, "--json").stdout)["attempts"][0]["error_type"] == "ValueError"

    assert "job 4 is cancelled" in litequeue("cancel", db, 4).stdout
    again = litequeue("cancel", db, 4)
    assert (again.returncode, again.stdout) == (1, "job 4 was not changed: it is cancelled\n")
    assert "job 4 runs again" in litequeue("retry", db, 4).stdout
    assert litequeue("retry", db, 99).returncode == 1
    assert litequeue("pause", db, "default").returncode == 0
    stats = json.loads(litequeue("stats", db, "--json").stdout)
    assert stats["states"] == {"available": 1, "discarded": 1, "succeeded": 2}
    assert stats["paused"] == ["default"]
    assert "(paused)" in litequeue("stats", db).stdout
    assert litequeue("resume", db, "default").returncode == 0


@pytest.mark.slow
def test_enqueue_can_wait_for_the_result(sample_app: LiteQueue, db: Path) -> None:
    sample.add.delay(1, 2)
    with prepared.worker_process(db, "--import", "tests.sample"):
        done = litequeue("enqueue", db, "tests.sample.add", "4", "4", "--wait", "1m")
        assert done.stdout.splitlines()[1:] == ["8"]
        failed = litequeue("enqueue", db, "tests.sample.misbehave_thread", "ValueError", "--wait", "20")
        assert failed.returncode == 1 and "boom" in one_line(failed)


def test_a_job_whose_task_nobody_knows_stays_and_is_reported(db: Path) -> None:
    with LiteQueue(db) as app:
        job = app.enqueue("strange.task")
        with prepared.worker_process(db) as worker:
            wait_until(lambda: any(w.unknown_tasks for w in app.stats().workers))
            assert "no producer said where" in app.stats().workers[0].unknown_tasks["strange.task"]
            assert "strange.task" in litequeue("stats", db).stdout
            worker.send_signal(signal.SIGTERM)
            said, _ = worker.communicate(timeout=10)
        assert job.state == "available"
        assert said.count("stays queued") == 1
        info = job.info()
        assert (info.failures, info.interruptions, info.attempt, info.started_at) == (0, 0, 0, None)


def test_json_logs_have_the_job_in_their_fields(sample_app: LiteQueue, db: Path) -> None:
    sample.add.delay(1, 2)
    done = litequeue("worker", db, "--burst", "--log-json", "--log-level", "debug")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    ended = [line for line in lines if "succeeded" in line["message"]]
    assert ended[0]["job_id"] == 1 and ended[0]["task"] == "tests.sample.add" and ended[0]["level"] == "info"


@pytest.mark.slow
def test_max_jobs_and_queues_and_name(sample_app: LiteQueue, db: Path) -> None:
    sample.add.delay_many([(n, 1) for n in range(5)])
    sample.add.apply_async((1, 1), queue="other")
    done = litequeue("worker", db, "--max-jobs", "3", "--name", "bob", "--queues", "default")
    assert done.returncode == 0
    assert sample_app.stats().states == {"succeeded": 3, "available": 3}
    assert {info.worker for info in sample_app.jobs(state="succeeded")} == {"bob"}
    litequeue("worker", db, "--burst", "--queues", "other")
    assert sample_app.stats().queues["other"] == {"succeeded": 1}


# -- stopping ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_an_idle_worker_leaves_at_once_and_clean(db: Path, how: signal.Signals) -> None:
    with worker_process(db) as worker:
        worker.send_signal(how)
        said, _ = worker.communicate(timeout=5)
        assert worker.returncode == 0, said
    assert "stopped" in said
    assert os.listdir(f"{db}-workers") == []


IN_EACH_POOL = (sample.wait_at_gate, sample.wait_in_process, sample.wait_async)


def waiting_in_each_pool(tmp_path: Path) -> dict[Path, Job[Any]]:
    """A job that waits at ``gate`` for each pool, by the ledger that it writes."""
    gate = tmp_path / "gate"
    ledgers = {tmp_path / task.name: task for task in IN_EACH_POOL}
    return {ledger: task.delay(str(ledger), str(gate)) for ledger, task in ledgers.items()}


@pytest.mark.slow
def test_a_stopping_worker_finishes_what_runs_and_starts_nothing_new(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    jobs = waiting_in_each_pool(tmp_path)
    with worker_process(db, "--threads", "1", "--processes", "1", "--async", "1") as worker:
        wait_until(lambda: all(map(ledger_lines, jobs)))
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout is not None
        assert any("finishes 3 jobs" in line for line in worker.stdout)
        behind = sample.add.delay(1, 1)
        (tmp_path / "gate").touch()
        worker.communicate(timeout=15)
        assert worker.returncode == 0
    assert [job.get(timeout=0) for job in jobs.values()] == ["attempt 1"] * 3
    assert behind.state == "available"


@pytest.mark.slow
def test_after_the_grace_what_runs_is_released_uncharged_and_runs_elsewhere(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    jobs = waiting_in_each_pool(tmp_path)
    with worker_process(db, "--grace", "0.2") as worker:
        wait_until(lambda: all(map(ledger_lines, jobs)))
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=10)
        assert worker.returncode == 0
    infos = [job.info() for job in jobs.values()]
    assert [(info.pool, info.failures, info.interruptions) for info in infos] == [
        ("thread", 0, 0), ("process", 0, 0), ("async", 0, 0),
    ]  # fmt: skip
    # A thread task may see that it is cancelled, and return while the worker is there to store it.
    again = {ledger: job for ledger, job in jobs.items() if job.state != "succeeded"}
    with prepared.worker_process(db):
        wait_until(lambda: all(begun_twice(ledger) for ledger in again))
        (tmp_path / "gate").touch()
        assert {job.get(timeout=10) for job in again.values()} == {"attempt 2"}


def begun_twice(ledger: Path) -> bool:
    return sum(line.startswith("start") for line in ledger_lines(ledger)) == 2


@pytest.mark.slow
def test_a_stuck_thread_neither_delays_the_exit_nor_runs_twice_at_once(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    job = sample.stuck.delay(str(ledger))
    with worker_process(db, "--grace", "0.2") as worker:
        wait_until(lambda: ledger_lines(ledger))
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=6)
        assert worker.returncode == 0
    with prepared.worker_process(db, "--grace", "0.2"):
        wait_until(lambda: len(ledger_lines(ledger)) == 2, what="the job runs again")
    info = job.info()
    assert (info.interruptions, info.failures, info.attempt) == (0, 0, 2)


@pytest.mark.slow
def test_a_second_signal_leaves_at_once(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    job = sample.wait_in_process.delay(str(ledger), str(tmp_path / "gate"))
    with worker_process(db) as worker:
        wait_until(lambda: ledger_lines(ledger))
        worker.send_signal(signal.SIGINT)
        assert worker.stdout is not None
        assert any("finishes 1 job" in line for line in worker.stdout)
        worker.send_signal(signal.SIGINT)
        worker.communicate(timeout=10)
        assert worker.returncode == 130
    assert job.state == "available"


def test_an_imported_app_of_another_file_is_noted(tmp_path: Path) -> None:
    text = "from litequeue import LiteQueue\napp = LiteQueue('shop.sqlite')\n@app.task\ndef f(): pass\n"
    (tmp_path / "shop.py").write_text(text)
    (tmp_path / "both.py").write_text(f"{text}other = LiteQueue('other.sqlite')\n")
    for db, module, noted in (("db", "shop", True), ("shop", "shop", False), ("db", "both", True), ("other", "both", False)):
        done = litequeue("worker", f"{db}.sqlite", "--burst", "--import", module, cwd=tmp_path)
        said = f"--import has an app of {tmp_path / 'shop.sqlite'}"
        assert done.returncode == 0 and (said in done.stderr) == noted, (db, module, done.stderr)


def test_a_file_that_cannot_be_made_or_seen_is_not_called_new(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere" / "db", tmp_path / "file" / "db"):
        done = litequeue("worker", path, "--burst")
        assert done.returncode == 4
        assert "is new" not in done.stderr
    assert "is new: nothing was ever enqueued" in litequeue("worker", tmp_path / "db", "--burst").stderr
    assert "is unused: nothing was ever enqueued" in litequeue("worker", tmp_path / "db", "--burst").stderr
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    refused = litequeue("worker", tmp_path / "shared" / "db", "--burst")
    assert refused.returncode == 4 and "is new" not in refused.stderr and "can be written by others" in one_line(refused)
    assert litequeue("enqueue", tmp_path / "db", "tasks.f").returncode == 0
    assert "nothing was ever" not in litequeue("worker", tmp_path / "db", "--burst").stderr


def test_a_directory_that_is_missing_is_one_line_of_bench(tmp_path: Path) -> None:
    done = litequeue("bench", "--dir", tmp_path / "nowhere")
    assert done.returncode == 4
    assert "nothing can be made there (No such file or directory)" in one_line(done)


def test_the_defaults_of_lease_and_grace_are_in_the_help() -> None:
    text = " ".join(litequeue("worker", "--help").stdout.split())
    assert "a frozen worker's jobs are taken by others after so long; default 60" in text
    assert "for running jobs at shutdown; default 30" in text


def test_the_help_says_which_forms_of_a_length_and_of_a_time_can_be_typed(cli: Cli) -> None:
    for words, forms in (
        ("enqueue", {"SPAN", "TIME"}), ("schedule add", {"SPAN", "TIME"}), ("worker", {"SPAN"}), ("service", {"SPAN"}),
        ("ticks", {"TIME"}), ("jobs", set()),
    ):  # fmt: skip
        text = " ".join(cli(*words.split(), "--help").out.split())
        assert ("SPAN is a length of time: seconds, or with units, as in 90s, 1h30m or 2d." in text) == ("SPAN" in forms)
        assert ("TIME is a date and time, as in '2026-12-24 18:00'" in text) == ("TIME" in forms)


def test_the_help_of_import_says_that_a_module_is_named_or_its_file(cli: Cli) -> None:
    text = " ".join(cli("worker", "--help").out.split())
    assert "--import MODULE take the tasks from this module, by its name (tasks) or its file (./tasks.py)" in text


def test_what_is_not_ascii_is_shown_as_json_as_what_it_is(cli: Cli, db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t", "Ü", 1, b="报告")
    shown = json.loads(cli("job", db, 1, "--json").out)
    assert (shown["args"], shown["kwargs"]) == (["Ü", 1], {"b": "报告"})


def test_a_list_of_nothing_says_so_and_not_into_a_pipe(cli: Cli, db: Path) -> None:
    with LiteQueue(db) as app:
        app.stats()
    for command, says in (
        ("jobs", "there is no job"), ("tasks", "no producer has recorded a task yet"), ("schedules", "there is no schedule"),
    ):  # fmt: skip
        code, out, err = cli(command, db)
        assert (code, out.count("\n"), err) == (0, 1, f"litequeue: {says}\n")
        assert cli(command, db, "--json") == (0, "[]\n", "")
    none = cli("jobs", db, "--state", "discarded", "--queue", "mail", "--before", "7")
    assert none.err == "litequeue: there is no job with state:discarded queue:mail\n"
    cli("schedule", "add", db, "s", "--every", "1h", "--", "true")
    assert cli("ticks", db, "s").err == "litequeue: no tick of s has come\n"
    assert cli("ticks", db, "s", "--before", "2020-01-01").err == "litequeue: no tick of s has come before 2020-01-01\n"


def test_a_filter_by_a_task_that_is_much_like_a_known_one_names_that(cli: Cli, sample_app: LiteQueue, db: Path) -> None:
    sample.add.delay(1, 2)
    assert "did you mean tests.sample.add?" in cli("jobs", db, "--task", "add").err
    assert cli("jobs", db, "--task", "tests.sample.add").err == ""


def test_a_page_says_that_there_are_more_only_if_there_are(cli: Cli, db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("a")
        app.enqueue("b")
    assert "more:" not in cli("jobs", db, "--limit", "2").out
    assert "more: --before 2" in cli("jobs", db, "--limit", "1").out
    assert "more:" not in cli("jobs", db, "--limit", "1", "--before", "2").out
