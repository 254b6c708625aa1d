"""One job's page: what it printed last, its neighbours, why it waits, and the others like it."""

from __future__ import annotations

import json
import random

import pytest

from litequeue.base.checks import aware
from litequeue.store import Store
from litequeue.store.pages import job as pages
from litequeue.store.pages.records import JobPage

from .filled import MICROS, NOW, counted, execute, fill, rows_of
from .test_failures import DISCARDED, SECRET, discard

pytestmark = pytest.mark.beside

PRINTED = "INSERT INTO litequeue_output VALUES (1, ?, ?, 'stdout', ?, ?)"
JOB = "INSERT INTO litequeue_jobs (task, state, queue, run_at, created_at) VALUES (?, ?, 'q', 5, 5)"
EDGE = "INSERT INTO litequeue_edges VALUES (?, ?, ?)"


def page_of(store: Store, job: int = 1, attempt: int | None = None) -> JobPage:
    found = store.pages.job(job, NOW, attempt)
    assert found is not None
    return found


def test_of_any_job_the_page_has_what_its_row_has(store: Store) -> None:
    fill(store, random.Random(17), 110)
    rows = rows_of(store)
    for row in random.Random(1).sample(rows, 40):
        page = page_of(store, row["id"])
        assert (page.job.state, page.job.attempt) == (row["state"], row["attempt"] - row["releases"])
        assert page.kept_until == (None if row["prune_at"] is None else aware(row["prune_at"]))
        assert page.flow == (1 if 20 <= row["id"] <= 40 or 100 <= row["id"] <= 110 else None)
        assert (page.why_waiting is None) >= (row["finished_at"] is not None)
        alike = [other["id"] for other in reversed(rows) if other["task"] == row["task"] and other["id"] != row["id"]]
        assert [other.id for other in page.same_task] == alike[: pages.FEW_JOBS]
        assert (page.same_error is not None) == (row["state"] == "discarded")
    assert store.pages.job(10**6, NOW) is None


@pytest.mark.parametrize(("sizes", "shown"), [
    ([], 0), ([10, 20, 30], 60), ([40_000, 40_000], 65_536), ([65_536], 65_536), ([65_537], 65_536), ([1, 65_536], 65_536), ([1_000_000, 3], 65_536), ([100] * 700, 65_536), ([4096] * 16, 65_536), ([1] * 16, 16),
])  # fmt: skip
def test_the_last_of_what_it_printed_is_shown_and_whether_there_was_more(store: Store, sizes: list[int], shown: int) -> None:
    execute(store, JOB, [("t", "available")])
    texts = ["".join(chr(97 + (number + place) % 26) for place in range(size)) for number, size in enumerate(sizes)]
    execute(store, PRINTED, [(2, number, NOW + number, text) for number, text in enumerate(texts, -3)])
    page = page_of(store)
    whole = "".join(texts)
    assert "".join(piece.text for piece in page.output) == whole[len(whole) - shown :] and page.output_before == (shown < len(whole))
    assert page.output_attempt == (2 if sizes else None) and [piece.number for piece in page.output] == sorted(piece.number for piece in page.output)


def test_the_output_is_that_of_the_attempt_that_is_asked_for(store: Store) -> None:
    execute(store, JOB, [("t", "available")])
    execute(store, PRINTED, [(1, 0, NOW, "first"), (2, 0, NOW, "second")])
    assert [[piece.text for piece in page_of(store, 1, attempt).output] for attempt in (None, 1, 2, 3)] == [["second"], ["first"], ["second"], []]


def test_a_few_of_those_it_waits_for_and_of_those_that_wait_for_it(store: Store) -> None:
    execute(store, JOB, [("parent", "available")] * 8 + [("it", "blocked")] + [("child", "blocked")] * 7)
    execute(store, EDGE, [(parent, 9, 8 - parent) for parent in range(1, 9)] + [(9, child, 0) for child in range(10, 17)] + [(99, 9, 99)])
    page = page_of(store, 9)
    assert [parent.id for parent in page.parents] == [8, 7, 6, 5, 4] and page.parent_count == 9
    assert [child.id for child in page.dependants] == [10, 11, 12, 13, 14] and page.dependant_count == 7
    assert (page.parents[0].task, page.parents[0].state, page.parents[0].at) == ("parent", "available", aware(5))


def test_why_it_waits_is_said_as_by_the_command_line(store: Store) -> None:
    execute(store, JOB, [("t", "available")])
    assert page_of(store).why_waiting == f"no worker serves this file: python -m litequeue worker {store.path}"
    store.operations.pause("q", NOW)
    assert page_of(store).why_waiting == "its queue q is paused"


@pytest.mark.parametrize(("parents", "said"), [(1, ""), (2, ", and 1 other job"), (1001, ", and 1000 other jobs"), (1002, ", and 1,000+ other jobs"), (3000, ", and 1,000+ other jobs")])
def test_of_very_many_that_it_waits_for_some_are_counted(store: Store, parents: int, said: str) -> None:
    execute(store, JOB, [("end", "blocked"), *[("t", "available")] * parents])
    execute(store, EDGE, [(parent, 1, parent) for parent in range(2, parents + 2)])
    assert page_of(store).why_waiting == f"it waits for job 2 (t), which is available{said}"
    assert (page_of(store).parent_count, len(page_of(store).parents)) == (parents, min(parents, pages.FEW_JOBS))


def test_others_like_it_are_counted_without_telling_a_secret(store: Store) -> None:
    execute(store, SECRET, [("pay", json.dumps({"secret": {"names": [], "positions": [0]}}))])
    discard(store, *(("t", f"E: no {number}", NOW - number * MICROS) for number in range(7)), ("t", "E: other", NOW))
    discard(store, ("pay", "D: key abcdefgh", NOW), args=["abcdefgh"])
    discard(store, ("pay", "D: key zyxwvuts", NOW), args=["zyxwvuts"])
    assert [None if (group := page_of(store, job).same_error) is None else group.jobs for job in (1, 5, 8, 9, 10)] == [7, 7, 1, 2, 2]
    assert page_of(store, 9).job.secret is not None and "abcdefgh" not in repr(page_of(store, 9)) and "zyxw" not in repr(page_of(store, 10))


def test_how_long_its_task_runs_is_that_of_a_day(store: Store) -> None:
    rows = counted(store, random.Random(1), 50, 3600)
    execute(store, JOB, [(rows[0].task, "available"), ("nobody's", "available")])
    run_times = page_of(store).run_times
    assert run_times is not None and run_times.total == sum(sum(row.runs) for row in rows if row.task == rows[0].task) and page_of(store, 2).run_times is None


def test_of_attempts_and_steps_without_number_the_last_are_shown(store: Store) -> None:
    execute(store, DISCARDED, [("t", "q", "[]", "{}", NOW, "E: x")])
    execute(store, "UPDATE litequeue_jobs SET attempt = 200")
    execute(store, "INSERT INTO litequeue_attempts (job_id, attempt, outcome, error_type, error_message) VALUES (1, ?, 'failed', 'E', 'x')", [(n,) for n in range(1, 201)])
    execute(store, "INSERT INTO litequeue_steps (job_id, name, value, attempt, at) VALUES (1, ?, '1', 1, ?)", [(f"s{n}", n) for n in range(500)])
    page = page_of(store)
    assert [attempt.attempt for attempt in page.job.attempts] == list(range(151, 201)) == [lane.attempt for lane in page.lanes]
    assert [step.name for step in page.steps] == [f"s{n}" for n in range(300, 500)]


@pytest.mark.parametrize("text", ["{", "\0", "[" * 5000, '{"$codec": ["x", "!"]}', "\udcff", '"' + "x" * 300_000 + '"'])
def test_a_job_that_is_planted_breaks_nothing(store: Store, text: str) -> None:
    blob = text.encode("utf-8", "surrogateescape")
    columns = ("args", "kwargs", "result", "last_error", "tags", "headers", "limit_key", "task", "queue")
    sql = f"INSERT INTO litequeue_jobs ({', '.join(columns)}, state, run_at, attempt, started_at, created_at) VALUES ({', '.join(['CAST(? AS TEXT)'] * len(columns))}, ?, ?, 5, ?, ?)"
    for number, state in enumerate(("available", "scheduled", "blocked", "blocked"), 1):
        execute(store, sql, [(*[blob] * len(columns), state, 2**63 - 1, -(2**63), 2**62)])
        execute(store, "INSERT INTO litequeue_progress VALUES (?, 1, 1, CAST(? AS TEXT), CAST(? AS TEXT))", [(number, blob, blob)])
        execute(store, "INSERT INTO litequeue_steps (job_id, name, value, attempt, at) VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), 1, ?)", [(number, blob, blob, 2**63 - 1)])
    execute(store, "UPDATE litequeue_jobs SET holds = 3 WHERE id = 4")
    execute(store, DISCARDED.replace("(?, ?, ?, ?,", "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT),").replace("9, ?)", "9, CAST(? AS TEXT))"), [(blob, blob, blob, blob, NOW, blob)])
    for job in range(1, 6):
        page = page_of(store, job)
        assert page.job.args == text
    store.pages.overview("1h", NOW)
    store.pages.frame(NOW)
    store.pages.failures("24h", NOW)
