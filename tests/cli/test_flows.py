"""``flow DB ID`` and ``jobs DB flow:ID``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue, chord, group
from litequeue.cli.tree import MOST, PLAIN, Marks, lines_of
from litequeue.store.flows import Member

from ..support import wait_until
from .conftest import Cli

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")


@app.task
def fetch(x: int) -> int:
    return x


@app.task
def sheet(found: object) -> object:
    return found


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    yield app
    app.close()


def drawn(*members: tuple[int, tuple[int, ...]], joins: tuple[int, ...] = (), marks: Marks = PLAIN) -> list[str]:
    made = [Member(id_, "t", "available", 0, None, None, None, parents) for id_, parents in members]
    lines = lines_of(made, lambda member: member.id in joins, marks)
    return [f"{line.indent}{line.member.id if line.member else line.text}" for line in lines]


def test_a_chain_is_drawn_straight_and_what_runs_side_by_side_is_indented() -> None:
    assert drawn((1, ()), (2, (1,)), (3, (2,)), (4, (2,)), (5, (3, 4)), (6, (5,))) == [
        "1", "2", "|- 3", "|- 4", "`> 5", "   6",
    ]  # fmt: skip


def test_members_that_are_chains_and_groups_within_groups() -> None:
    assert drawn((1, ()), (2, (1,)), (3, ()), (4, (3,)), (5, (3,)), (6, (4, 5)), (7, (2, 6))) == [
        "|- 1", "|  2", "|- 3", "|  |- 4", "|  |- 5", "|  `> 6", "`> 7",
    ]  # fmt: skip


def test_what_only_brings_others_together_is_not_drawn() -> None:
    assert drawn((1, ()), (2, ()), (3, (1, 2)), (4, (3,)), (5, (3,)), joins=(3,)) == ["|- 1", "|- 2", "|> 4", "`> 5"]
    assert drawn((1, ()), (2, ()), (3, (1, 2)), joins=(3,)) == ["|- 1", "`- 2"]


def test_very_many_branches_are_counted_and_not_drawn() -> None:
    members = [(n, ()) for n in range(1, 1_001)]
    lines = drawn(*members, (1_001, tuple(range(1, 1_001))))
    assert len(lines) <= MOST + 2
    assert lines[-2:] == ["|- ... 981 more: 981 available", "`> 1001"]


def test_a_workflow_deeper_than_python_recurses_is_drawn() -> None:
    nested = [(n, (n - 1,) if n > 1 else ()) for n in range(1, 5_000)] + [(10_000 + n, (n,)) for n in range(1, 5_000)]
    assert len(drawn(*nested)) == 2 * 4_999
    assert len(drawn(*((n, (n - 1,) if n > 1 else ()) for n in range(1, 10_001)))) == 10_000


def test_what_waits_for_a_job_of_another_workflow_stands_at_the_root() -> None:
    assert drawn((5, (1,)), (6, (5,))) == ["5", "6"]


def test_the_command_draws_it_with_states_and_times(bound: LiteQueue, db: Path, cli: Cli) -> None:
    flow = (fetch.s(1) | group(sheet.s(), sheet.s()) | sheet.s()).delay()
    with bound.worker():
        flow.get(timeout=30)
    said = cli("flow", db, flow.id)
    assert (said.code, said.err) == (0, "")
    head, *lines = said.out.splitlines()
    assert head == f"flow {flow.id}: succeeded, 4 of 4 jobs done"
    assert [line.split()[0] for line in lines] == ["1", "├─", "├─", "└▶"]
    assert all("succeeded" in line and line.endswith(" ms") for line in lines), lines
    found = json.loads(cli("flow", db, f"flow:{flow.id}", "--json").out)
    assert found["state"] == "succeeded" and found["progress"]["done"] == 4
    assert [job["parents"] for job in found["jobs"]] == [[], [1], [1], [2, 3]]


def test_it_says_what_blocked_steps_wait_for_and_for_whose_sake_one_was_cancelled(bound: LiteQueue, db: Path, cli: Cli) -> None:
    flow = chord([fetch.s(1).set(countdown=60), fetch.s(2)], sheet.s()).delay()
    assert "blocked    after 1, 2" in cli("flow", db, flow.id).out
    flow.jobs()[1].cancel()
    said = cli("flow", db, flow.id).out
    assert "cancelled  job 2 (tests.cli.test_flows.fetch), which it needed, was cancelled" in said
    assert "scheduled  due " in said


def test_jobs_of_a_workflow_are_listed(bound: LiteQueue, db: Path, cli: Cli) -> None:
    fetch.delay(0)
    flow = (fetch.s(1) | sheet.s()).delay()
    fetch.delay(2)
    listed = json.loads(cli("jobs", db, f"flow:{flow.id}", "--json").out)
    assert [job["id"] for job in listed] == [job.id for job in reversed(flow.jobs())]
    assert [info.id for info in bound.jobs(flow=flow.id, state="blocked")] == [flow.jobs()[1].id]
    said = cli("jobs", db, f"flow:{flow.id}", "--limit", 1)
    assert said.out.endswith(f"more: --before {flow.jobs()[1].id}\n")


def test_a_workflow_that_is_not_there_and_an_id_that_is_none(bound: LiteQueue, db: Path, cli: Cli) -> None:
    fetch.delay(1)
    said = cli("flow", db, 77)
    assert said.code != 0 and said.err == f"litequeue: there is no flow 77 in {db}\n"
    for word in ("seven", "0", "flow:", "flow:x"):
        assert cli("flow", db, word).code == 2
    said = cli("jobs", db, "flow:77")
    assert said.code == 1 and said.err == f"litequeue: there is no flow 77 in {db}\n"


def test_a_job_is_enqueued_after_others_and_with_what_follows_it(bound: LiteQueue, db: Path, cli: Cli) -> None:
    first, flow = fetch.delay(1), (fetch.s(2) | sheet.s()).delay()
    said = cli("enqueue", db, fetch.name, 3, "--after", f"{first.id},flow:{flow.id}", "--on-success", sheet.name)
    assert (said.code, said.err) == (0, "")
    job = bound.job(said.out.strip())
    assert str(job.why_waiting()).startswith(f"it waits for job {first.id} ({fetch.name})")
    with bound.worker():
        assert job.get(timeout=30) == 3
        wait_until(lambda: len(bound.jobs(task=sheet, state="succeeded")) == 2)
    wrong = cli("enqueue", db, fetch.name, 3, "--after", "soon")
    assert wrong.code == 2 and "--after" in wrong.err and wrong.err.count("\n") == 1


@app.task(retries=0)
def odd(x: int) -> int:
    if x % 2 == 0:
        raise ValueError(f"{x} is even")
    return x


def test_a_whole_flow_is_put_back_or_cancelled_on_the_command_line(bound: LiteQueue, db: Path, cli: Cli) -> None:
    flow = (odd.s(2) | odd.s()).delay()
    with bound.worker(burst=True) as worker:
        worker.join()
    assert cli("flow", db, flow.id).out.startswith("flow 1: failed, 0 of 2 jobs done, 1 failed\n")
    shown = cli("job", db, 2).out
    assert "flow          1\n" in shown and "parents       1\n" in shown
    refused = cli("retry", db, 2)
    assert (refused.code, refused.out) == (1, "job 2 was not changed: it is cancelled, for job 1: retry that, and it waits for it again\n")
    assert cli("retry", db, "flow:1").out == "flow:1: 1 job put back\n"
    again = cli("retry", db, "flow:1")
    assert (again.code, again.out) == (1, "flow:1 was not changed: it has nothing to be put back\n")
    assert cli("cancel", db, "flow:1").out == "flow:1: 2 jobs cancelled\n"
    assert "no flow 9" in cli("retry", db, "flow:9").err and "no flow 9" in cli("jobs", db, "flow:9").err
    assert cli("retry", db, "flow:1", "--from-start").err.count("\n") == 1


def test_of_a_flow_that_has_failed_and_runs_on_it_says_how_many_are_to_go(bound: LiteQueue, db: Path, cli: Cli) -> None:
    flow = group(odd.s(2), odd.s(3).set(countdown=60)).delay()
    with bound.worker(burst=True) as worker:
        worker.join()
    assert cli("flow", db, flow.id).out.startswith("flow 1: failed, 0 of 2 jobs done, 1 failed, 1 to go\n")
