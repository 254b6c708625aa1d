"""A line of a job, and the job of a line, or what is wrong with that.

Owns what a line must be before anything of it is stored: its fields, their kinds, and that they fit each other as the table's checks want them. Pure. What is to
become of a job that ran, or stood in a workflow, is ``storing``'s to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...base.errors import InvalidArgument
from ...base.states import FINAL, STATES
from .fields import (
    AS_TEXT,
    JOB,
    JSONS,
    NAMES,
    REQUIRED,
    TABLES,
    TEXT,
    Field,
    read_json,
    write_json,
)

MOST_LINE: Final = 256 << 20  # bytes
POOLS: Final = ("thread", "process", "async")
_OUTCOMES: Final = ("failed", "discarded", "cancelled", "interrupted")


class Carried(NamedTuple):
    """A job of a line."""

    id: int | None  # that it had
    columns: dict[str, Any]  # of JOB and JSONS
    tables: dict[str, list[dict[str, Any]]]
    schedule: str | None
    is_tied: bool  # it waits for jobs, or did in vain; or jobs that have not ended wait for it
    has_callbacks: bool
    inputs: str | None  # what it was given of jobs that it had waited for


def line_of(job: Mapping[str, Any], beside: Mapping[str, Any], tables: Mapping[str, Sequence[Sequence[Any]]]) -> str:
    """Of a row of the table, by the columns' names; ``beside``: what is said of others; of each other table its rows."""
    said: dict[str, Any] = {"id": job["id"]}
    for field in JOB:
        value = job[field.name]
        if value is not None and value != field.usual:
            said[field.name] = field.kind.write(value)
    for name in JSONS:
        if job[name] is not None:
            key, value = write_json(name, job[name])
            said[key] = value
    said |= {name: value for name, value in beside.items() if value is not None and value != []}
    for name, rows in tables.items():
        if rows:
            records = [_record(TABLES[name].fields, row) for row in rows]
            said[name] = records if TABLES[name].many else records[0]
    return json.dumps(said, separators=(",", ":")) + "\n"


def _record(fields: Sequence[Field], row: Sequence[Any]) -> dict[str, Any]:
    return {
        field.name: field.kind.write(value) for field, value in zip(fields, row, strict=True)
        if value is not None and value != field.usual
    }  # fmt: skip


def job_of(line: str | bytes) -> Carried | None:
    """None of a line in which nothing stands. Raises InvalidArgument."""
    if not line.strip():
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"it is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise InvalidArgument("it is no JSON object")
    unknown = said.keys() - NAMES
    if unknown:
        raise InvalidArgument(f"{min(unknown)!r:.60} is no field of a job here; a newer litequeue may have written it")
    columns = _read(JOB, said)
    for name in JSONS:
        is_text = name + AS_TEXT in said
        given = said.get(name + AS_TEXT if is_text else name)
        if given is None and not is_text and name != "result":
            columns[name] = {"args": "[]", "kwargs": "{}"}.get(name)
        elif name not in said and not is_text:
            columns[name] = None
        else:
            columns[name] = _named(name, lambda name=name, given=given, is_text=is_text: read_json(name, given, is_text=is_text))
    tables = {name: _rows(name, said[name]) for name in TABLES if said.get(name) is not None}
    _check(columns, tables)
    found = said.get("id")
    if found is not None and (type(found) is not int or not 0 < found < 2**53):
        raise InvalidArgument(f"id must be a number above 0, not {found!r:.60}")
    schedule, inputs = (None if said.get(name) is None else _named(name, lambda name=name: TEXT.read(said[name])) for name in ("schedule", "inputs"))
    is_tied = any(said.get(name) for name in ("in_workflow", "waits_for", "needed_by"))
    return Carried(found, columns, tables, schedule, is_tied, bool(said.get("has_callbacks") or tables.get("callbacks")), inputs)


def _named(name: str, read: Any) -> Any:
    try:
        return read()
    except InvalidArgument as error:
        raise InvalidArgument(f"{name} {error}") from None


def _read(fields: Iterable[Field], said: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    found = {}
    for field in fields:
        value = said.get(field.name)
        if value is None:
            if field.usual is REQUIRED:
                raise InvalidArgument(f"it has no {where}{field.name}")
            found[field.name] = field.usual
        else:
            found[field.name] = _named(where + field.name, lambda field=field, value=value: field.kind.read(value))
    return found


def _rows(name: str, given: Any) -> list[dict[str, Any]]:
    table = TABLES[name]
    rows = given if table.many else [given]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidArgument(f"{name} must be {'a list of objects' if table.many else 'an object'}")
    for row in rows:
        unknown = row.keys() - {field.name for field in table.fields}
        if unknown:
            raise InvalidArgument(f"{min(unknown)!r:.60} is no field of {name}; a newer litequeue may have written it")
    return [_read(table.fields, row, f"{name}: ") for row in rows]


def _check(job: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """As the tables' own checks, which say less."""
    _one_of(job["state"], "state", STATES)
    _one_of(job["pool"], "pool", POOLS)
    attempt = job["attempt"]
    for name in ("releases", "failures", "interruptions"):
        if job[name] > attempt:
            raise InvalidArgument(f"{name} cannot be more than attempt: {job[name]} of {attempt}")
    if attempt >= 10**12 or job["at_most_once"] > 1:
        raise InvalidArgument(f"attempt and at_most_once are beyond any job: {attempt}, {job['at_most_once']}")
    if (job["state"] in FINAL) != (job["finished_at"] is not None):
        raise InvalidArgument(f"a job that is {job['state']} {'has' if job['state'] in FINAL else 'has no'} finished_at")
    for row in tables.get("errors", ()):
        _one_of(row["outcome"], "errors: outcome", _OUTCOMES)
    for row in tables.get("callbacks", ()):
        _one_of(row["runs_when"], "callbacks: runs_when", ("success", "failed"))
    for row in tables.get("key", ()):
        _one_of(row["until"], "key: until", ("finish", "start", "time", "gone"))
        if row["holds"] not in (None, 1) or (row["until_at"] is None) == (row["until"] in ("time", "gone")):
            raise InvalidArgument("key: holds is 1 or nothing, and until_at is said of a key that is had for a time")


def _one_of(value: Any, what: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InvalidArgument(f"{what} must be one of {', '.join(allowed)}, not {value!r:.40}")
