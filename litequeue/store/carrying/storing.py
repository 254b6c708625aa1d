"""Jobs out of lines into a file: a chunk of them is a transaction, and says with it how far it has come.

Owns what becomes of a job that is brought: it has a new id, one that ran is available again and charged nothing, one that may run once only is lost as with a worker
that died; a limited one stands in line anew, a key that another has by now is not had, an event that has come is heard. And that lines which were stored are known
by what they are, so that whoever is broken off goes on behind the last chunk, and nobody stores them twice unawares: a row of ``litequeue_meta`` for each import.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ...base.bell import Address
from ...base.errors import InvalidArgument
from ...base.exact import UniqueKey
from ...base.states import FINAL
from .. import keys, tags
from ..bells import everyone
from ..file import Database
from ..links.telling import JOIN
from ..rules import (
    HAS_COME,
    HAS_DEPENDANTS,
    KEEP,
    KEEP_DISCARDED,
    NO_LINE,
    TOLD,
    WAITS,
)
from ..turn import suspend
from .fields import JOB, JSONS, TABLES
from .lines import Carried

CHUNK: Final = 1_000  # lines, or
MOST: Final = 8 << 20  # bytes of them
REMEMBERED: Final = 90 * 24 * 3_600 * 1_000_000  # microseconds, of an import that is over

_COLUMNS: Final = (*(field.name for field in JOB), *JSONS, "links", "holds", "id")
INSERT: Final = f"""INSERT INTO litequeue_jobs ({", ".join(_COLUMNS)}, schedule_id)
VALUES ({", ".join(f":{name}" for name in _COLUMNS)}, (SELECT id FROM litequeue_schedules WHERE name = :schedule))"""
IS_THERE: Final = "SELECT id FROM litequeue_jobs WHERE id IN (SELECT value FROM json_each(:ids)) LIMIT 1"
INPUTS: Final = "INSERT INTO litequeue_waits (job_id, pending, runs_when, inputs) VALUES (:id, 0, 'ended', :inputs)"
ROWS: Final = {
    name: f"""INSERT INTO {table.name} (job_id, {', '.join(field.name for field in table.fields)}{', task' if name == 'key' else ''})
VALUES (:id, {', '.join(f':{field.name}' for field in table.fields)}{', :task' if name == 'key' else ''})"""
    for name, table in TABLES.items()
}
SCHEDULES: Final = "SELECT json_group_array(name) FROM litequeue_schedules"
NOTE: Final = "INSERT INTO litequeue_meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
NOTED: Final = "SELECT value FROM litequeue_meta WHERE key = :key"
FORGET: Final = """DELETE FROM litequeue_meta WHERE key GLOB 'import:*'
    AND CAST(json_extract(CASE WHEN json_valid(value) THEN value ELSE '{}' END, '$.at') AS INTEGER) < :before"""


class Note(NamedTuple):
    """How far an import has come."""

    lines: int = 0  # that are stored, or left out
    jobs: int = 0
    first: int | None = None  # of the ids
    last: int | None = None
    at: int = 0
    is_over: bool = False


class Numbered(NamedTuple):
    """A job of a line."""

    line: int
    job: Carried


class Stored(NamedTuple):
    """What came of a chunk."""

    note: Note
    said: Counter[str]  # what became of jobs otherwise than in the file that they came from, by what that is
    addresses: list[Address]


class Storing:
    """One file, for who brings jobs to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, digest: str) -> Note | None:
        """How far the import of these very lines has come; None of one that is not known."""
        row = self._database.one(NOTED, {"key": f"import:{digest}"})
        try:
            return None if row is None else Note(**json.loads(row[0]))
        except (ValueError, TypeError):  # somebody has planted it
            return None

    def taken(self, ids: Sequence[int]) -> int | None:
        """One of these that a job has here."""
        row = self._database.one(IS_THERE, {"ids": json.dumps(ids)})
        return None if row is None else int(row[0])

    def schedules(self) -> set[str]:
        return set(json.loads(self._database.one(SCHEDULES)[0]))

    def store(self, digest: str, chunk: Sequence[Numbered], note: Note, now: int, *, keep_ids: bool) -> Stored:
        """A chunk, and ``note``: how far it has come with that, but for the ids. Raises InvalidArgument for a line that the file does not take; then none of the
        chunk is stored."""
        said: Counter[str] = Counter()
        with self._database.write(durable=True) as connection:
            ids = [_store(connection, one, now, keep_ids, said) for one in chunk]
            text = json.dumps(ids)
            if any(one.job.columns["tags"] is not None for one in chunk):
                connection.execute(tags.NOTE_THESE, {"ids": text})
            if any("awaits" in one.job.tables for one in chunk):
                _hear(connection, text, now)
            if ids:
                note = note._replace(jobs=note.jobs + len(ids), first=note.first if note.first is not None else min(ids), last=max(ids))
            connection.execute(NOTE, {"key": f"import:{digest}", "value": json.dumps(note._asdict())})
            if note.is_over:
                connection.execute(FORGET, {"before": now - REMEMBERED})
            return Stored(note, said, everyone(connection))


def _hear(connection: sqlite3.Connection, ids: str, now: int) -> None:
    """As those who begin to wait for what has happened here already."""
    (happened,) = connection.execute(suspend.HAPPENED, {"ids": ids}).fetchone()
    if happened != "[]":
        for sql in (suspend.GIVE, suspend.WAKE, suspend.DEAF):
            connection.execute(sql, {"happened": happened, "now": now})


def _store(connection: sqlite3.Connection, one: Numbered, now: int, keep_ids: bool, said: Counter[str]) -> int:
    job, schedule = one.job, one.job.schedule
    row = {**_as_it_comes(job.columns, now, said), "id": job.id if keep_ids else None, "schedule": schedule}
    is_live = row["state"] not in FINAL
    told = 0 if not job.has_callbacks else HAS_DEPENDANTS if is_live else TOLD
    row["links"] = told | (WAITS if job.inputs is not None else 0) or None
    try:
        job_id = connection.execute(INSERT, row).lastrowid
        assert job_id is not None
        if job.inputs is not None:
            connection.execute(INPUTS, {"id": job_id, "inputs": job.inputs})
        for name, rows in job.tables.items():
            if name == "key":
                rows = [_key_of(connection, job_id, row, rows[0], is_live, now, said)]
            if name != "awaits" or row["state"] == "scheduled":
                connection.executemany(ROWS[name], [{**each, "id": job_id} for each in rows])
    except (sqlite3.IntegrityError, OverflowError) as error:
        if keep_ids and "litequeue_jobs.id" in str(error):
            raise InvalidArgument(f"line {one.line}: job {job.id} is there already: without --keep-ids it has another id") from None
        raise InvalidArgument(f"line {one.line}: the file does not take that: {error}") from None
    return job_id


def _as_it_comes(job: dict[str, Any], now: int, said: Counter[str]) -> dict[str, Any]:
    """The columns that it is to have here, where nobody runs it, and where it stands in no line yet."""
    row = dict(job)
    row["created_at"] = now if job["created_at"] is None else job["created_at"]
    row["run_at"] = row["created_at"] if job["run_at"] is None else job["run_at"]
    if job["state"] == "running" and job["at_most_once"]:
        lost = "Lost: it ran as it was exported, and runs at most once"
        row |= {"state": "discarded", "finished_at": now, "prune_at": now + KEEP_DISCARDED, "reported_at": now, "last_error": lost}
        said["lost"] += 1
    elif job["state"] == "running":
        row |= {"state": "available", "expires_at": None}  # it was started in time
        said["ran"] += 1
    elif job["state"] == "blocked":  # by its limit, or by an earlier job of its schedule
        row["state"] = "available"
    if row["state"] in FINAL:
        # What was kept elsewhere for longer than here would be gone by the next look.
        row["prune_at"] = max(job["prune_at"] or 0, row["prune_at"] or 0, now + KEEP)
        if row["state"] == "discarded" and row["reported_at"] is None:
            row["reported_at"] = now  # whoever asks to be told of failures is told of those here
    else:
        row["prune_at"] = None
    row["holds"] = None if row["limit_key"] is None else NO_LINE
    if row["state"] == "available" and row["limit_key"] is not None:
        row |= {"state": "blocked", "holds": HAS_COME}
    return row


def _key_of(connection: sqlite3.Connection, job_id: int, job: dict[str, Any], key: dict[str, Any], is_live: bool, now: int, said: Counter[str]) -> dict[str, Any]:
    """Its key, unless another has that here: then it runs without, as one that is put back."""
    row = {**key, "task": job["task"]}
    if key["holds"] and keys.taken(connection, job["task"], UniqueKey(key["key"]), now) is not None:
        row["holds"] = None
        said["without_key"] += is_live
    return row


def why_not(job: Carried) -> str | None:
    """Why it is not stored: it only brings a workflow's jobs together ("joins"), or is nothing without others ("tied"). None: it is."""
    return "joins" if job.columns["task"] == JOIN else "tied" if job.is_tied else None
