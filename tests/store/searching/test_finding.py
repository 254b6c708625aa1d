"""Searches, held against a plain reading of the same rows; and what they do where there is more than there is time for."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue.base.errors import InvalidArgument
from litequeue.base.search import WORD, Query, Span, Term, Text, parse, written
from litequeue.base.states import FINAL, STATES
from litequeue.store import Store
from litequeue.store.searching import finding

NOW = 1_750_000_000_000_000
TASKS = ("shop.pay", "shop.send", "mail.send", "litequeue.command")
QUEUES = ("default", "mail", "mailing")
ERRORS = (None, "TimeoutError: read timed out", "ValueError: bad value", "TimeoutError: connect 10%_x")
TAGS = ("import", "export", "imports")
COUNT = 400


def fill(store: Store, rng: random.Random, count: int = COUNT) -> None:
    with store.database.write(durable=False) as connection:
        connection.execute("INSERT INTO litequeue_schedules (name, trigger, task, grace, anchor_at, created_at, updated_at) VALUES ('nightly', '{}', 't', 1, 1, 1, 1)")
        for name in ("web-1", "web-2"):
            row = (name, 1, "h", "l", "{}", NOW, NOW)
            connection.execute("INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, heartbeat_at) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO litequeue_flows (end_id, created_at) VALUES (40, 1)")
        connection.execute("INSERT INTO litequeue_flow_jobs (first_id, last_id, flow_id) VALUES (20, 40, 1), (100, 110, 1)")
        for _ in range(count):
            state = rng.choice(STATES)
            ended = state in FINAL
            created = NOW - rng.randrange(1, 10**12)
            started = created + rng.randrange(10**9) if state not in ("scheduled", "blocked", "available") else None
            attempt = rng.randrange(1, 5)
            tags = sorted(set(rng.choices(TAGS, k=rng.randrange(3))))
            row = {
                "queue": rng.choice(QUEUES), "task": rng.choice(TASKS), "state": state, "pool": rng.choice(("thread", "process", "async")),
                "priority": rng.choice((0, 0, 0, 5, -2)), "run_at": created + rng.choice((0, 5, 10**6)), "created_at": created, "started_at": started,
                "finished_at": (started or 0) + rng.randrange(10**8) if ended else None, "prune_at": NOW + 10**12 if ended else None,
                "lease_expires_at": NOW if state == "running" else None, "worker_id": rng.choice((1, 2)) if started else None,
                "attempt": attempt, "releases": rng.randrange(attempt), "last_error": rng.choice(ERRORS),
                "schedule_id": rng.choice((1, None, None)), "tags": json.dumps(tags) if tags else None,
                "args": json.dumps([rng.randrange(3), "a b"]), "kwargs": json.dumps({"user": {"id": rng.randrange(3)}, "on": rng.choice((True, None, "x"))}),
            }  # fmt: skip
            cursor = connection.execute(f"INSERT INTO litequeue_jobs ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", (*row.values(),))
            for tag in tags:
                connection.execute("INSERT INTO litequeue_tags VALUES (?, ?)", (tag, cursor.lastrowid))
        for gone in rng.sample(range(1, count + 1), count // 10):
            connection.execute("DELETE FROM litequeue_jobs WHERE id = ?", (gone,))
            connection.execute("DELETE FROM litequeue_tags WHERE job_id = ?", (gone,))


def rows_of(store: Store) -> list[dict[str, Any]]:
    with store.database.read() as connection:
        cursor = connection.execute("SELECT * FROM litequeue_jobs")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# -- the plain reading -------------------------------------------------------------------------------------


def texts_of(row: dict[str, Any], key: str) -> list[str]:
    if key == "schedule":
        return ["nightly"] if row["schedule_id"] else []
    if key == "worker":
        return [f"web-{row['worker_id']}"] if row["worker_id"] else []
    if key == "tag":
        return json.loads(row["tags"] or "[]")  # type: ignore[no-any-return]
    if key == "flow":
        return ["1"] if 20 <= row["id"] <= 40 or 100 <= row["id"] <= 110 else []
    return [row[key]]


def number_of(row: dict[str, Any], key: str) -> int | None:
    if key == "age":
        return NOW - int(row["created_at"])
    if key == "took":
        until = row["finished_at"] or (NOW if row["state"] == "running" else None)
        return None if row["started_at"] is None or until is None else int(until) - int(row["started_at"])
    return int(row["id"]) if key == "id" else int(row["attempt"]) - int(row["releases"])


def argument_of(row: dict[str, Any], path: str) -> list[str]:
    value: Any = json.loads(row["args"] if path[0].isdigit() else row["kwargs"])
    for name in path.split("."):
        try:
            value = value[int(name) if isinstance(value, list) else name]
        except (KeyError, TypeError, IndexError, ValueError):
            return []
    return [value if isinstance(value, str) else json.dumps(value)]


def is_meant(row: dict[str, Any], term: Term) -> bool:
    def one(value: Text | Span) -> bool:
        if isinstance(value, Span):
            number = number_of(row, term.key)
            return number is not None and (value.low is None or number >= value.low) and (value.high is None or number <= value.high)
        error = row["last_error"] or ""
        if term.key in (WORD, "error"):
            texts = [error, *([row["task"]] if term.key == WORD else [])]
            return any(text.startswith(value.text) if value.is_prefix else value.text.lower() in text.lower() for text in texts)
        texts = argument_of(row, term.key[5:]) if term.key.startswith("args.") else texts_of(row, term.key)
        return any(text.startswith(value.text) if value.is_prefix else text == value.text for text in texts)

    return any(map(one, term.values)) is not term.is_not


TERMS: dict[str, Callable[[random.Random], str]] = {
    "state": lambda rng: ",".join(rng.sample(STATES, rng.choice((1, 1, 1, 2, 3)))),
    "queue": lambda rng: rng.choice(("mail", "mail*", "default,mailing", "nowhere")),
    "task": lambda rng: rng.choice(("shop.*", "mail.send", "shop.pay,mail*", "none")),
    "error": lambda rng: rng.choice(("timeout", "Timeout*", "10%_x", "timed*", '"read timed out"')),
    "schedule": lambda rng: rng.choice(("nightly", "night*", "none")),
    "worker": lambda rng: rng.choice(("web-1", "web*", "web-3")),
    "tag": lambda rng: rng.choice(("import", "import*", "import,export", "none")),
    "flow": lambda rng: rng.choice(("1", "2")),
    "age": lambda rng: rng.choice(("<1d", ">1w", "1d..1w")),
    "took": lambda rng: rng.choice((">30s", "<5m", "1s..10m")),
    "id": lambda rng: rng.choice(("100..200", ">350", "<=20", "30..", "5,6,7")),
    "attempt": lambda rng: rng.choice((">1", "1", "2..3")),
    "args.user.id": lambda rng: rng.choice(("1", "2", "9")),
    "args.on": lambda rng: rng.choice(("true", "null", "x", "tr*")),
    "args.0": lambda rng: rng.choice(("0", "1")),
    "": lambda rng: rng.choice(("shop", "TIMEOUT", "mail*")),
}


def a_query(rng: random.Random) -> Query:
    keys = rng.sample(list(TERMS), rng.choice((0, 1, 1, 2, 2, 3)))
    return parse(" ".join(f"{'-' * (rng.random() < 0.2)}{key}{':' * bool(key)}{TERMS[key](rng)}" for key in keys))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(str(tmp_path_factory.mktemp("searches") / "db"))
    fill(store, random.Random(7))
    yield store
    store.close()


def pages(store: Store, query: Query, limit: int, **options: Any) -> list[int]:
    found: list[int] = []
    before: str | None = None
    for _ in range(10 * COUNT):
        page = store.searching.find(query, NOW, limit=limit, before=before, **options)
        assert len(page.ids) <= limit
        found += page.ids
        if page.more is None:
            return found
        before = page.more
    raise AssertionError("it does not come to an end")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_search_finds_what_is_meant_and_page_by_page_the_same(filled: Store, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    rows = rows_of(filled)
    for _ in range(50):
        query = a_query(rng)
        monkeypatch.setattr(finding, "SMALLEST", rng.choice((3, 50, 500)))
        monkeypatch.setattr(finding, "LARGEST", 500)
        meant = {row["id"] for row in rows if all(is_meant(row, term) for term in query.terms)}
        whole = pages(filled, query, 10_000)
        assert set(whole) == meant and len(whole) == len(meant), written(query)
        assert pages(filled, query, rng.choice((1, 2, 7, 50))) == whole, written(query)
        assert pages(filled, query, 7, seconds=0.0) == whole, written(query)  # cut after each window
        assert pages(filled, query, 50, newest_first=True) == sorted(meant, reverse=True), written(query)


ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "available": lambda row: (-row["priority"], row["run_at"], row["id"]),
    "scheduled": lambda row: (row["run_at"], row["id"]),
    "retrying": lambda row: (row["run_at"], row["id"]),
    "running": lambda row: (-row["started_at"], -row["id"]),
    "discarded": lambda row: (-row["finished_at"], -row["id"]),
    "discarded,expired": lambda row: (-row["finished_at"], -row["id"]),
    "blocked": lambda row: -row["id"],
    "succeeded": lambda row: -row["id"],
}


@pytest.mark.parametrize("states", ORDERS)
def test_each_state_comes_in_the_order_that_one_wants_to_see(filled: Store, states: str) -> None:
    rows = [row for row in rows_of(filled) if row["state"] in states.split(",")]
    assert pages(filled, parse(f"state:{states}"), 7) == [row["id"] for row in sorted(rows, key=ORDERS[states])]


def test_a_page_goes_on_behind_a_job_by_its_id_and_where_that_has_gone_on_by_ids(filled: Store) -> None:
    query = parse("state:discarded")
    whole = pages(filled, query, 1000)
    assert filled.searching.find(query, NOW, before=str(whole[4]), limit=3).ids == whole[5:8]
    other = next(row["id"] for row in rows_of(filled) if row["state"] == "succeeded")
    assert set(filled.searching.find(query, NOW, before=str(other), limit=1000).ids) == {job for job in whole if job < other}


@pytest.mark.parametrize("place", ["x", "1_2_3_4", "", "9" * 30])
def test_a_place_that_is_none_is_refused(filled: Store, place: str) -> None:
    with pytest.raises(InvalidArgument):
        filled.searching.find(parse("state:discarded"), NOW, before=place)


def test_a_search_that_is_cut_says_how_far_it_came(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "SMALLEST", 50)
    found = filled.searching.find(parse("task:nowhere"), NOW, seconds=0.0)
    assert found == finding.Found([], found.more, 50, True)
    assert sum(row["id"] >= int(str(found.more)) for row in rows_of(filled)) == 50


def test_a_search_does_not_tell_what_a_secret_is(db: Path) -> None:
    store = Store(str(db))
    with store.database.write(durable=False) as connection:
        connection.execute(
            "INSERT INTO litequeue_tasks VALUES ('pay', 'm', 'pay', '/', ?, 1)", (json.dumps({"secret": {"names": ["key"], "positions": [0]}}),)
        )
        row = ("pay", '["hunter2 and more"]', '{"key": "hunter2 and more", "user": 5}', "ValueError: hunter2 and more is wrong")
        connection.execute("INSERT INTO litequeue_jobs (task, args, kwargs, last_error) VALUES (?, ?, ?, ?)", row)
    for text in ("error:hunter2", "hunter2", "args.key:hunter*", "args.0:hunter*", "args.key:h*", "-error:wrong", '-"is wrong"'):
        assert store.searching.find(parse(text), NOW).ids == [], text
    for text in ("error:wrong", "args.user:5", "-error:hunter2", "-hunter2", "-args.key:h*", "pay"):
        assert store.searching.find(parse(text), NOW).ids == [1], text
    store.close()


def test_the_plans_use_the_indexes(filled: Store) -> None:
    seen: list[str] = []
    texts = {
        "state:discarded": "litequeue_jobs_ended", "state:discarded,expired error:x": "litequeue_jobs_ended", "state:running": "litequeue_jobs_running",
        "state:retrying": "litequeue_jobs_retrying", "state:scheduled": "litequeue_jobs_due", "state:blocked": "litequeue_jobs_blocked",
        "state:available": "litequeue_jobs_available (queue=? AND pool=? AND priority=?", "state:available queue:mail": "litequeue_jobs_available",
        "tag:import": "PRIMARY KEY (tag=?", "flow:1": "litequeue_flow_jobs", "task:x": "rowid<?", "id:5..7": "rowid>? AND rowid<?",
    }  # fmt: skip
    with filled.database.read() as connection:
        connection.set_trace_callback(seen.append)
    try:
        for text, index in texts.items():
            seen.clear()
            page = filled.searching.find(parse(text), NOW, limit=3)
            filled.searching.find(parse(text), NOW, limit=3, before=page.more or "300")
            windows = [sql for sql in seen if sql.startswith("SELECT") and "LIMIT" in sql and "WITH" not in sql]
            assert windows, text
            plans = [step for sql in windows for step in plan_of(filled, sql)]
            assert any(index in step for step in plans), (text, plans)
            for step in plans:
                assert "TEMP B-TREE" not in step or text in ("state:running", "state:blocked", "flow:1"), (text, step)
    finally:
        with filled.database.read() as connection:
            connection.set_trace_callback(None)


def plan_of(store: Store, sql: str) -> list[str]:
    with sqlite3.connect(store.path) as connection:
        found = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql).fetchall()]
    connection.close()
    return found


def test_what_a_search_passes_over_tells_nothing_of_secrets(db: Path) -> None:
    """Neither how much was looked at, nor where it goes on, is another where the text is a part of a secret."""
    store = Store(str(db))
    with store.database.write(durable=False) as connection:
        connection.execute("INSERT INTO litequeue_tasks VALUES ('pay', 'm', 'pay', '/', ?, 1)", (json.dumps({"secret": {"names": ["pw"]}}),))
        for number in range(300):
            connection.execute("INSERT INTO litequeue_jobs (task, args, kwargs) VALUES ('pay', ?, '{\"pw\": \"Str0ngPassw0rd\"}')", (f"[{number}]",))
    for limit in (1, 5, 50):
        right = [store.searching.find(parse(f"args.{name}:{text}"), NOW, limit=limit) for name, text in (("pw", "Str0*"), ("pw", "Str0ngPassw0rd"), ("other", "sw0rd"))]
        wrong = store.searching.find(parse("args.pw:Str1*"), NOW, limit=limit)
        assert right == [wrong] * 3
    store.close()


def test_arguments_are_asked_of_whole_windows(db: Path) -> None:
    store = Store(str(db))
    with store.database.write(durable=False) as connection:
        for number in range(3_000):
            connection.execute("INSERT INTO litequeue_jobs (task, kwargs) VALUES ('t', ?)", (f'{{"n": {number}, "kind": "mail"}}',))
    seen: list[str] = []
    with store.database.read() as connection:
        connection.set_trace_callback(seen.append)
    assert store.searching.find(parse("args.n:1"), NOW, seconds=None).ids == [2]
    assert len([sql for sql in seen if "OFFSET" in sql]) < 8, "not one for each page of candidates"
    with store.database.read() as connection:
        connection.set_trace_callback(None)
    store.close()
