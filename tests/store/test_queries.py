"""Every query's plan: no scan of the jobs table where a worker or an enqueue goes."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

import litequeue.store
from litequeue.store import Store, jobs, keys
from litequeue.store.schedules import firing, history, table
from litequeue.store.turn import claim, expire, look, promote, settle

pytestmark = pytest.mark.beside

SQL = re.compile(r"(SELECT|WITH|INSERT|UPDATE|DELETE|PRAGMA)\s")


def statements(module: object) -> dict[str, str]:
    """The constants of a module that are SQL, by name."""
    return {
        name: text for name, text in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(text, str) and SQL.match(text) and "STAGE" not in name and not name.endswith("_CREATE")
    }  # fmt: skip


MODULES = {
    found.name.removeprefix("litequeue.store."): importlib.import_module(found.name)
    for found in pkgutil.walk_packages(litequeue.store.__path__, "litequeue.store.")
}
QUERIES = {
    f"{where}.{name}": text
    for where, module in MODULES.items() if not where.startswith("schema") and not hasattr(module, "__path__")
    for name, text in statements(module).items()
} | {f"turn.settle.SETTLE_SUCCEEDED_{size}": text for size, text in settle.SETTLE_SUCCEEDED.items()}  # fmt: skip
# For people, not on a worker's or an enqueue's path; most of them are bounded.
REPORTS = {
    "limits.ASK_ALL", "limits.ASK_QUEUE", "limits.COUNTS", "searching.sources.ALL_GROUPS", "searching.sources.GROUPS_OF_QUEUE", "reports.STILL_TO_DO", "reports.WITHOUT_CODE", "reports.UNUSED", "futures.UNFINISHED", "inspection.NEWEST", "inspection.UNTOLD", "inspection.JOBS", "counting.NEWEST", "counting.AVAILABLE", "counting.ALL_GROUPS", "counting.DUE", "levels.DELAYED_BY_QUEUE", "exposed.RETRYING", "exposed.SCHEDULED", "counting.RETRYING", "inspection.ALL_GROUPS", "pages.overview.NEXT_RETRY", "moving.CANDIDATES", "moving.WHY_HERE", "copies.COUNT_WAITING", "copies.ONCE_AND_DUE",
}  # fmt: skip
OTHERS = sorted(name for name, sql in QUERIES.items() if sql not in {QUERIES[report] for report in REPORTS})  # a statement may be imported elsewhere
# Partial indexes that hold only the few rows in question; walking one of them is no scan of the table.
SMALL_INDEXES = ("litequeue_jobs_running", "litequeue_jobs_cancelling", "litequeue_jobs_unreported",
                 "litequeue_jobs_blocked", "litequeue_jobs_untold", "litequeue_jobs_freed", "litequeue_jobs_arrived", "litequeue_jobs_holding")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A file for all the plans, since none is to change it."""
    store = Store(str(tmp_path_factory.mktemp("plans") / "db.sqlite"))
    yield store
    store.close()


def plan(store: Store, sql: str) -> list[str]:
    parameters: object = (None,) * sql.count("?") if "?" in sql else defaultdict(lambda: None)
    if "?" not in sql:
        parameters = dict.fromkeys(re.findall(r":(\w+)", sql))
    with store.database.side_connection() if "temp." in sql else store.database.read() as connection:
        if "temp." in sql:
            connection.execute(jobs.STAGE_CREATE)
            connection.execute(keys.PICK_CREATE)
        return [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql, parameters).fetchall()]


@pytest.mark.parametrize("name", OTHERS)
def test_no_scan_of_the_jobs_table(store: Store, name: str) -> None:
    for step in plan(store, QUERIES[name]):
        if step.startswith("SCAN") and "litequeue_jobs" in step:
            assert any(index in step for index in SMALL_INDEXES), f"{name}: {step}"


def test_the_claim_uses_its_index_in_order(store: Store) -> None:
    steps = plan(store, claim.CLAIM)
    assert any("litequeue_jobs_available (queue=? AND pool=?)" in step for step in steps)
    assert any("litequeue_jobs_due" in step for step in plan(store, promote.PROMOTE))
    assert any("litequeue_jobs_expiring" in step for step in plan(store, expire.EXPIRE))
    assert any("litequeue_jobs_prunable" in step for step in plan(store, QUERIES["operations.PRUNABLE"]))


def test_an_idle_look_walks_no_queue(store: Store) -> None:
    scans = [step for step in plan(store, look.LOOK) if step.startswith("SCAN litequeue_jobs")]
    assert all(any(index in step for index in SMALL_INDEXES) for step in scans), scans


OF_SCHEDULES = statements(firing) | statements(history) | statements(table)

# What a scheduler's tick and its firing run, and what a worker's housekeeping does.
SCHEDULER = (
    "NEXT_FIRE", "DUE", "AWAITING", "HAS_AWAITING", "REBOOTED", "WON", "STEP", "CLOSE_OF", "BUSY", "OVERLAPS",
    "FIRE_JOBS", "RECORD_TICKS", "COUNT_TICKS", "UNBLOCK", "LISTENERS", "DISABLE", "MUCH_FIRED", "THIN_TICKS", "PRUNE_TICKS",
    "OLD_TICK", "TAKEN", "LAST_DECIDED", "FORGET_DECIDED",
)  # fmt: skip
SMALL_INDEXES_OF_SCHEDULES = (*SMALL_INDEXES, "litequeue_schedules_awaiting")
ALIAS = re.compile(r"(litequeue_\w+) AS (\w+)")


@pytest.mark.parametrize("name", SCHEDULER)
def test_a_scheduler_scans_no_table_and_no_schedules_whole_history(store: Store, name: str) -> None:
    sql = OF_SCHEDULES[name]
    ours = {"litequeue_jobs", "litequeue_ticks", "litequeue_schedules"}
    ours |= {alias for table, alias in ALIAS.findall(sql) if table in ours}
    for step in plan(store, sql):
        what, _, rest = step.partition(" ")
        if what == "SCAN" and rest.split()[0] in ours:
            assert any(index in step for index in SMALL_INDEXES_OF_SCHEDULES), step
        if name not in ("AWAITING", "THIN_TICKS"):  # they stop at the newest; and once in a thousand ticks
            assert "litequeue_ticks USING PRIMARY KEY (schedule_id=?)" not in step, step
            assert "SEARCH t USING PRIMARY KEY (schedule_id=?)" not in step, step


def test_the_list_of_the_schedulers_queries_is_whole() -> None:
    """Every query of schedules is on the scheduler's path, or named here as one that is not."""
    others = {
        "CLOSE_ALL", "REOPEN", "INSERT", "REPLACE", "AMEND", "STORED", "DECLARED_BY", "DECLARING", "REMOVE",
        "REMOVE_TICKS", "REMOVE_COUNTS", "PAUSE", "RESUME", "LIST", "SHOW", "TICKS", "TO_COME",
        "EXIST",  # stops at the first
        "AROUND",  # of the workers, who are few, for a tick that is late
    }  # fmt: skip
    assert set(OF_SCHEDULES) == others | set(SCHEDULER)


def test_every_statement_of_the_store_is_among_them() -> None:
    """None hides in a function, where no plan would be asked of it."""
    assert len(QUERIES) > 100
    assert "turn.claim.CLAIM" in QUERIES and "schedules.table.REPLACE" in QUERIES and "leases.EXTEND" in QUERIES
