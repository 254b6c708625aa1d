"""Rows that somebody else planted among those of workflows, steps, events and callbacks: they end no worker, hold up no turn, and
hide no other job.

A burst serves each file beside an ordinary job that was enqueued after the planting. Cases that have nothing to do with one another share
a file, a few at a time: most of the time of each would be that of its bursts.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, LitequeueError, chain, group
from litequeue.cli import main
from litequeue.store.links import telling

from .. import sample
from ..prepared import litequeue
from .logged import broken
from .test_hostile_rows import (
    ADD,
    DEEP,
    EVIL,
    HUGE,
    NOT_UTF8,
    ask,
    assert_no_control_characters,
    plant,
    state,
)

LEAST = -HUGE - 1
HEAR, JOIN = "tests.sample.hear", "litequeue.join"
NUMBERS = (LEAST, LEAST + 1, -1, 0, 1, 2, 2**32, HUGE - 1, HUGE)
SURROGATE = "\ud800"
LONG = "9" * 5000

PARENT: dict[str, Any] = {
    "task": ADD, "args": "[1, 2]", "state": "succeeded", "attempt": 1, "started_at": 1, "finished_at": 1, "prune_at": HUGE, "result": "3",
    "links": 1, "max_attempts": 1,
}  # fmt: skip
FAILED: dict[str, Any] = {**PARENT, "state": "discarded", "failures": 1, "result": None, "last_error": "ValueError: x"}
CHILD: dict[str, Any] = {"task": ADD, "args": "[1]", "state": "blocked", "links": 4, "max_attempts": 1}

# Texts where JSON is expected.
TEXTS: dict[str, Any] = {
    "nothing": "", "no JSON": "nope", "cut": '{"task": "', "a number": "5", "a list": "[1]", "an object": "{}", "null": "null", "a string": '"x"',
    "nested": DEEP, "nested objects": '{"x":' * 100_000 + "1" + "}" * 100_000, "nested a little": "[" * 900 + "]" * 900,
    "infinity": "1e999", "NaN": "NaN", "a huge number": LONG, "beyond 64 bits": str(2**64), "a lone surrogate": '"\\ud800"', "NUL": "[1]\0[2]",
    "only NUL": "\0", "not UTF-8": NOT_UTF8, "not UTF-8, in a string": b'"\xff"', "a tag": '{"$exec": "id"}', "control characters": EVIL,
    "two megabytes": '"' + "x" * (2 << 20) + '"',
}  # fmt: skip


TOGETHER = 6


def few(cases: Iterable[Any]) -> list[Any]:
    """The cases, a few at a time, as parameters."""
    together = itertools.groupby(enumerate(cases), lambda case: case[0] // TOGETHER)
    portions = [[case for _, case in portion] for _, portion in together]
    return [pytest.param(portion, id=", ".join(map(str, portion))) for portion in portions]


class Planted:
    """A file with rows of others in it."""

    def __init__(self, app: LiteQueue, db: Path) -> None:
        self.app, self.db = app, db
        self.jobs: list[int] = []
        self.next = 101
        app.stats()  # makes the file

    def job(self, **columns: Any) -> int:
        job = columns.pop("id", None)
        if job is None:
            job, self.next = self.next, self.next + 1
        self.jobs.append(job)
        return self.row("jobs", id=job, **columns)

    def row(self, table: str, **columns: Any) -> int:
        return plant(self.db, table, **columns)

    def wait(self, parent: int, child: dict[str, Any] = CHILD, *, position: int = 0, **wait: Any) -> int:
        """A job that waits for another."""
        job = self.job(**child)
        self.row("edges", parent_id=parent, child_id=job, position=position)
        self.row("waits", **{"job_id": job, "pending": 1, **wait})
        return job

    def serve(self) -> str:
        """Each burst ends as it should, and what was enqueued behind all that runs; what the worker said."""
        job = sample.add.delay(20, 3)
        flags = ("--burst", "--threads", 2, "--processes", 1, "--async", 1, "--grace", 1, "--import", "tests.sample")
        done = litequeue("worker", self.db, *flags, timeout=20, errors="replace")
        assert (done.returncode, broken(done.stderr)) == (0, False), done.stderr[-3000:]
        assert_no_control_characters(done.stderr)
        assert job.get(timeout=0) == 23, done.stderr[-3000:]
        return done.stderr

    def look(self, most: int = 3) -> None:
        """People see it all: the flows, and so many jobs of the first and of the last."""
        with contextlib.closing(sqlite3.connect(self.db)) as connection:
            flows = [flow for (flow,) in connection.execute("SELECT id FROM litequeue_flows WHERE id > 0 LIMIT 3")]
            jobs = [job for (job,) in connection.execute("SELECT id FROM litequeue_jobs WHERE id > 0 ORDER BY id")]
        lines = [["jobs", "--json"], ["stats"], ["doctor"], *(["jobs", f"flow:{flow}"] for flow in flows)]
        lines += [["flow", str(flow), *json] for flow in flows for json in ([], ["--json"])]
        lines += [["job", str(job), *json] for job in {*jobs[:most], *jobs[-most:]} for json in ([], ["--json"])]
        for line in lines:
            seen(self.db, *line)

    def serve_and_look(self) -> None:
        self.serve()
        self.look()

    def state(self, job: int) -> str:
        return state(self.db, job)

    def why(self, job: int) -> str:
        return str(ask(self.db, "SELECT last_error FROM litequeue_jobs WHERE id = ?", job))

    def ask(self, sql: str, key: int = 0) -> Any:
        return ask(self.db, sql, key)

    def execute(self, sql: str, *parameters: Any) -> None:
        with contextlib.closing(sqlite3.connect(self.db, isolation_level=None)) as connection:
            connection.execute(sql, parameters)


def seen(db: Path, command: str, *words: str) -> str:
    """What a command prints, which says at most in one line that it cannot."""
    printed, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaint):
        code = main([command, str(db), *words])
    assert code in ((0, 1) if command in ("doctor", "flow", "job") else (0,)), (command, words, complaint.getvalue())
    assert complaint.getvalue().count("\n") <= 1, complaint.getvalue()
    assert_no_control_characters(printed.getvalue() + complaint.getvalue())
    printed.getvalue().encode()
    if "--json" in words and code == 0:
        json.loads(printed.getvalue())
    return printed.getvalue()


@pytest.fixture
def planted(sample_app: LiteQueue, db: Path) -> Iterator[Planted]:
    yield Planted(sample_app, db)


pytestmark = [pytest.mark.slow, pytest.mark.beside]

# -- callbacks ---------------------------------------------------------------------------------------------------------

CALL = {"task": ADD, "args": "[1]", "kwargs": "{}", "takes": 1}


def call(**said: Any) -> str:
    return json.dumps({**CALL, **said})


# JSON as no json.dumps writes it.
RAW = ("1e999", "-1e999", "NaN", "Infinity", LONG, f"-{LONG}", "1e400", "0.5", "true", "null", '"5"', '"x"', "[]", "{}", DEEP, str(2**63), str(2**64),
       str(LEAST), str(LEAST - 1), str(HUGE), "-1", '"\\ud800"', '"\\u0000"', '""')  # fmt: skip
FIELDS = (
    "task", "args", "kwargs", "takes", "delay", "expires", "queue", "pool", "priority", "max_attempts", "timeout", "soft_timeout", "at_most_once",
    "links",
)  # fmt: skip


def raw(field: str, value: str) -> str:
    return call(**{field: "@"}).replace('"@"', value)


CALLBACKS: dict[str, dict[str, Any]] = {
    "whole": TEXTS,
    **{field: {f"{value:.12}": raw(field, value) for value in RAW} for field in FIELDS},
    "texts": {
        "a queue with control characters": call(queue=EVIL), "a task with control characters": call(task=EVIL), "no task": '{"args": "[1]"}',
        "a pool that is unknown": call(pool="gpu"), "arguments that are no JSON": call(args="nope"), "a list of arguments": call(args=[1]),
        "arguments that are nested": call(args=DEEP), "long arguments": call(args='["' + "x" * (3 << 20) + '"]'),
        "more, nested": call(more="@").replace('"@"', DEEP), "twice": call()[:-1] + ', "task": 5}', "not UTF-8": call(queue="@").encode().replace(b"@", b"\xff"),
        "a huge name": call(task="x" * 1_000_000), "a huge queue": call(queue="x" * 1_000_000),
    },
}  # fmt: skip


@pytest.mark.parametrize("field", CALLBACKS)
def test_a_callback_that_is_none_makes_nothing_and_holds_nobody_up(planted: Planted, field: str) -> None:
    """Each beside one that is sound, which is made."""
    parents = []
    for number, (name, text) in enumerate(CALLBACKS[field].items()):
        for columns, when in ((PARENT, "success"), (FAILED, "failed")):
            parents.append(planted.job(**columns))
            planted.row("callbacks", job_id=parents[-1], number=0, runs_when=when, job=text)
            planted.row("callbacks", job_id=parents[-1], number=1, runs_when=when, job=call(kwargs="{}", args=json.dumps([name])))
            task = f"no.such{number}"
            options = b'{"callbacks": [["%s", %s]]}' % (when.encode(), text if isinstance(text, bytes) else text.encode())
            plant(planted.db, "tasks", name=f"{task}.{when}", module="m", qualname="q", directory="/", options=options, recorded_at=0)
            planted.job(**{**columns, "task": f"{task}.{when}"})
    planted.serve_and_look()
    assert {planted.ask("SELECT links FROM litequeue_jobs WHERE id = ?", parent) for parent in parents} == {2}
    assert planted.ask("SELECT count(*) FROM litequeue_jobs WHERE id > ? AND args LIKE '[\"%' AND state <> 'available'", planted.next) >= len(parents)


OPTIONS: dict[str, Any] = {
    **TEXTS, "callbacks are nested": f'{{"callbacks": {DEEP}}}', "callbacks are one": '{"callbacks": {"a": 1}}', "of numbers": '{"callbacks": [1, [2], ["success"]]}',
    "of lists": '{"callbacks": [[["success"], {"task": "x"}], [{"success": 1}, 2]]}', "of texts": '{"callbacks": ["success"]}',
    "a number": '{"callbacks": [["success", 5]]}', "null": '{"callbacks": [["success", null]]}', "a list": '{"callbacks": [["success", [1]]]}',
    "more": '{"callbacks": [["success", {"task": "no.such"}, 1]]}', "not UTF-8": b'{"callbacks": [["success", {"task": "\xff"}]]}',
    "an id": '{"callbacks": [["success", 1e999]]}', "sometime": '{"callbacks": [["sometime", {"task": "x"}]]}',
}  # fmt: skip


@pytest.mark.parametrize("names", few(OPTIONS))
def test_a_tasks_options_that_are_none_hold_nobody_up(planted: Planted, names: list[str]) -> None:
    for name in names:
        plant(planted.db, "tasks", name=f"no.such {name}", module="m", qualname="q", directory="/", options=OPTIONS[name], recorded_at=0)
    parents = {name: planted.job(**{**PARENT, "task": f"no.such {name}"}) for name in names}
    planted.serve_and_look()
    for name, parent in parents.items():
        assert planted.ask("SELECT links FROM litequeue_jobs WHERE id = ?", parent) == 2, name


@pytest.mark.parametrize("names", few(TEXTS))
def test_a_result_that_is_none_holds_nobody_up_who_takes_it(planted: Planted, names: list[str]) -> None:
    """A callback, a step, one of many, a join."""
    for name in names:
        parent = planted.job(**{**PARENT, "result": TEXTS[name]})
        planted.row("callbacks", job_id=parent, number=0, runs_when="success", job=call())
        planted.wait(parent, takes="one")
        planted.wait(parent, takes="all")
        join = planted.wait(parent, {**CHILD, "task": JOIN, "args": "[]", "links": 5}, takes="all")
        planted.wait(join, takes="one")
        planted.wait(planted.wait(parent, {**CHILD, "task": JOIN, "args": "[]", "links": 5}), takes="one")
        planted.wait(parent, replaced=1, takes="one", own_inputs=TEXTS[name])
    planted.serve_and_look()
    assert planted.ask("SELECT count(*) FROM litequeue_jobs WHERE state = 'blocked'  AND ? = 0") == 0


@pytest.mark.parametrize("names", few(TEXTS))
def test_what_failed_strangely_is_described_to_who_takes_it(planted: Planted, names: list[str]) -> None:
    times = {"run_at": HUGE, "created_at": LEAST, "expires_at": HUGE, "timeout": LEAST}
    for text in map(TEXTS.get, names):
        parent = planted.job(**{**FAILED, **times, "args": text, "kwargs": text, "last_error": text, "queue": text})
        planted.row("attempts", job_id=parent, attempt=1, outcome=text, error_type=text, error_message=text, traceback=text, started_at=LEAST)
        planted.row("callbacks", job_id=parent, number=0, runs_when="failed", job=call())
        planted.wait(parent, takes="one")
        planted.wait(parent, takes="all", runs_when="ended")
    planted.look()
    planted.serve_and_look()
    for job, form in itertools.product(planted.jobs[::3], ([], ["--json"])):
        seen(planted.db, "job", str(job), *form)


# -- waits and edges -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["pending", "upset", "held", "delay", "cause", "replaced"])
def test_a_wait_of_any_number_holds_nobody_up(planted: Planted, column: str) -> None:
    parents = [planted.job(**PARENT), planted.job(**FAILED)]
    others = [planted.job(**PARENT, id=90), planted.job(**FAILED, id=91)]
    for runs_when in ("success", "failed", "ended"):
        for takes in (None, "one", "all"):
            for parent, other in zip(parents, others, strict=True):
                for number in NUMBERS:
                    job = planted.wait(parent, runs_when=runs_when, takes=takes, **{column: number})
                    planted.row("edges", parent_id=other, child_id=job, position=1)
    sound = planted.wait(parents[0], takes="one")
    planted.serve_and_look()
    assert planted.state(sound) == "succeeded"
    for job in parents:  # put back, so that those are counted anew
        planted.app.job(job).retry()
    planted.serve_and_look()


MANY = "WITH RECURSIVE numbers (n) AS (SELECT 10000 UNION ALL SELECT n + 1 FROM numbers WHERE n < 13000)"
EDGES: dict[str, Callable[[Planted, int], object]] = {
    "to itself": lambda p, job: p.row("edges", parent_id=job, child_id=job, position=0),
    "a circle": lambda p, job: [p.row("edges", parent_id=a, child_id=b, position=5) for a, b in ((job, 95), (95, 96), (96, job))],
    "to nobody": lambda p, job: p.row("edges", parent_id=job, child_id=77_777, position=0),
    "to less than nobody": lambda p, job: [p.row("edges", parent_id=job, child_id=n, position=LEAST) for n in NUMBERS],
    "of nobody": lambda p, job: [p.row("edges", parent_id=n, child_id=job, position=HUGE) for n in NUMBERS],
    "to what has ended": lambda p, job: p.row("edges", parent_id=job, child_id=p.job(**FAILED), position=0),
    "to what runs": lambda p, job: p.row("edges", parent_id=job, child_id=p.job(**{**CHILD, "state": "available"}), position=0),
    "to many": lambda p, job: p.execute(f"INSERT OR IGNORE INTO litequeue_edges {MANY} SELECT {job}, n, 0 FROM numbers"),
    "of many": lambda p, job: p.execute(f"INSERT OR IGNORE INTO litequeue_edges {MANY} SELECT n, 98, 0 FROM numbers"),
    "none": lambda p, job: p.execute("DELETE FROM litequeue_edges"),
    "a wait without a job": lambda p, job: [p.row("waits", job_id=n, pending=1) for n in NUMBERS],
    "a job without a wait": lambda p, job: p.row("edges", parent_id=job, child_id=p.job(**CHILD), position=0),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_edges_of_any_shape_hold_nobody_up(planted: Planted, name: str) -> None:
    for job in range(95, 99):
        planted.job(**CHILD, id=job)
        planted.row("waits", job_id=job, pending=1, takes="all")
    for columns in (PARENT, FAILED):
        parent = planted.job(**columns)
        planted.wait(parent, takes="one")
        with contextlib.suppress(sqlite3.IntegrityError):  # the same once more
            EDGES[name](planted, parent)
    planted.row("flows", id=1, end_id=95, gathers=1, created_at=0)
    planted.row("flow_jobs", first_id=1, last_id=1000, flow_id=1)
    planted.serve_and_look()
    planted.app.flow(1).retry()
    planted.serve_and_look()
    planted.app.flow(1).cancel()
    planted.serve_and_look()


@pytest.mark.parametrize("bits", few([*NUMBERS, 3, 4, 5, 6, 7, 8]))
def test_links_of_any_bits_hold_nobody_up(planted: Planted, bits: list[int]) -> None:
    kinds = (PARENT, FAILED, {**CHILD, "state": "available", "args": "[1, 2]"}, CHILD)
    of_each = [[planted.job(**{**columns, "links": links}) for columns in kinds] for links in bits]
    for jobs in of_each:
        for parent in jobs[:3]:
            planted.wait(parent, takes="one")
    planted.serve_and_look()
    for job in itertools.chain(*of_each):
        planted.app.job(job).retry()
        sample.add.apply_async((1, 2), after=planted.app.job(job))
    planted.serve_and_look()
    for jobs in of_each:
        planted.app.job(jobs[0]).cancel()
    planted.execute("UPDATE litequeue_jobs SET prune_at = 1 WHERE prune_at IS NOT NULL")
    planted.serve_and_look()


@pytest.mark.parametrize("names", few(TEXTS))
def test_inputs_that_are_none_discard_their_job(planted: Planted, names: list[str]) -> None:
    for text, links in itertools.product(map(TEXTS.get, names), (4, 5, 6, 7, HUGE)):
        job = planted.job(**{**CHILD, "state": "available", "links": links})
        planted.row("waits", job_id=job, pending=0, inputs=text, own_inputs=text)
    planted.serve_and_look()
    for job in planted.jobs:
        assert planted.state(job) in ("discarded", "succeeded")
        planted.app.job(job).retry()
    planted.serve_and_look()


@pytest.mark.parametrize("results", [["x" * 1_000_000] * 5, ["y" * 3_000_000], ["\0" + "z" * 1_000_000] * 5, [None] + ["x" * 1_000_000] * 5])
def test_results_that_are_more_than_one_text_can_hold_are_never_put_together(planted: Planted, results: list[str | None]) -> None:
    """A thousand results of a megabyte are more than SQLite takes; here it is told to take less."""
    parents = [planted.job(**{**PARENT, "result": result}) for result in results]
    taker = planted.wait(parents[0], takes="all", pending=len(parents))
    join = planted.wait(parents[0], {**CHILD, "task": JOIN, "args": "[]"}, takes="all", pending=len(parents))
    for position, parent in enumerate(parents[1:], 1):
        for child in (taker, join):
            planted.row("edges", parent_id=parent, child_id=child, position=position)
    with planted.app._client.store.database.write(durable=False) as connection:
        before = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4_000_000)
        telling.tell(connection, 5)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
    size = 1 + sum(1 + len(result or "null") for result in results)
    for job in (taker, join):
        assert planted.state(job) == "discarded"
        assert planted.why(job).startswith(f"PayloadTooLarge: the results of the jobs that it waited for take {size} bytes, and 1048576 is")
    planted.serve_and_look()


# -- batches and flows ---------------------------------------------------------------------------------------------------------

CHILDREN: dict[str, Any] = {
    **TEXTS, "none": "[]", "texts": '["104", "x"]', "lists": "[[104]]", "an object of ids": '{"a": 104}', "twice": "[104, 104]",
    "numbers beyond": f"[{HUGE}, {LEAST}, {2**64}, -1, 0]", "a fraction": "[104.5, 1e999, -1e999, NaN]", "true": "[true, null]", "a long one": f"[{LONG}]",
    "nobody": "[77777]", "a surrogate": '["\\ud800"]', "no list": '{"104": 104}', "missing": None,
}  # fmt: skip


CLOSED = ("none", "twice", "numbers beyond", "nobody", "no list", "missing")  # of which nobody should read the children


@pytest.mark.parametrize(("name", "is_open"), [*((name, 1) for name in CHILDREN), *itertools.product(CLOSED, (0, HUGE))])
def test_a_batch_of_any_children_holds_nobody_up(planted: Planted, name: str, is_open: int) -> None:
    text = CHILDREN[name]
    planted.next = 104
    planted.wait(planted.job(**PARENT, id=90), held=1, pending=HUGE, takes="all")
    for flow in (1, 2):
        planted.row("flows", id=flow, end_id=104, gathers=1, open=is_open, children=text, created_at=0)
    planted.row("flow_jobs", first_id=104, last_id=104, flow_id=1)
    planted.look()
    batch = planted.app.batch(1)
    with contextlib.suppress(LitequeueError), batch:
        sample.add.delay(1, 2)
    with contextlib.suppress(LitequeueError), batch:
        group(sample.add.s(1, 2), sample.add.s(1, 2)).delay()
    with contextlib.suppress(LitequeueError), batch:
        sample.add.delay_many([(1, 2), (3, 4)])
    store, now = planted.app._client.store.batches, planted.app._client.clock.now()
    with contextlib.suppress(LitequeueError):
        store.seal(1, now)
    with contextlib.suppress(LitequeueError):
        store.abandon(2, now)
    planted.serve_and_look()
    for flow in (1, 2):
        for act in (planted.app.flow(flow).retry, planted.app.flow(flow).results, planted.app.flow(flow).cancel):
            with contextlib.suppress(LitequeueError):
                act()
    planted.serve_and_look()


FLOWS: dict[str, tuple[dict[str, Any], list[tuple[int, int]]]] = {
    "no jobs": ({}, []), "all jobs": ({}, [(LEAST, HUGE)]), "backwards": ({}, [(HUGE, LEAST)]), "twice": ({}, [(1, 200), (90, 300), (101, 103)]),
    "gathers": ({"gathers": HUGE, "end_id": 102}, [(101, 103)]), "no end": ({"gathers": 1, "end_id": None}, [(101, 103)]),
    "an end that is nobody": ({"end_id": HUGE}, [(101, 103)]), "an end that is less": ({"end_id": LEAST}, [(101, 103)]),
    "long ago": ({"created_at": LEAST}, [(101, 103)]), "in times to come": ({"created_at": HUGE}, [(101, 103)]), "open": ({"open": LEAST}, [(101, 103)]),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_of_any_shape_can_be_looked_at_and_holds_nobody_up(planted: Planted, name: str) -> None:
    columns, ranges = FLOWS[name]
    planted.row("flows", **{"id": 1, "end_id": 101, "created_at": 0, **columns})
    for first, last in ranges:
        planted.row("flow_jobs", first_id=first, last_id=last, flow_id=1)
    for job in (LEAST, -1, 0):
        planted.job(**{**PARENT, "id": job})
    times = {"started_at": LEAST, "finished_at": HUGE, "run_at": HUGE, "last_error": EVIL}
    one = planted.job(**PARENT)
    planted.wait(planted.wait(one, {**CHILD, "run_at": HUGE}, takes="one"), takes="all")
    planted.wait(planted.job(**{**FAILED, **times}), {**CHILD, "task": EVIL})
    planted.job(**{**CHILD, "links": None, "state": "scheduled", "run_at": HUGE})
    planted.serve_and_look()
    flow = planted.app.flow(1)
    for act in (flow.retry, flow.results, flow.progress, flow.jobs, flow.done, flow.cancel, lambda: list(flow.as_completed(timeout=0))):
        with contextlib.suppress(LitequeueError):
            act()
    planted.serve_and_look()
    planted.execute("UPDATE litequeue_jobs SET prune_at = 1 WHERE prune_at IS NOT NULL")
    planted.serve_and_look()


# -- steps and events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", few(TEXTS))
def test_an_event_of_any_payload_holds_nobody_up(planted: Planted, names: list[str]) -> None:
    """Which is there already, comes later, or comes by plain SQL."""
    of_each = {}
    for name in names:
        planted.row("events", name=f"before {name}", payload=TEXTS[name])
        of_each[name] = [sample.hear.delay(event) for event in (f"before {name}", [f"before {name}", "other"], f"after {name}")]
        planted.jobs += [job.id for job in of_each[name]]
    planted.serve()
    for name, jobs in of_each.items():
        assert [job.state in ("succeeded", "discarded") for job in jobs] == [True, True, False], name
    planted.look()
    for name in names:
        planted.row("events", name=f"after {name}", payload=TEXTS[name])
    planted.serve_and_look()
    for name, jobs in of_each.items():
        assert all(job.state in ("succeeded", "discarded") for job in jobs), name


@pytest.mark.parametrize("number", NUMBERS)
def test_an_event_at_any_time_holds_nobody_up(planted: Planted, number: int) -> None:
    times = {"at": number, "prune_at": HUGE}
    planted.row("events", name="before", **times)
    planted.row("events", name="over", at=number, prune_at=number)
    planted.row("events", name=NOT_UTF8, at=number, prune_at=number)
    planted.row("events", name=EVIL, at=number, prune_at=number)
    jobs = [sample.hear.delay(["before", "after"]), sample.hear.delay("after"), sample.hear.delay("later", 3600)]
    planted.jobs += [job.id for job in jobs]
    planted.serve_and_look()
    planted.row("events", name="after", **times)
    planted.row("events", name="later", **times)
    planted.serve_and_look()
    assert [job.state for job in jobs] == ["succeeded"] * 3


STEPS: dict[str, list[dict[str, Any]]] = {
    **{f"any {column}": [{column: number} for number in NUMBERS] for column in ("until", "attempt", "at")},
    **{f"a value: {name}": [{"value": text}] for name, text in TEXTS.items()},
    **{f"an event: {name}": [{"event": text, "value": "1"}] for name, text in TEXTS.items()},
}


@pytest.mark.parametrize("names", few(STEPS))
def test_a_step_of_any_kind_holds_nobody_up(planted: Planted, names: list[str]) -> None:
    """Of one that waits for an event, for one of several, sleeps, has steps; that ran, and that has not."""
    kinds = (("wait_for:x", '["x"]'), ("wait_for:y", '[["y", "x"], 1]'), ("sleep", '["sleep"]'), ("step", '["step"]'))
    of_all = itertools.chain(*map(STEPS.__getitem__, names))
    for columns, attempt, (word, args) in itertools.product(of_all, (1, 0), kinds):
        job = planted.job(task=HEAR, args=args, attempt=attempt, max_attempts=1)
        planted.row("steps", job_id=job, name=word, **{"attempt": 1, "at": 1, **columns})
        planted.row("steps", job_id=job, name="other", **{"attempt": 1, "at": 1, **columns})
    planted.serve_and_look()
    for job in planted.jobs:
        planted.app.job(job).retry()
    planted.serve_and_look()


NAMES: dict[str, Any] = {
    "empty": "", "not UTF-8": NOT_UTF8, "control characters": EVIL, "NUL": "a\0b", "long": "x" * 1_000_000, "of an event": "there",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("heard", [True, False])
def test_a_listener_of_any_name_holds_nobody_up(planted: Planted, name: str, heard: bool) -> None:
    text = NAMES[name]
    planted.row("events", name="there", payload=NOT_UTF8)
    forever = planted.ask("SELECT 221845392000000000 + ?")
    for columns in ({"state": "scheduled", "run_at": forever}, {"state": "scheduled", "run_at": 5}, {"state": "available"}, PARENT, CHILD):
        job = planted.job(**{**CHILD, "links": None, "args": '["x"]', **columns, "task": HEAR})
        planted.row("listeners", name=text, job_id=job, step=text)
        planted.row("steps", job_id=job, name=text, attempt=1, at=1)
        planted.row("listeners", name="x", job_id=job, step=text)
    for number in NUMBERS:
        planted.row("listeners", name=text, job_id=number, step=text)
    planted.look()
    if heard and text != "there":
        planted.row("events", name=text, payload=NOT_UTF8)
    if heard:
        planted.app.emit("x", 1)
    planted.serve_and_look()


# -- rows of jobs that are yet to come --------------------------------------------------------------------------------------------


def test_rows_of_jobs_that_are_yet_to_come_refuse_none_of_them(planted: Planted) -> None:
    """Ids rise: each of these would meet the next ones for ever, since what fails is rolled back."""
    parent = planted.job(**PARENT)
    planted.row("callbacks", job_id=parent, number=0, runs_when="success", job=call())
    put = sample.put_in_place.delay()
    for job in range(put.id + 1, put.id + 60):
        planted.row("waits", job_id=job, pending=3)
        planted.row("flow_jobs", first_id=job, last_id=job, flow_id=77)
        planted.row("steps", job_id=job, name="step", attempt=1, at=1)
        for other in range(put.id, put.id + 60):
            planted.row("edges", parent_id=other, child_id=job, position=0)
        for number in range(3):
            planted.row("callbacks", job_id=job, number=number, runs_when="failed", job=call(task="no.such"))
    planted.serve()  # a callback is made, and a chain in the place of a job
    flow = chain(sample.add.s(1, 2), sample.add.s(3)).delay()
    sample.add.apply_async((1, 2), after=put, on_success=sample.add.s(1), on_failure="no.such")
    with planted.app.batch(on_success=sample.add.si(1, 2)) as batch:
        sample.add.delay(1, 2)
        sample.add.delay_many([(1, 2)], on_failure="no.such")
    planted.serve_and_look()
    assert put.id < flow.id + 1000 and batch.id != flow.id
