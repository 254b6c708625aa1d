"""What tasks print and log, as their jobs show it: in all three pools, whatever becomes of them."""

from __future__ import annotations

import gc
import io
import itertools
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import Job, LiteQueue
from litequeue.pools import capturing
from litequeue.store.turn.output import KEEP_OUTPUT

from ..support import wait_until

pytestmark = pytest.mark.beside

SITE = """
import asyncio, contextlib, contextvars, io, logging, os, sys, threading, time
from litequeue import LiteQueue, current_job

app = LiteQueue({db!r})
log = logging.getLogger("site.log")

def work(how):
    if how == "speaks":
        print("one", 2)
        print("wrong", file=sys.stderr)
        log.warning("low on %s", "paper", extra={{"task": "mine"}})
        log.debug("not at this level")
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("it went wrong")
        sys.stdout.writelines(["a\\n", "b\\n"])
        with contextlib.redirect_stdout(io.StringIO()):
            print("for the task itself")
        thread = threading.Thread(target=print, args=("of nobody",))
        thread.start()
        thread.join()
    elif how == "goes on":
        print("begun")
        while not os.path.exists({go!r}):
            time.sleep(0.01)
        print("ended")
    elif how == "fails":
        print("attempt", current_job().attempt)
        raise ValueError
    elif how == "dies":
        print("last words", flush=True)
        time.sleep(1)
        os.kill(os.getpid(), 9)
    elif how == "floods":
        for number in range(20_000):
            log.warning("line %d", number)
    elif how == "forks":
        print("before")
        if os.fork() == 0:
            for _ in range(100):
                print("of the child")
            os._exit(0)
        os.wait()
        print("after")
    elif how == "closes":
        print("before")
        os.closerange(3, 200)
        print("after")
        time.sleep(0.7)
    elif how == "leaves a thread":
        context = contextvars.copy_context()
        job = current_job()
        threading.Timer(0.3, context.run, (late, job)).start()
    elif how == "waits":
        time.sleep(1)
        print("mine")
    elif how == "crashes":
        print("about to crash")
        log.error("last words")
        os.kill(os.getpid(), 11)
    elif how == "wraps":
        sys.stdout = Tee(sys.stdout)
        print("once")
    return how

def late(job):
    print("late")
    log.warning("late")
    job.progress(9, 9)

class Tee:
    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        return self.stream.write(text)

    def flush(self):
        self.stream.flush()

@app.task(retries=1, backoff=0)
def in_thread(how): return work(how)

@app.task(retries=1, backoff=0, pool="process")
def in_process(how): return work(how)

@app.task(retries=1, backoff=0)
async def in_coroutine(how): return work(how) if how != "goes on" else await asyncio.to_thread(work, how)

@app.task(output="drop")
def dropped(): work("speaks")

@app.task(secret="password", pool="process")
def secretive(password): print(f"<{{password}}>")
"""


@pytest.fixture
def site(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "site_says.py").write_text(SITE.format(db=str(db), go=str(tmp_path / "go")))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import site_says  # type: ignore[import-not-found]

    yield site_says
    site_says.app.close()
    del sys.modules["site_says"]


POOLS = ["in_thread", "in_process", "in_coroutine"]


def streams(job: Job[Any], attempt: int = 1) -> list[tuple[str, str]]:
    """Of an attempt, as far as pieces follow each other; without the times of what was logged."""
    pieces = [piece for piece in job.output() if piece.attempt == attempt]
    return [
        (stream, re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", "", "".join(piece.text for piece in found), flags=re.MULTILINE))
        for stream, found in itertools.groupby(pieces, key=lambda piece: piece.stream)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", POOLS)
def test_what_a_task_prints_and_logs_is_kept_in_its_order(kind: str, site: Any) -> None:
    with site.app.worker():
        job = getattr(site, kind).delay("speaks")
        assert job.get(timeout=20) == "speaks"
    printed, wrong, logged, more = streams(job)
    assert [printed, wrong, more] == [("stdout", "one 2\n"), ("stderr", "wrong\n"), ("stdout", "a\nb\n")]
    first, second = logged[1].split("\n", 1)
    assert logged[0] == "log" and first == "WARNING site.log: low on paper"
    assert "ERROR site.log: it went wrong\nTraceback (most recent call last):\n" in second and second.endswith("\nValueError: no\n")


@pytest.mark.slow
@pytest.mark.parametrize("kind", POOLS)
def test_it_is_seen_while_the_job_runs(kind: str, site: Any, tmp_path: Path) -> None:
    with site.app.worker():
        job = getattr(site, kind).delay("goes on")
        wait_until(lambda: streams(job) == [("stdout", "begun\n")], seconds=20)
        assert job.state == "running"
        (tmp_path / "go").touch()
        job.get(timeout=20)
    assert "".join(text for _, text in streams(job)) == "begun\nended\n"


@pytest.mark.slow
@pytest.mark.parametrize("kind", POOLS)
def test_each_attempt_has_its_own(kind: str, site: Any) -> None:
    with site.app.worker():
        job = getattr(site, kind).delay("fails")
        assert job.wait(timeout=20)
    assert [streams(job, attempt) for attempt in (1, 2)] == [[("stdout", "attempt 1\n")], [("stdout", "attempt 2\n")]]


@pytest.mark.slow
def test_a_killed_childs_words_are_kept_as_far_as_they_were_heard(site: Any) -> None:
    with site.app.worker():
        job = site.in_process.delay("dies")
        wait_until(lambda: ("stdout", "last words\n") in streams(job), seconds=20)
        job.cancel()
        assert job.wait(timeout=20)


@pytest.mark.slow
@pytest.mark.parametrize("kind", POOLS)
def test_of_a_flood_both_ends_are_kept_and_no_more(kind: str, site: Any) -> None:
    with site.app.worker():
        job = getattr(site, kind).delay("floods")
        job.get(timeout=60)
    pieces = job.output()
    assert pieces[0].text[24:].startswith("WARNING site.log: line 0\n") and pieces[-1].text.endswith("line 19999\n")
    assert KEEP_OUTPUT < sum(len(piece.text) for piece in pieces) < 5 * KEEP_OUTPUT
    assert any(piece.number > before.number + 1 for before, piece in itertools.pairwise(pieces)), "what is missing shows"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["in_thread", "in_process"])
def test_what_a_fork_prints_is_not_the_jobs(kind: str, site: Any) -> None:
    with site.app.worker():
        job = getattr(site, kind).delay("forks")
        job.get(timeout=20)
    assert "".join(text for _, text in streams(job)) == "before\nafter\n"


@pytest.mark.slow
def test_a_task_that_closes_what_is_not_its_own_harms_only_itself(site: Any) -> None:
    with site.app.worker():
        job = site.in_process.delay("closes")
        assert job.wait(timeout=30)
        assert site.in_process.delay("speaks").get(timeout=20) == "speaks"


@pytest.mark.slow
@pytest.mark.parametrize("kind", POOLS)
def test_what_a_thread_says_after_its_jobs_end_is_nobodys(kind: str, site: Any) -> None:
    with site.app.worker(threads=1, processes=1):
        first = getattr(site, kind).delay("leaves a thread")
        first.get(timeout=20)
        second = getattr(site, kind).delay("waits")
        second.get(timeout=20)
        wait_until(lambda: not any(thread.name == "litequeue-progress" for thread in threading.enumerate()))
    assert streams(first) == [] and first.progress() is None
    assert streams(second) == [("stdout", "mine\n")] and second.progress() is None


@pytest.mark.slow
def test_a_process_that_crashes_leaves_what_it_has_said(site: Any) -> None:
    with site.app.worker():
        job = site.in_process.delay("crashes")
        assert job.wait(timeout=30)
    assert streams(job) == [("stdout", "about to crash\n"), ("log", "ERROR site.log: last words\n")]


@pytest.mark.slow
def test_a_stream_that_is_put_around_another_is_kept_once(site: Any) -> None:
    with site.app.worker(processes=1):
        jobs = [site.in_process.delay("wraps") for _ in range(3)]
        assert [job.get(timeout=20) for job in jobs] == ["wraps"] * 3
    assert [streams(job) for job in jobs] == [[("stdout", "once\n")]] * 3


@pytest.mark.slow
def test_nothing_is_kept_where_a_task_or_a_worker_says_so(site: Any) -> None:
    with site.app.worker():
        job = site.dropped.delay()
        job.get(timeout=20)
        secret = site.secretive.delay("hunter2")
        secret.get(timeout=20)
    assert job.output() == [] and streams(secret) == [("stdout", "<***>\n")]
    with site.app.worker(output="drop"):
        jobs = [getattr(site, kind).delay("speaks") for kind in POOLS]
        assert [job.get(timeout=20) for job in jobs] == ["speaks"] * 3
    assert [job.output() for job in jobs] == [[], [], []]


def in_a_worker(app: LiteQueue, function: Callable[[], Any]) -> Job[Any]:
    with app.worker():
        job = app.task(name="speaks")(function).delay()
        job.get(timeout=20)
    return job


def test_the_streams_are_the_objects_that_they_were_and_nothing_is_kept_outside_of_jobs(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)

    def speak() -> None:
        assert sys.stdout is stream
        print("in the job")

    job = in_a_worker(app, speak)
    print("after it")
    assert stream.getvalue() == "in the job\nafter it\n" and streams(job) == [("stdout", "in the job\n")]


def test_a_stream_that_is_missing_or_takes_no_attribute_is_left(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slotted:
        __slots__ = ()

        def write(self, text: str) -> None: ...

    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", Slotted())
    assert streams(in_a_worker(app, lambda: logging.getLogger("a").error("b"))) == [("log", "ERROR a: b\n")]


def test_what_a_handler_writes_is_no_second_line(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    log = logging.getLogger("site.handled")
    handler = logging.StreamHandler(sys.stderr)
    monkeypatch.setattr(log, "propagate", False)
    capturing.keep_output()
    log.addHandler(handler)

    def speak() -> None:
        log.warning("once")
        print("direct", file=sys.stderr)

    try:
        job = in_a_worker(app, speak)
    finally:
        log.removeHandler(handler)
    assert sys.stderr.getvalue() == "once\ndirect\n"  # type: ignore[attr-defined]
    assert streams(job) == [("log", "WARNING site.handled: once\n"), ("stderr", "direct\n")]


def test_the_programs_filters_and_levels_hold_and_odd_records_are_kept(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("site.filtered")
    monkeypatch.setattr(log, "filters", [lambda record: "secret" not in record.getMessage()])
    monkeypatch.setattr(log, "propagate", False)  # pytest's own handler raises for what does not fit
    monkeypatch.setattr(log, "handlers", [logging.NullHandler()])
    before = list(log.handlers), log.level, list(logging.getLogger().handlers)

    def speak() -> None:
        log.warning("a secret")
        log.info("below the level")
        monkeypatch.setattr(log, "filters", [])
        log.warning("%d", "no number")

    job = in_a_worker(app, speak)
    assert before == (list(log.handlers), log.level, list(logging.getLogger().handlers))
    (piece,) = streams(job)
    assert piece[1].startswith("WARNING site.filtered: %d ('no number',) (logged in test_capturing.py:")


def test_a_stream_that_comes_after_the_worker_is_seen(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.worker():
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        job = app.task(name="speaks")(lambda: print("x")).delay()
        job.get(timeout=20)
    assert streams(job) == [("stdout", "x\n")]


class Says:
    """Printed when garbage is collected, wherever that is."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        print("gone")


def test_an_objects_end_in_the_middle_of_a_first_word_holds_nobody_up(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    @app.task(name="speaks")
    def speaks(n: int) -> None:
        gc.collect()
        gc.disable()
        garbage = [Says() for _ in range(3)]
        del garbage
        gc.set_threshold(gc.get_count()[0] + n)
        gc.enable()
        print("hello")

    before = gc.get_threshold()
    try:
        with app.worker(threads=1):
            jobs = [speaks.delay(n) for n in range(1, 40)]
            for job in jobs:
                job.get(timeout=20)
    finally:
        gc.set_threshold(*before)
        gc.enable()
    assert all("hello\n" in "".join(text for _, text in streams(job)) for job in jobs)


def test_no_record_makes_a_task_fail_that_would_not_else(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("site.odd")
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "handlers", [logging.NullHandler()])

    def speak() -> None:
        log.error("x", exc_info=(1, 2, 3))  # type: ignore[arg-type]
        record = logging.makeLogRecord({"name": "site.odd", "levelno": 40, "levelname": "ERROR", "msg": "archived", "created": "2026"})
        log.handle(record)
        record.message = None  # type: ignore[assignment]
        log.handle(record)

    job = in_a_worker(app, speak)
    assert [text.split(" ", 1)[-1] for text in "".join(piece.text for piece in job.output()).splitlines()[-2:]] == ["ERROR site.odd: archived"] * 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one that lands in a __del__ is raised again
def test_a_soft_timeout_in_the_middle_of_prints_leaves_all_in_order(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with app.worker(threads=1):

        @app.task(name="prints", soft_timeout=0.05)
        def prints() -> None:
            while True:
                print("x")
                logging.getLogger("site.loud").warning("y")

        @app.task(name="after")
        def after() -> None:
            print("still kept")

        monkeypatch.setattr(logging.getLogger("site.loud"), "propagate", False)
        monkeypatch.setattr(logging.getLogger("site.loud"), "handlers", [logging.NullHandler()])
        for _ in range(5):
            assert prints.delay().wait(timeout=20)
        job = after.delay()
        job.get(timeout=20)
    assert streams(job) == [("stdout", "still kept\n")]
    wait_until(lambda: not any(thread.name == "litequeue-progress" for thread in threading.enumerate()))


def test_a_coroutines_words_are_its_own_among_others(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(sys, "stdout", io.StringIO())

    @app.task(name="speaks")
    async def speaks(number: int) -> None:
        for _ in range(3):
            print(number)
            await asyncio.sleep(0.01)
            await asyncio.to_thread(print, number)

    with app.worker():
        jobs = [speaks.delay(number) for number in range(5)]
        for job in jobs:
            job.get(timeout=20)
    assert ["".join(text for _, text in streams(job)) for job in jobs] == [f"{number}\n" * 6 for number in range(5)]
