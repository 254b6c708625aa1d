"""Jobs out of a file, each as a line, in the order of their ids, a few at a time.

Owns that neither all jobs nor a long snapshot are ever held: the ids of a stretch are read, and then a few jobs whole, in one short reading transaction, so that a
job's line is of one moment; between two of these nothing is open.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from ...base.search import Query
from ..file import Database
from ..rules import HAS_DEPENDANTS, TOLD
from .fields import JOB, JSONS, TABLES
from .lines import line_of

CHUNK: Final = 1_000  # ids
FEW: Final = 100  # jobs of one snapshot,
MOST: Final = 4 << 20  # or so many characters of lines, and one more

_COLUMNS: Final = ("id", *(field.name for field in JOB), *JSONS, "links")
LAST: Final = "SELECT ifnull(max(id), 0) FROM litequeue_jobs"
NEXT: Final = "SELECT id FROM litequeue_jobs WHERE id > :after AND id <= :last ORDER BY id LIMIT :limit"
JOB_OF: Final = f"""SELECT {", ".join(_COLUMNS)},
    (SELECT name FROM litequeue_schedules WHERE id = schedule_id), (SELECT name FROM litequeue_workers WHERE id = worker_id)
FROM litequeue_jobs WHERE id = :id"""
# Of one that waited: whether it does, or did in vain, and what it was given when it was let go.
WAITED: Final = "SELECT pending > 0 OR held OR cause IS NOT NULL, replaced, CASE WHEN replaced THEN own_inputs ELSE inputs END FROM litequeue_waits WHERE job_id = :id"
PARENTS: Final = "SELECT parent_id FROM litequeue_edges WHERE child_id = :id ORDER BY position"
CHILDREN: Final = """SELECT e.child_id FROM litequeue_edges AS e JOIN litequeue_jobs AS c ON c.id = e.child_id
WHERE e.parent_id = :id AND c.finished_at IS NULL ORDER BY e.child_id"""
FLOW: Final = """SELECT flow_id FROM litequeue_flow_jobs
WHERE first_id = (SELECT max(first_id) FROM litequeue_flow_jobs WHERE first_id <= :id) AND last_id >= :id"""
ROWS: Final = {
    name: f"SELECT {', '.join(field.name for field in table.fields)} FROM {table.name} WHERE job_id = :id ORDER BY {table.order}" for name, table in TABLES.items()
}
ANY: Final = {name: f"SELECT EXISTS (SELECT 1 FROM {table.name})" for name, table in TABLES.items()}


class Line(NamedTuple):
    """Of a job."""

    text: str
    is_tied: bool  # it waits for jobs, or they for it
    is_damaged: bool  # some of it is no UTF-8, and nobody can import that


class Reading:
    """One file's jobs, for who takes them elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all_ids(self) -> Iterator[list[int]]:
        """Of all jobs that are there as it begins, in their order."""
        (last,) = self._database.one(LAST)
        after = 0
        while True:
            with self._database.read() as connection:
                ids = [job for (job,) in connection.execute(NEXT, {"after": after, "last": last, "limit": CHUNK}).fetchall()]
            if not ids:
                return
            yield ids
            after = ids[-1]

    def ids(self, query: Query, now: int) -> Iterator[list[int]]:
        """Of those that a search means, in their order. A search goes from the newest on, so their ids are kept, eight bytes each."""
        from array import array

        from ..searching import Searching

        found = array("q")
        for ids in Searching(self._database).every(query, now):
            found.extend(ids)
        ordered = sorted(found)
        for start in range(0, len(ordered), CHUNK):
            yield ordered[start : start + CHUNK]

    def lines(self, ids: Iterable[int]) -> Iterator[list[Line]]:
        """Of these jobs that are still there, some at a time."""
        rest = list(ids)
        while rest:
            some, size, count = [], 0, 0
            with self._database.read() as connection:
                connection.execute("BEGIN")
                try:
                    tables = [name for name, sql in ANY.items() if connection.execute(sql).fetchone()[0]]
                    for count, job in enumerate(rest[:FEW], 1):
                        line = _line(connection, job, tables)
                        if line is not None:
                            some.append(line)
                            size += len(line.text)
                        if size > MOST:
                            break
                finally:
                    connection.execute("ROLLBACK")
            del rest[:count]
            yield some


def _line(connection: sqlite3.Connection, job: int, tables: list[str]) -> Line | None:
    asked = {"id": job}
    row = connection.execute(JOB_OF, asked).fetchone()
    if row is None:
        return None
    found = dict(zip(_COLUMNS, row, strict=False))
    schedule, worker = row[len(_COLUMNS) :]
    beside: dict[str, Any] = {"schedule": schedule, "worker": worker}
    if found["links"] is not None:
        flow = connection.execute(FLOW, asked).fetchone()
        beside["flow"] = None if flow is None else flow[0]
        beside["has_callbacks"] = bool(found["links"] & (HAS_DEPENDANTS | TOLD)) or None
        is_live = found["finished_at"] is None
        waits, is_replaced, inputs = connection.execute(WAITED, asked).fetchone() or (0, 0, None)
        is_waiting = bool(waits or is_replaced and is_live)
        parents, children = ([job for (job,) in connection.execute(sql, asked).fetchall()] if is_live or is_waiting else [] for sql in (PARENTS, CHILDREN))
        beside |= {"waits_for": parents if is_waiting else None, "needed_by": children if is_live else None}
        beside["in_workflow"] = is_waiting or is_live and bool(children) or None
        beside["inputs"] = None if is_waiting else inputs
    text = line_of(found, beside, {name: connection.execute(ROWS[name], asked).fetchall() for name in tables})
    return Line(text, beside.get("in_workflow") is not None, "\\ud" in text and not _is_whole(text))


def _is_whole(line: str) -> bool:
    try:
        json.dumps(json.loads(line), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
