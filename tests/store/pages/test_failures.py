"""Failures by task and error: which are one, how many, and that a search finds them."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from litequeue.base.checks import aware
from litequeue.base.search import parse
from litequeue.store import Store
from litequeue.store.pages import failures
from litequeue.store.pages.parts import Count, Range

from .filled import MICROS, NOW, execute, fill, pieces_of, rows_of

pytestmark = pytest.mark.beside

ERRORS = (
    "TimeoutError: cdn-{n}.example: read timed out", "KeyError: 'id {n}'", "ValueError", "Lost: worker w died; it runs at most once", "no type: in {n} of these",
    "HTTPError: 0x{n:x} of deadbeef{n:04d}", "OSError: \"quoted\" {n}\nand more",
)  # fmt: skip
DISCARDED = """INSERT INTO litequeue_jobs (task, queue, args, kwargs, state, attempt, created_at, started_at, finished_at, prune_at, last_error)
VALUES (?, ?, ?, ?, 'discarded', 1, 1, 2, ?, 9, ?)"""
SECRET = "INSERT INTO litequeue_tasks VALUES (?, 'm', 'q', 'd', ?, 1)"


def discard(store: Store, *jobs: tuple[str, str, int], queue: str = "q", args: Sequence[Any] = ()) -> None:
    execute(store, DISCARDED, [(task, queue, json.dumps(args), "{}", at, error) for task, error, at in jobs])


def plain(rows: list[dict[str, Any]], range_: Range) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """In another way: digits and the hex behind them."""
    pieces = pieces_of(range_)
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["finished_at"] or 0, row["id"])):
        if row["state"] == "discarded" and pieces[0][0] <= row["finished_at"] < pieces[-1][1]:
            alike = re.sub(r"0x[0-9a-f]+|deadbeef\d+|\d+", "N", row["last_error"] or "")
            found[row["task"], alike].append(row)
    return found


@pytest.mark.parametrize("range_", ["1h", "24h", "30d"])
def test_errors_that_differ_in_numbers_alone_are_one_and_all_are_counted(store: Store, range_: Range) -> None:
    rng = random.Random(4)
    fill(store, rng, 300)
    discard(store, *((rng.choice("ab"), rng.choice(ERRORS).format(n=rng.randrange(1, 9_999)), NOW - rng.randrange(2 * 86_400 * MICROS)) for _ in range(400)))
    found = store.pages.failures(range_, NOW)
    groups = plain(rows_of(store), range_)
    assert found.jobs == Count(sum(map(len, groups.values()))) and len(found.groups) == len(groups) > 5
    assert [group.jobs for group in found.groups] == sorted(map(len, groups.values()), reverse=True)
    for group in found.groups:
        error = f"{group.error_type}: {group.message}" if group.error_type and group.message else group.error_type or group.message
        (rows,) = [rows for rows in groups.values() if rows[-1]["id"] == group.last_job]
        assert (group.task, error, group.jobs) == (rows[-1]["task"], rows[-1]["last_error"] or "", len(rows))
        assert (group.first, group.last) == (aware(rows[0]["finished_at"]), aware(rows[-1]["finished_at"]))
        assert list(group.counts) == [sum(since <= row["finished_at"] < until for row in rows) for since, until in pieces_of(range_)]
        meant = store.searching.find(parse(group.query), NOW, limit=10_000, seconds=None).ids
        assert {row["id"] for row in rows} <= set(meant), group.query


def test_the_search_of_a_group_finds_no_others_where_the_errors_have_words_of_their_own(store: Store) -> None:
    discard(store, ("a", "E: first 1 thing", NOW), ("a", "E: first 2 thing", NOW), ("a", "E: other 3 matter", NOW), ("b", "E: first 4 thing", NOW))
    found = {group.last_job: store.searching.find(parse(group.query), NOW).ids for group in store.pages.failures("1h", NOW).groups}
    assert {job: set(ids) for job, ids in found.items()} == {2: {1, 2}, 3: {3}, 4: {4}}


@pytest.mark.parametrize(("one", "other"), [
    ("E: at 0x7f00aa", "E: at 0x12"), ("E: 550e8400-e29b-41d4-a716-446655440000 is gone", "E: 123e4567-e89b-12d3-a456-426614174000 is gone"),
    ("E: commit 3f2a91c", "E: commit 99aa00b"), ("E: 12.5 s", "E: 3.25 s"), ("E: row 7", "E: row 4711"),
])  # fmt: skip
def test_what_varies_from_one_to_the_next_does_not_part_them(one: str, other: str) -> None:
    assert failures.varied(one) == failures.varied(other)


@pytest.mark.parametrize(("one", "other"), [("E: decade", "E: facade"), ("E: a", "E: b"), ("A: x", "B: x"), ("", "E")])
def test_words_part_them(one: str, other: str) -> None:
    assert failures.varied(one) != failures.varied(other)


def test_of_more_than_are_read_it_is_said(store: Store) -> None:
    discard(store, *(("t", f"E: {n}", NOW - n) for n in range(40)))
    with store.database.read() as connection:
        found = failures.failures(connection, failures.Pieces(60, NOW - 60 * MICROS, 2), most=30)
        assert (found.jobs, found.groups[0].jobs, found.groups[0].last) == (Count(30, True), 30, aware(NOW))
        assert failures.failures(connection, failures.Pieces(60, NOW - 60 * MICROS, 2), most=40).jobs == Count(40)


def test_those_of_a_task_or_a_queue_alone(store: Store) -> None:
    discard(store, ("a", "E: x", NOW), ("b", "E: x", NOW), queue="one")
    discard(store, ("a", "E: x", NOW), ("a", "E: y", NOW), queue="two")
    with store.database.read() as connection:
        pieces = failures.Pieces(60, NOW - 60 * MICROS, 2)
        assert [(group.task, group.jobs) for group in failures.failures(connection, pieces, task="a").groups] == [("a", 2), ("a", 1)]
        assert sorted((group.task, group.message) for group in failures.failures(connection, pieces, queue="two").groups) == [("a", "x"), ("a", "y")]


def test_a_secret_in_an_error_stays_in_the_file_and_parts_no_group(store: Store) -> None:
    execute(store, SECRET, [("pay", json.dumps({"secret": {"names": ["key"], "positions": [0]}}))])
    for secret in ("sk_live_first", "sk_live_other"):
        discard(store, ("pay", f"Denied: no such key {secret} at all", NOW), args=[secret])
        discard(store, ("free", f"Denied: no such key {secret} at all", NOW), args=[secret])
    discard(store, ("litequeue.command", "Exit: hunter22", NOW))
    execute(store, "UPDATE litequeue_jobs SET kwargs = ? WHERE task = 'litequeue.command'", [(json.dumps({"secret_env": {"P": "hunter22"}}),)])
    groups = {group.task: group for group in store.pages.failures("1h", NOW).groups if group.task != "free"}
    assert (groups["pay"].message, groups["pay"].jobs) == ("no such key *** at all", 2) and groups["litequeue.command"].message == "***"
    assert "sk_live" not in repr(groups) and "hunter" not in repr(groups)
    assert store.searching.find(parse(groups["pay"].query), NOW).ids == [3, 1]
    assert {group.jobs for group in store.pages.failures("1h", NOW).groups if group.task == "free"} == {1}


def test_of_a_call_too_long_to_be_looked_through_nothing_is_said(store: Store) -> None:
    execute(store, SECRET, [("pay", json.dumps({"secret": {"names": [], "positions": [0]}}))])
    discard(store, *(("pay", f"E: {secret}", NOW) for secret in ("sk_live_a", "sk_live_b")), args=["sk_live_a", "x" * 100_000])
    discard(store, *(("pay", f"E: no {n}", NOW) for n in range(120)), args=["sk_live_c"])
    groups = store.pages.failures("1h", NOW).groups
    assert [(group.error_type, group.message, group.jobs) for group in groups] == [("E", "no 119", 120), ("", "***", 2)]
    found = store.pages.job(1, NOW)
    assert found is not None and found.same_error is not None and (found.same_error.message, found.same_error.jobs) == ("***", 2)


def test_where_it_would_take_too_long_to_say_what_is_secret_nothing_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MOST_MASKED", 1)
    execute(store, SECRET, [("pay", json.dumps({"secret": {"names": ["key"]}}))])
    discard(store, ("pay", "E: one", NOW), ("pay", "E: two", NOW - 1), ("pay", "E: three", NOW - 2))
    assert sorted((group.error_type, group.message, group.jobs) for group in store.pages.failures("1h", NOW).groups) == [("", "***", 2), ("E", "one", 1)]


@pytest.mark.parametrize("error", ["E: \udc80\udcff", "E: nul \0 inside", "E: " + "x" * 70_000, "E: \"" * 300, "\n\n", "*", "-state:running", "E: 😀 \u202e \\"])
def test_an_error_that_is_planted_is_a_group_with_a_search_that_can_be_read(store: Store, error: str) -> None:
    stored = error.encode("utf-8", "surrogateescape")
    execute(store, DISCARDED.replace("9, ?)", "9, CAST(? AS TEXT))"), [("t", "q", "[]", "{}", NOW, stored)])
    (group,) = store.pages.failures("1h", NOW).groups
    assert group.jobs == 1 and store.searching.find(parse(group.query), NOW).ids == [1]
    group.query.encode()


@pytest.mark.parametrize("task", ['say "it"', "x" * 100_000, "a\udcffb", "nul\0"])
def test_a_task_that_no_search_can_name_is_left_out_of_it(store: Store, task: str) -> None:
    execute(store, DISCARDED.replace("(?,", "(CAST(? AS TEXT),", 1), [(task.encode("utf-8", "surrogateescape"), "q", "[]", "{}", NOW, "E: x")])
    (group,) = store.pages.failures("1h", NOW).groups
    assert (group.task, store.searching.find(parse(group.query), NOW).ids) == (task, [1])
    assert "task:" not in group.query
