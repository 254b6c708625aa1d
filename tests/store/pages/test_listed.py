"""Jobs as rows of a list: as they are, but not all of what is long, and nothing of what is secret in that."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest

from litequeue import LiteQueue
from litequeue.base.records import JobInfo
from litequeue.base.search import parse
from litequeue.base.stored import shown
from litequeue.store import Store
from litequeue.store.pages.listed import MOST

from .filled import NOW, execute, fill, rows_of
from .test_failures import SECRET

pytestmark = pytest.mark.beside

JOB = "INSERT INTO litequeue_jobs (task, args, kwargs, state, finished_at, prune_at, result, last_error) VALUES (?, ?, ?, 'discarded', 5, 9, ?, ?)"


def listed(store: Store) -> list[JobInfo]:
    return list(store.pages.jobs(parse(""), None, NOW).rows)


def test_what_is_short_is_as_it_is_but_for_the_result(store: Store) -> None:
    fill(store, random.Random(4), 40)
    execute(store, SECRET, [("mail.send", json.dumps({"secret": {"names": ["user"]}}))])
    infos = store.searching.infos(sorted((row["id"] for row in rows_of(store)), reverse=True))
    assert listed(store) == [dataclasses.replace(info, result=None) for info in infos]
    assert any(info.secret for info in infos)


def test_of_what_is_long_the_beginning_is_read(store: Store) -> None:
    execute(store, JOB, [("t", json.dumps(["é" * 900_000]), json.dumps({"k": "b" * 900_000}), '"' + "r" * 900_000 + '"', "E: " + "x" * 60_000)])
    (row,), info = listed(store), store.reports.job(1)
    assert info is not None and info.last_error is not None and row.result is None and row.last_error is not None
    assert (row.args, row.kwargs, row.last_error) == (info.args[:MOST], info.kwargs[:MOST], info.last_error[:MOST])
    assert shown(row.args).startswith('["')


def test_what_is_secret_in_what_is_long_is_masked_before(store: Store) -> None:
    execute(store, SECRET, [("pay", json.dumps({"secret": {"names": ["key"], "positions": [1]}}))])
    execute(store, JOB, [
        ("pay", json.dumps(["a" * 10_000, "sk_live_secret"]), '{"key": "sk_live_other"}', None, "E: sk_live_secret and sk_live_other"),
        ("pay", json.dumps(["short", "sk_live_secret" + "z" * 5_000]), "{}", None, "E: sk_live_secret" + "z" * 5_000),
        ("pay", json.dumps(["short", "sk_live_secret"]), "{}", None, "y" * (MOST - 4) + "sk_live_secret"),
        ("litequeue.command", "[]", json.dumps({"argv": ["x" * 5_000], "secret_env": {"TOKEN": "sk_live_secret"}}), None, "E: sk_live_secret"),
        ("pay", "[" * 5_000, "{}", None, "E: read"),
    ])  # fmt: skip
    rows = [row.masked() for row in listed(store)]
    assert "sk_live" not in repr(rows) and "sk_l" not in repr(rows)
    assert rows[4].last_error == "E: *** and ***" and rows[3].args == '["short","***"]' and rows[1].last_error == "E: ***"
    assert all(len(row.args) <= MOST and len(row.last_error or "") <= MOST for row in rows)


def test_what_a_codec_wrote_is_whole_or_not_shown(app: LiteQueue) -> None:
    @app.task(codec="json+zlib")
    def work(value: object) -> None: ...

    rng = random.Random(1)
    for value in ("word " * 2_000, [f"{rng.getrandbits(120):030x}" for _ in range(500)], [f"{rng.getrandbits(120):030x}" for _ in range(9_000)]):
        work.delay(value)
    large, middle, small = listed(app._client.store)
    assert len(middle.args) > MOST and shown(middle.args).startswith('[["') and shown(small.args).startswith('["word word')
    assert shown(large.args).startswith("<not shown")
