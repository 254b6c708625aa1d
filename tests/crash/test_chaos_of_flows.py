"""The judge of the chaos run's workflows finds nothing wrong with a quiet run, and sees what is forged into its evidence."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ..chaos import flow_judge, flows
from ..chaos.flow_evidence import Flows
from ..chaos.tasks import app
from ..sample import note
from ..support import wait_until

pytestmark = pytest.mark.beside

CALLED, RUN = ["called"], ["run"]
DRAWN: dict[str, flows.Spec] = {
    "chain": ["chain", [["call", "chain.0", "thread", CALLED], ["call", "chain.1", "async", []], ["call", "chain.2", "durable", []]]],
    "chord": ["chain", [["group", [["call", "chord.0", "thread", []], ["call", "chord.1", "flaky", []]]], ["call", "chord.2", "thread", []]]],
    "fails": ["chain", [["call", "fails.0", "bad", CALLED], ["call", "fails.1", "thread", []], ["call", "fails.2", "thread", RUN]]],
    "replaced": ["chain", [["call", "replaced.0", "replacing", []], ["call", "replaced.1", "thread", []]]],
    "nested": ["group", [["group", [["call", "nested.0", "once", []]]], ["call", "nested.1", "once bad", []]]],
}  # fmt: skip


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("quiet")
    app._client.bind(str(folder / "chaos.sqlite"))
    maker = flows.Maker(str(folder), "quiet", random.Random(1))
    with app.worker(threads=4):
        first = maker.enqueue("chain", DRAWN["chain"])
        made = {key: maker.enqueue(key, spec) for key, spec in DRAWN.items() if key != "chain"}
        maker.enqueue("follows", ["call", "follows", "thread", []], [("chain", first), ("nested", made["nested"])])
        maker.batch("good", ["success", "failure", "end"], ["adding"])
        maker.batch("left", ["end"], ["adding"], abandoned=True)
        wait_until(lambda: made["nested"].state == "cancelled")
        maker._say("retry", "nested")
        made["nested"].retry()
        wait_until(lambda: _is_done())
    yield folder
    app.close()


def _is_done() -> bool:
    flows.let_go()
    return not {"blocked", "scheduled", "available", "running", "retrying"} & app.stats().states.keys()


def test_nothing_is_wrong_with_a_quiet_run(quiet: Path) -> None:
    assert list(flow_judge.violations(quiet)) == []
    found = Flows(quiet)
    assert {job.state for job in found.jobs.values()} == {"succeeded", "discarded", "cancelled"}
    assert found.effects and found.calls_made and any(job.task == "replacing" for job in found.jobs.values())


def _sql(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "chaos.sqlite")) as connection, connection:
        assert connection.execute(sql).rowcount == 1


def of(key: str, *more: str) -> str:
    """The job of a key, or of a callback of it."""
    words, which = ",".join(f'"{word}"' for word in (key, *more)), "" if more else "NOT"
    return f"(SELECT max(id) FROM litequeue_jobs WHERE args LIKE '%,{words}%' AND task {which} LIKE '%.called')"


def _again(folder: Path, job: str) -> None:
    """Another row that is like it."""
    columns = "task, args, kwargs, queue, state, created_at, run_at, finished_at, prune_at, result"
    _sql(folder, f"INSERT INTO litequeue_jobs ({columns}) SELECT {columns} FROM litequeue_jobs WHERE id = {job}")


def _step_again(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "chaos.sqlite")) as connection:
        job, attempt = connection.execute("SELECT job_id, attempt FROM litequeue_steps WHERE name = 'first'").fetchone()
    note(str(folder / "steps"), f"{job} {attempt + 1} first")


def _called_again(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "chaos.sqlite")) as connection:
        (job,) = connection.execute(f"SELECT {of('good', 'end')}").fetchone()
    for _ in range(9):
        note(str(folder / "called"), f"{job} good end")


FORGERIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "waits for ever": (
        lambda f: _sql(f, f"UPDATE litequeue_jobs SET state = 'blocked', finished_at = NULL, prune_at = NULL WHERE id = {of('chain.1')}"),
        "is still blocked",
    ),
    "told nobody": (lambda f: _sql(f, f"UPDATE litequeue_jobs SET links = links - 1 WHERE id = {of('chain.1')}"), "nobody was told"),
    "another result": (lambda f: _sql(f, f"UPDATE litequeue_jobs SET result = '1' WHERE id = {of('chain.0')}"), "which is none of"),
    "in another order": (lambda f: _sql(f, f"""UPDATE litequeue_jobs SET result = (SELECT json_quote('chord.2=' || '{
        flows.value('chord.2', [flows.value('chord.1', flows.NOTHING), flows.value('chord.0', flows.NOTHING)]).partition('=')[2]
        }')) WHERE id = {of('chord.2')}"""), "which is none of"),
    "of another's place": (lambda f: _sql(f, f"UPDATE litequeue_jobs SET result = '1' WHERE id = {of('replaced.0')}"), "what took its place"),
    "ran in vain": (lambda f: _sql(f, f"UPDATE litequeue_jobs SET state = 'succeeded' WHERE id = {of('fails.1')}"), "did not succeed"),
    "never ran": (lambda f: _sql(f, f"UPDATE litequeue_jobs SET state = 'cancelled' WHERE id = {of('fails.2')}"), "though it should have run"),
    "discarded": (
        lambda f: _sql(f, f"UPDATE litequeue_jobs SET state = 'discarded', last_error = 'Oops' WHERE id = {of('chain.2')}"), "was discarded: Oops",
    ),
    "in part": (lambda f: _sql(f, f"DELETE FROM litequeue_jobs WHERE id = {of('chain.1')}"), "so many jobs of each call"),
    "there twice": (lambda f: _again(f, of("chain.1")), "is there 2 times"),
    "ran twice": (lambda f: _sql(f, f"UPDATE litequeue_jobs SET attempt = attempt + 1 WHERE id = {of('chain.1')}"), "ran 2 times"),
    "a step again": (_step_again, "and done again in"),
    "a step lost": (lambda f: _sql(f, "DELETE FROM litequeue_steps WHERE name = 'second'"), "succeeded without {'second'}"),
    "called twice": (lambda f: _again(f, of("chain.0", "success")), "has 2 callbacks of success"),
    "not called": (lambda f: _sql(f, f"DELETE FROM litequeue_jobs WHERE id = {of('chain.0', 'success')}"), "has 0 callbacks of success"),
    "called of a failure twice": (lambda f: _again(f, of("fails.0", "failure")), "ended badly 1 times, and has 2 callbacks"),
    "called with something else": (
        lambda f: _sql(f, f"UPDATE litequeue_waits SET inputs = '1' WHERE job_id = {of('chain.0', 'success')}"), "was given 1",
    ),
    "a batch called wrongly": (
        lambda f: _sql(f, f"UPDATE litequeue_jobs SET state = 'succeeded' WHERE id = {of('good', 'failure')}"), "its failure is succeeded",
    ),
    "a batch not called": (
        lambda f: _sql(f, f"UPDATE litequeue_jobs SET state = 'cancelled' WHERE id = {of('good', 'end')}"), "its end is cancelled",
    ),
    "a batch that did not wait for all": (
        lambda f: _sql(f, "UPDATE litequeue_jobs SET finished_at = 1 WHERE id IN (SELECT end_id FROM litequeue_flows WHERE children LIKE '%,%,%')"),
        "ended at 1, and its last member at",
    ),
    "a batch called twice": (lambda f: _again(f, of("good", "end")), "has 2 jobs for its end"),
    "called again": (_called_again, "was called 10 times"),
    "a batch without a member": (
        lambda f: _sql(f, f"DELETE FROM litequeue_edges WHERE parent_id = {of('good.m0.2')} AND position >= 0 AND child_id = ("
                          "SELECT end_id FROM litequeue_flows WHERE children LIKE '%,%,%')"), "lacks",
    ),
    "the end of the whole": (
        lambda f: _sql(f, f"UPDATE litequeue_flows SET end_id = {of('fails.0')} WHERE end_id = {of('fails.2')}"), "and its last calls to",
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_the_judge_sees_what_was_forged_into_a_quiet_run(quiet: Path, tmp_path: Path, forgery: str) -> None:
    forge, expected = FORGERIES[forgery]
    folder = tmp_path / "forged"
    shutil.copytree(quiet, folder)
    forge(folder)
    found = list(flow_judge.violations(folder))
    assert any(expected in text for text in found), found
