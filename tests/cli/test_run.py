"""``run``: one job in this process, as a worker would run it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.cli import main, run

from ..support import environment, wait_until
from .conftest import Cli, Said

pytestmark = pytest.mark.beside

TASKS = '''
import asyncio, os, sys, threading, time
from litequeue import LiteQueue, Retry, current_job
app = LiteQueue("db.sqlite")
app.limit("one", max_running=1)

@app.task(pool="process", timeout=0.05, soft_timeout=0.02)
def where(x):
    time.sleep(0.1)
    print("printed", x)
    return [threading.current_thread() is threading.main_thread(), os.getpid(), current_job().attempt, current_job().deadline, current_job().worker]

@app.task(timeout=0.05)
async def coroutine(x):
    await asyncio.sleep(0.1)
    return [threading.current_thread() is threading.main_thread(), os.getpid(), x]

@app.task(retries=2, backoff=100)
def fails(x):
    doubled = x * 2
    raise ValueError(f"bad {doubled}")

@app.task(at_most_once=True)
def once():
    raise ValueError("no")

@app.task(limit="one")
def limited():
    return 1

@app.task(secret="password", retries=0)
def log_in(password):
    raise ValueError(f"not {password}")

@app.task
def steps():
    job = current_job()
    first = job.step("first", print, "step one")
    job.sleep("1h")

@app.task
def sleeps(kind="sync"):
    print("begun", flush=True)
    time.sleep(30)

@app.task
async def sleeps_async():
    print("begun", flush=True)
    await asyncio.sleep(30)

@app.task(retries=0)
async def blocks():
    coroutine.delay(1).get(timeout=5)

@app.task
def stubborn():
    print("begun", flush=True)
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        return "done all the same"

@app.task
def closes():
    sys.stdout.close()
    sys.stderr.close()
    return "done"

def fork_and_wait(child):
    pid = os.fork()
    if pid:
        return {"child came to": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}
    print("of the child")
    if child == "fails":
        raise ValueError(child)
    return child

@app.task
def forks(child):
    return fork_and_wait(child)

@app.task
async def forks_async(child):
    return fork_and_wait(child)
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def queue(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The tasks, as their module has them; it is another one in each test."""
    monkeypatch.syspath_prepend(str(place))
    sys.modules.pop("tasks", None)
    import tasks  # type: ignore[import-not-found]

    yield tasks
    tasks.app.close()
    sys.modules.pop("tasks", None)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """As everywhere, but with what is logged: that goes to the descriptor."""

    def run(*words: object) -> Said:
        capfd.readouterr()
        code = main([str(word) for word in words])
        return Said(code, *capfd.readouterr())

    return run


def test_a_job_runs_in_the_main_thread_whatever_its_pool_and_timeout_and_counts_as_in_a_worker(queue: Any, cli: Cli) -> None:
    for task in (queue.where, queue.coroutine):
        job = task.delay(7)
        said = cli("run", queue.app.path, job.id)
        assert said.code == 0 and f"job {job.id} tasks.{task.name.split('.')[1]}: attempt 1, in the main thread of this process, timeouts are off" in said.err
        assert job.get(0)[:2] == [True, os.getpid()] and job.state == "succeeded"
    job = queue.app.job(1)
    assert job.get(0)[2:4] == [1, None] and job.get(0)[4].startswith("run-")
    assert "".join(piece.text for piece in job.output()) == "printed 7\n" == cli("logs", queue.app.path).out.removeprefix("#1 tasks.where: ")
    assert [worker.name for worker in queue.app.stats().workers] == []


def test_a_failure_is_recorded_with_its_traceback_on_stderr_and_tried_again_as_ever(queue: Any, cli: Cli) -> None:
    job = queue.fails.delay(4)
    said = cli("run", queue.app.path, job.id)
    assert said.code == 1 and "ValueError: bad 8" in said.err and "in fails" in said.err and said.err.count("Traceback") == 1
    info = job.info()
    assert (info.state, info.failures, info.attempt) == ("retrying", 1, 1)
    assert "pools/here" not in info.attempts[0].traceback


def test_one_that_waits_for_its_time_is_run_at_once_and_said_so(queue: Any, cli: Cli) -> None:
    job = queue.where.apply_async((1,), countdown=1000)
    queue.app.pause("default")
    said = cli("run", queue.app.path, job.id)
    assert said.code == 0 and "it was due 20" in said.err and "its queue default is paused" in said.err and job.state == "succeeded"


def test_one_that_has_ended_needs_again(queue: Any, cli: Cli) -> None:
    job = queue.where.delay(1)
    assert cli("run", queue.app.path, job.id).code == 0
    said = cli("run", queue.app.path, job.id)
    assert (said.code, said.err) == (2, "litequeue: job 1 is succeeded: --again runs it once more, with what it does\n")
    said = cli("run", queue.app.path, job.id, "--again")
    assert said.code == 0 and "it was succeeded" in said.err and job.get(0)[2] == 2


def test_one_that_may_run_only_once_needs_again(queue: Any, cli: Cli) -> None:
    job = queue.once.delay()
    for words in ((), ("--dry",)):
        said = cli("run", queue.app.path, job.id, *words)
        assert said.code == 2 and "runs at most once" in said.err and job.state == "available"
    assert cli("run", queue.app.path, job.id, "--again").code == 1 and job.state == "discarded"


def test_one_that_another_worker_runs_is_refused_with_who_that_is(queue: Any, cli: Cli) -> None:
    job = queue.sleeps_async.delay()
    with queue.app.worker(threads=1, name="other", grace=0):
        wait_until(lambda: job.state == "running")
        said = cli("run", queue.app.path, job.id, "--again")
        assert said.code == 1 and "runs since" in said.err and "in the worker other: cancel 1, or wait until it has ended" in said.err
        job.cancel()


def test_one_that_waits_for_others_is_refused_with_what_to_do(queue: Any, cli: Cli) -> None:
    (queue.where.s(1) | queue.where.si(2)).delay()
    said = cli("run", queue.app.path, 2)
    assert said.code == 1 and "cannot run yet, since it waits for job 1 (tasks.where), which is available" in said.err and "retry those" in said.err
    assert cli("run", queue.app.path, 1).code == 0 and cli("run", queue.app.path, 2).code == 0


def test_a_limited_one_gets_its_slot_or_is_left_as_it_was(queue: Any, cli: Cli) -> None:
    first, second = queue.limited.delay(), queue.limited.delay()
    with queue.app._client.store.database.write(durable=True) as connection:
        before = connection.execute("SELECT state, holds, run_at FROM litequeue_jobs WHERE id = ?", (second.id,)).fetchone()
    said = cli("run", queue.app.path, second.id)
    assert said.code == 1 and f"job {second.id} cannot be claimed: it is blocked" in said.err
    with queue.app._client.store.database.write(durable=True) as connection:
        assert connection.execute("SELECT state, holds, run_at FROM litequeue_jobs WHERE id = ?", (second.id,)).fetchone() == before
    assert cli("run", queue.app.path, first.id).code == 0 and cli("run", queue.app.path, second.id).code == 0


def test_a_dry_run_claims_and_records_nothing_and_says_what_would_have_become_of_it(queue: Any, cli: Cli) -> None:
    path = Path(queue.app.path)
    jobs = [queue.where.delay(1), queue.fails.delay(4), queue.steps.delay(), queue.coroutine.delay(2)]
    queue.app.close()

    def held() -> list[Any]:
        with LiteQueue(path) as app, app._client.store.database.read() as connection:
            return [connection.execute(f"SELECT * FROM litequeue_{table}").fetchall() for table in ("jobs", "attempts", "steps", "output", "workers", "metrics")]

    before = held()
    said = [cli("run", path, job.id, "--dry") for job in jobs]
    assert [one.code for one in said] == [0, 1, 0, 0]
    assert "printed 1" in said[0].out and "would have succeeded, with [true" in said[0].err
    assert "would have failed (ValueError: bad 8), and been tried again" in said[1].err and "in fails" in said[1].err
    assert "step one" in said[2].out and "1 step ran, and would be stored: first" in said[2].err and "been put aside in its step 'sleep'" in said[2].err
    assert held() == before


def test_steps_hooks_and_what_follows_are_as_in_a_worker(queue: Any, cli: Cli) -> None:
    job = queue.steps.delay()
    assert cli("run", queue.app.path, job.id).code == 0 and job.state == "scheduled" and [step.name for step in job.steps()] == ["first", "sleep"]
    said = cli("run", queue.app.path, job.id)
    assert "step one" not in said.out and job.state in ("scheduled", "succeeded")


def test_hooks_and_observers_hear_of_it_as_in_a_worker(queue: Any, cli: Cli) -> None:
    heard: list[Any] = []

    class Observer:
        @contextlib.contextmanager
        def run(self, job: Any) -> Iterator[None]:
            heard.append("begins")
            yield
            heard.append("ends")

        def ended(self, job: Any, outcome: Any) -> None:
            heard.append(outcome.state)

        def stopping(self) -> None:
            heard.append("stopping")

    queue.app.use(Observer())
    queue.app.on("succeeded")(lambda job: heard.append(job.id))
    job = queue.where.delay(1)
    assert cli("run", queue.app.path, job.id, "--import", "tasks").code == 0
    assert heard[:3] == ["begins", "ends", "succeeded"] and sorted(map(str, heard[3:])) == [str(job.id), "stopping"]


def test_one_whose_deadline_has_passed_is_refused_and_left(queue: Any, cli: Cli) -> None:
    job = queue.where.apply_async((1,), expires=0.01)
    time.sleep(0.05)
    said = cli("run", queue.app.path, job.id)
    assert said.code == 1 and "was to start before" in said.err and job.state == "available"


def test_no_secret_is_shown(queue: Any, cli: Cli) -> None:
    job = queue.log_in.delay("hunter2-of-ann")
    for words in (("--dry",), ()):
        said = cli("run", queue.app.path, job.id, *words)
        assert said.code == 1 and "hunter2" not in said.err + said.out and "ValueError" in said.err


def test_what_is_wrong_is_said_in_a_line(queue: Any, cli: Cli) -> None:
    unknown = queue.app.send_task("tasks.nobody")
    queue.where.delay(1)
    for words, code, why in [
        ((99,), 1, "there is no job 99"), ((2, "--pdb"), 2, "on a terminal"), ((unknown.id,), 2, "tasks.nobody"), ((2, "--import", "nowhere"), 2, "nowhere"),
    ]:  # fmt: skip
        said = cli("run", queue.app.path, *words)
        assert said.code == code and why in said.err and said.err.count("\n") == 1, said
    assert queue.app.job(2).state == "available"


def in_a_process(place: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "litequeue", *map(str, words)], cwd=place, env=environment(), capture_output=True, text=True, timeout=60, check=False)


def test_a_task_that_closes_the_standard_streams_has_succeeded_all_the_same(queue: Any, place: Path) -> None:
    job = queue.closes.delay()
    ended = in_a_process(place, "run", "db.sqlite", job.id)
    assert ended.returncode == 0 and job.state == "succeeded"
    assert ended.stderr.splitlines()[-1] == f'litequeue: job {job.id} came to: "done"'


@pytest.mark.parametrize("task", ["forks", "forks_async"])
@pytest.mark.parametrize(("child", "code"), [("returns", 0), ("fails", 1)])
def test_the_child_of_a_task_that_forks_does_not_go_on_as_the_command(queue: Any, place: Path, task: str, child: str, code: int) -> None:
    job = getattr(queue, task).delay(child)
    ended = in_a_process(place, "run", "db.sqlite", job.id)
    assert ended.returncode == 0 and ended.stdout == "of the child\n" and job.get(0) == {"child came to": code}
    assert [line for line in ended.stderr.splitlines() if "came to:" in line] == [f'litequeue: job {job.id} came to: {{"child came to":{code}}}']


# -- on a terminal -------------------------------------------------------------------------------------------


class Terminal:
    """A command on a terminal of its own. ``controls``: it gets a SIGHUP when that is closed."""

    def __init__(self, place: Path, *words: object, controls: bool = False) -> None:
        def begin() -> None:
            os.setsid()
            if controls:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.text = ""
        ours, theirs = pty.openpty()
        self._fd = ours
        self._process = subprocess.Popen(
            [sys.executable, "-m", "litequeue", *map(str, words)], cwd=place, env={**environment(), "NO_COLOR": "1"}, stdin=theirs, stdout=theirs, stderr=theirs,
            preexec_fn=begin,  # noqa: PLW1509 - no threads here
        )  # fmt: skip
        os.close(theirs)

    def until(self, text: str) -> None:
        wait_until(lambda: self._read() and False or text in self.text, 30, f"{text!r} in {self.text!r}")
        self.text = self.text[self.text.index(text) + len(text) :]

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        def ended() -> bool:
            self._read()
            return self._process.poll() is not None

        wait_until(ended, 30, "the end")
        self._read()
        os.close(self._fd)
        return int(self._process.returncode)

    def hang_up(self) -> int:
        os.close(self._fd)
        return self._process.wait(30)

    def _read(self) -> bool:
        while select.select([self._fd], [], [], 0.01)[0]:
            try:
                found = os.read(self._fd, 65536)
            except OSError:
                return True
            if not found:
                return True
            self.text += found.decode(errors="replace").replace("\r\n", "\n")
        return True


@pytest.mark.slow
def test_a_failure_is_looked_at_before_it_is_recorded_and_given_back_unless_somebody_says_otherwise(queue: Any, place: Path) -> None:
    job = queue.fails.delay(4)
    shown = Terminal(place, "run", "db.sqlite", job.id, "--pdb")
    shown.until("(Pdb) ")
    assert job.info().state == "running"
    lease = job.info().lease_expires_at
    shown.type("p doubled\n")
    shown.until("8\n")
    shown.type("q\n")
    shown.until("[r/B] ")
    shown.type("what?\n")
    shown.until("[r/B] ")
    shown.type("\n")
    assert shown.end() == 1 and "given back, and nothing is charged" in shown.text
    info = job.info()
    assert (info.state, info.failures, info.interruptions, info.attempts) == ("available", 0, 0, ()) and lease is not None
    shown = Terminal(place, "run", "db.sqlite", job.id, "--pdb")
    shown.until("(Pdb) ")
    shown.type("q\n")
    shown.until("[r/B] ")
    shown.type("r\n")
    assert shown.end() == 1 and job.info().failures == 1 and job.state == "retrying"


@pytest.mark.slow
def test_one_that_was_not_due_goes_back_to_its_time(queue: Any, place: Path) -> None:
    job = queue.fails.apply_async((1,), countdown=5000)
    due = job.info().run_at
    shown = Terminal(place, "run", "db.sqlite", job.id, "--pdb")
    shown.until("(Pdb) ")
    shown.type("q\n")
    shown.until("[r/B] ")
    shown.type("b\n")
    assert shown.end() == 1 and job.state == "scheduled" and abs((job.info().run_at - due).total_seconds()) < 60 and job.info().failures == 0


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("task", ["sleeps", "sleeps_async"])
def test_a_signal_gives_it_back_uncharged(queue: Any, place: Path, number: int, code: int, task: str) -> None:
    job = getattr(queue, task).delay()
    shown = Terminal(place, "run", "db.sqlite", job.id)
    shown.until("begun\n")
    shown.signal(number)
    assert shown.end() == code and "given back, and nothing is charged" in shown.text
    info = job.info()
    assert (info.state, info.failures, info.interruptions, info.attempts) == ("available", 0, 0, ())


def test_a_signal_before_the_task_begins_gives_it_back_too(queue: Any, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    job = queue.where.delay(1)
    monkeypatch.setattr(run, "_say_how", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    said = cli("run", queue.app.path, job.id)
    assert said.code == 130 and "given back" in said.err and "printed" not in said.out
    assert (job.info().state, job.info().failures, job.info().interruptions) == ("available", 0, 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_coroutine_that_would_stop_its_own_loop_is_told_so(queue: Any, cli: Cli) -> None:
    said = cli("run", queue.app.path, queue.blocks.delay().id)
    assert said.code == 1 and "WouldDeadlock" in said.err and "write `await job`" in said.err


@pytest.mark.slow
def test_what_succeeds_after_ctrl_c_has_succeeded(queue: Any, place: Path) -> None:
    job = queue.stubborn.delay()
    shown = Terminal(place, "run", "db.sqlite", job.id)
    shown.until("begun\n")
    shown.signal(signal.SIGINT)
    assert shown.end() == 0 and job.get(0) == "done all the same"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_is_closed_in_the_debugger_gives_it_back(queue: Any, place: Path, number: int) -> None:
    job = queue.fails.delay(4)
    shown = Terminal(place, "run", "db.sqlite", job.id, "--pdb")
    shown.until("(Pdb) ")
    shown.signal(number)
    assert shown.end() == 128 + number
    assert (job.info().state, job.info().failures, job.info().interruptions) == ("available", 0, 0)


@pytest.mark.slow
def test_a_signal_while_the_debugger_evaluates_a_statement_gives_it_back(queue: Any, place: Path) -> None:
    job = queue.fails.delay(4)
    shown = Terminal(place, "run", "db.sqlite", job.id, "--pdb")
    shown.until("(Pdb) ")
    shown.type("print('in ' + 'it', flush=True); import time; time.sleep(60)\n")
    shown.until("in it\n")
    shown.signal(signal.SIGTERM)
    assert shown.end() == 143
    assert (job.info().state, job.info().failures, job.info().interruptions) == ("available", 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "controls", "code"), [(("--pdb",), True, 129), (("--pdb",), False, 1), ((), True, 129)])
def test_a_terminal_that_goes_away_gives_it_back(queue: Any, place: Path, words: tuple[str, ...], controls: bool, code: int) -> None:
    job = queue.fails.delay(4) if words else queue.sleeps.delay()
    shown = Terminal(place, "run", "db.sqlite", job.id, *words, controls=controls)
    shown.until("(Pdb) " if words else "begun\n")
    assert shown.hang_up() == code
    assert (job.info().state, job.info().failures, job.info().interruptions) == ("available", 0, 0)


@pytest.mark.slow
def test_the_lease_is_kept_while_somebody_thinks_and_a_kill_is_noticed_by_others(queue: Any, place: Path) -> None:
    job = queue.fails.delay(4)
    shown = Terminal(place, "run", "db.sqlite", job.id, "--pdb")
    shown.until("(Pdb) ")
    first = job.info().lease_expires_at
    wait_until(lambda: job.info().lease_expires_at > first, 30, "a heartbeat")
    shown.signal(signal.SIGKILL)
    shown.end()
    with queue.app.worker(threads=1, queues=["none"]):
        wait_until(lambda: job.info().state == "available", 20, "the rescue")
    assert job.info().interruptions == 1


def test_two_at_once_are_one_too_many(queue: Any, cli: Cli) -> None:
    """Of two that looked at the same job one has it."""
    job = queue.where.delay(1)
    store = queue.app._client.store
    taken: list[Any] = []

    def claim(worker: int) -> None:
        now = time.time_ns() // 1000
        taken.append(store.chosen.claim(job.id, worker, now, now + 60_000_000))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(turn is not None for turn in taken) == 1 and job.info().attempt == 1
    said = cli("run", queue.app.path, job.id)
    assert said.code == 1 and "runs since" in said.err
