"""SQL of others among our tables: found however it is written, and nothing of ours, or of an app's own, taken for it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from litequeue import DatabaseCorrupt, LiteQueue, NotAQueue, SchemaTooNew
from litequeue.store import Store
from litequeue.store.schema import ledger
from litequeue.store.schema.foreign import foreign

from ... import sample
from ...older import filled_by_version_2, made_by, newer_code
from ...support import new_job, worker_process

pytestmark = pytest.mark.beside

BODY = "BEGIN SELECT 1; END"


def change(db: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def found(db: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return foreign(connection)


def rewritten(db: Path, name: str, old: str, new: str) -> None:
    """Change the text itself: SQLite lets who can write the file do that too."""
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        ((text,),) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchall()
        assert old in text
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (text.replace(old, new, 1), name))


@pytest.fixture
def made(db: Path) -> Path:
    Store(str(db)).open_and_close()
    return db


TRIGGERS = [
    f"CREATE TRIGGER spy AFTER INSERT ON litequeue_jobs {BODY}",
    f"CREATE TRIGGER spy UPDATE OF state, task ON litequeue_jobs {BODY}",
    f'CREATE TRIGGER IF NOT EXISTS main."spy" BEFORE DELETE ON "LiteQueue_Jobs" {BODY}',
    f"CREATE TRIGGER [spy] /* ON orders */ AFTER INSERT -- ON orders\n ON [litequeue_jobs] {BODY}",
    f'CREATE TRIGGER spy AFTER UPDATE OF "on", `on` ON/**/litequeue_jobs {BODY}',
    f"CREATE TRIGGER spy AFTER UPDATE OF a\u00a0on ON litequeue_jobs {BODY}",
    f"CREATE TRIGGER spy INSTEAD OF INSERT ON litequeue_jobs_readable {BODY}",
    f"CREATE TRIGGER spy AFTER UPDATE ON litequeue_meta {BODY}",
]


@pytest.mark.parametrize("statement", TRIGGERS)
def test_a_trigger_on_a_table_of_ours_is_found_however_it_is_written(made: Path, statement: str) -> None:
    change(made, statement)
    ((name, words),) = found(made).items()
    assert name == "spy"
    assert words.startswith("the trigger spy on litequeue_")


INDEXES = {
    "CREATE UNIQUE INDEX spy ON litequeue_jobs (state)": "is unique",
    'CREATE UNIQUE INDEX IF NOT EXISTS main."spy" ON [LiteQueue_Jobs] (id, task)': "is unique",
    "CREATE INDEX spy ON litequeue_jobs (task, hex(zeroblob(length(args) * 1000)))": "computes",
    "CREATE INDEX spy ON litequeue_ticks (tick_at, job_id + 1)": "computes",
    "CREATE INDEX spy ON litequeue_jobs (task) WHERE length(args) > 1": "computes where it applies",
    "CREATE INDEX spy ON litequeue_jobs (task) WHERE state IN ('a', \"length\" (args))": "computes where it applies",
    "CREATE INDEX spy ON litequeue_jobs (task) WHERE (CAST(args AS INTEGER)) = 1": "computes where it applies",
    "CREATE INDEX spy ON litequeue_jobs (task) WHERE args GLOB '*a*a*a*a*b'": "computes where it applies",
    "CREATE INDEX spy ON litequeue_jobs (task) WHERE args -> 'a' = 1": "computes where it applies",
    "CREATE INDEX litequeue_jobs_spy ON litequeue_jobs (task) WHERE args /* */ LIKE '%'": "computes where it applies",
}


@pytest.mark.parametrize(("statement", "what"), INDEXES.items())
def test_an_index_on_a_table_of_ours_that_computes_or_forbids_is_found(made: Path, statement: str, what: str) -> None:
    change(made, statement)
    ((name, words),) = found(made).items()
    assert words.startswith(f"the index {name} on litequeue_")
    assert words.endswith(f", which {what}")


def test_an_index_of_anothers_order_is_found(made: Path) -> None:
    """Who writes has to know the order, and we do not."""
    with contextlib.closing(sqlite3.connect(made)) as connection:
        connection.create_collation("theirs", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE INDEX spy ON litequeue_jobs (task COLLATE theirs)")
    with contextlib.closing(sqlite3.connect(made)) as connection, pytest.raises(sqlite3.OperationalError, match="theirs"):
        connection.execute("INSERT INTO litequeue_jobs (task) VALUES ('t'), ('u')")
    assert found(made) == {"spy": "the index spy on litequeue_jobs, which computes"}


@pytest.mark.parametrize("lie", ["type = 'index'", "name = 'innocent'", "tbl_name = 'orders'"])
def test_a_schema_whose_columns_say_what_its_text_does_not_is_refused(made: Path, lie: str) -> None:
    change(made, "CREATE TABLE orders (id)", TRIGGERS[0])
    with contextlib.closing(sqlite3.connect(made, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(f"UPDATE sqlite_master SET {lie} WHERE name = 'spy'")
    with pytest.raises((DatabaseCorrupt, NotAQueue)):
        Store(str(made)).open_and_close()


REWRITTEN = {
    "a check that is gone": ("litequeue_workers", "CHECK (wake_port > 0 AND wake_port < 65536)", "", "wake_port integer"),
    "a check that lets all pass": ("litequeue_jobs", "CHECK (attempt >= 0", "CHECK (1 OR attempt >= 0", "check ( 1 or"),
    "one in a new column's place": ("litequeue_jobs", "reported_at INTEGER", "reported_at INTEGER DEFAULT (hex(zeroblob(9)))", "zeroblob"),
    "a value that is a name": ("litequeue_jobs", "THEN lease_expires_at IS NULL", 'THEN lease_expires_at IS "NULL"', "check"),
    "a number that is one": ("litequeue_schedules", "CHECK (grace >= 0)", 'CHECK (grace >= "0")', "grace"),
    "one more rule": ("litequeue_jobs", "ELSE 0 END)", "ELSE 0 END), CHECK (length(task))", "check ( length ( task )"),
    "not strict": ("litequeue_jobs", ") STRICT", ")", "strict"),
    "a default": ("litequeue_jobs", "kwargs TEXT NOT NULL DEFAULT '{}'", "kwargs TEXT NOT NULL DEFAULT '{ }'", "kwargs"),
    "an index": ("litequeue_ticks_open", "job_id IS NOT NULL AND ", "", "job_finished_at"),
    "a wider index": ("litequeue_ticks_open", "(schedule_id, job_id)", "(schedule_id, job_id, tick_at)", "tick_at"),
    "the view": ("litequeue_jobs_readable", "attempt - releases AS attempt", "hex(zeroblob(9)) AS attempt", "create view"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "said"), REWRITTEN.values(), ids=REWRITTEN)
def test_what_is_ours_and_was_changed_is_found(made: Path, name: str, old: str, new: str, said: str) -> None:
    rewritten(made, name, old, new)
    assert list(found(made)) == [name]
    assert said in found(made)[name]


def test_the_error_names_all_and_what_to_do(made: Path) -> None:
    change(made, TRIGGERS[0], "DROP TABLE litequeue_queues", "CREATE VIEW litequeue_queues AS SELECT 'q' AS name, NULL AS paused_at")
    with LiteQueue(made) as app, pytest.raises(NotAQueue) as refused:
        app.enqueue("t")
    assert f"{made} has what litequeue did not put there: the trigger spy on litequeue_jobs, the view litequeue_queues, which" in str(refused.value)
    assert "DROP TRIGGER" in str(refused.value)


def test_tables_that_say_which_version_it_is_are_not_believed(made: Path) -> None:
    change(made, "DROP TABLE litequeue_meta", "CREATE VIEW litequeue_meta AS SELECT 'min_reader' AS key, 99 AS value")
    with pytest.raises(NotAQueue, match="the view litequeue_meta"):
        Store(str(made)).open_and_close()


def test_a_file_of_the_first_version_is_judged_before_it_is_brought_up_to_date(db: Path) -> None:
    change(made_by(1, db), TRIGGERS[1])
    with pytest.raises(NotAQueue, match="spy"):
        Store(str(db)).open_and_close()
    change(db, "DROP TRIGGER spy")
    Store(str(db)).open_and_close()


@pytest.mark.slow
def test_a_worker_that_runs_finds_it_too(made: Path) -> None:
    sample.app._client.bind(str(made))
    with worker_process(made) as worker:
        change(made, TRIGGERS[0])
        said, _ = worker.communicate(timeout=10)
    assert worker.returncode == 4
    assert "the trigger spy on litequeue_jobs" in said and "Traceback" not in said


# -- what is nobody else's ------------------------------------------------------------------------------------------


def test_what_an_app_has_of_its_own_is_not_judged(made: Path) -> None:
    change(
        made,
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, job INTEGER REFERENCES litequeue_jobs, CHECK (id > 0))",
        "CREATE VIEW waiting AS SELECT id FROM litequeue_jobs",
        "CREATE TRIGGER shipped AFTER UPDATE ON orders BEGIN INSERT INTO litequeue_jobs (task) VALUES ('ship'); END",
        "CREATE INDEX my_jobs ON litequeue_jobs (task, \"queue\" COLLATE NOCASE DESC)",
        "CREATE INDEX [My Failures] ON LiteQueue_Jobs (finished_at, [task]) WHERE state = 'discarded' AND attempt > 1 OR \"state\" IS NOT NULL",
        "CREATE INDEX my_live ON litequeue_jobs (task) WHERE state IN ('available', 'running') AND (attempt > 1 OR NOT (queue = 'x'))",
        "CREATE UNIQUE INDEX my_orders ON orders (lower(job)) WHERE abs(id) > 1",
        "CREATE UNIQUE INDEX litequeue_orders ON orders (job)",
        "CREATE TABLE my_litequeue_notes (text)",
        f"CREATE TRIGGER noted AFTER INSERT ON my_litequeue_notes {BODY}",
        "CREATE TABLE 'litequeue''s' (text)",
        "ALTER TABLE litequeue_jobs ADD COLUMN customer TEXT DEFAULT 'none'",
    )
    assert found(made) == {}


@pytest.mark.parametrize("version", range(1, ledger.CURRENT + 1))
def test_each_version_is_ours_as_it_was_made_and_brought_up_to_date(db: Path, version: int) -> None:
    assert found(made_by(version, db)) == {}
    Store(str(db)).open_and_close()
    assert found(db) == {}


def test_a_stored_file_of_an_earlier_version_is_ours(db: Path) -> None:
    assert found(filled_by_version_2(db)) == {}


@pytest.mark.parametrize("statement", [
    "ALTER TABLE litequeue_jobs RENAME TO other; ALTER TABLE other RENAME TO litequeue_jobs",
    "ALTER TABLE litequeue_jobs RENAME COLUMN task TO tusk; ALTER TABLE litequeue_jobs RENAME COLUMN tusk TO task",
])  # fmt: skip
def test_what_sqlite_has_written_anew_is_ours(made: Path, statement: str) -> None:
    change(made, *statement.split("; "))
    assert found(made) == {}


def test_other_blanks_cases_and_comments_make_no_difference(made: Path) -> None:
    rewritten(made, "litequeue_queues", "paused_at INTEGER", "/* when */ \"PAUSED_AT\"\tinteger -- or not\n")
    assert found(made) == {}


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs the sqlite3 shell")
def test_what_the_shell_has_dumped_and_read_again_is_ours(made: Path, tmp_path: Path) -> None:
    script = subprocess.run(["sqlite3", made, ".dump"], check=True, capture_output=True).stdout
    subprocess.run(["sqlite3", tmp_path / "again"], input=script, check=True)
    assert found(tmp_path / "again") == {}
    with LiteQueue(tmp_path / "again") as app:
        assert app.enqueue("t").id == 1


def test_what_a_newer_version_adds_is_not_taken_for_somebody_elses(made: Path) -> None:
    with newer_code(min_reader=ledger.CURRENT):
        Store(str(made)).open_and_close()
        assert found(made) == {}
    assert found(made) == {}


def test_of_a_file_that_is_too_new_that_is_said_whatever_its_tables_are_like(made: Path) -> None:
    computing = "ALTER TABLE litequeue_jobs ADD COLUMN long TEXT AS (length(task)) VIRTUAL"
    with newer_code(min_reader=ledger.CURRENT + 1, sql=computing):
        Store(str(made)).jobs.enqueue(new_job())
    with pytest.raises(SchemaTooNew):
        Store(str(made)).open_and_close()
