"""A line says a job whole, and what is no job is refused in words that say which part of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litequeue.base.errors import InvalidArgument
from litequeue.store.carrying.fields import (
    JOB,
    JSONS,
    TABLES,
    TIME,
    read_json,
    write_json,
)
from litequeue.store.carrying.lines import Carried, job_of, line_of

pytestmark = pytest.mark.beside

WHOLE: dict[str, Any] = {
    "id": 7, "task": "shop.pack", "queue": "mail", "state": "discarded", "pool": "process", "priority": -3, "created_at": 1, "run_at": 2_000_001, "started_at": 3,
    "finished_at": 4, "attempt": 5, "releases": 1, "failures": 2, "interruptions": 1, "max_attempts": 9, "timeout": 1_500_000, "soft_timeout": 1, "at_most_once": 1,
    "expires_at": 221_845_392_000_000_000, "cancel_requested_at": 6, "prune_at": 7, "last_error": "E: \u00fc\n", "limit_key": "l:1", "scheduled_for": 8, "reported_at": 9,
    "moved_to": "x", "args": '[1,{"$tuple":[2]}]', "kwargs": '{"a":"\\u00fc"}', "result": "1.0", "tags": '["a", "b"]', "headers": '{"t": "x"}',
}  # fmt: skip
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "errors": [(1, "failed", None, 5, 6, "E", "m", ""), (2, "interrupted", 1, 2, 3, "I", "", "tb")], "steps": [("s", None, 3, None, 1, 4), ("t", "5", None, "e", 2, 9)],
    "awaits": [("e", "s")], "callbacks": [(0, "success", "{}")], "key": [("k", 1, "time", 99)], "progress": [(1, 5, "[1,2,null,3.5]", None)],
    "usage": [(1, 2_500_000, None)], "output": [(1, 1, "stdout", 3, "hello\n")],
}  # fmt: skip


def test_all_of_a_job_comes_back() -> None:
    line = line_of(WHOLE, {"schedule": "nightly", "worker": "w", "inputs": "[1]", "has_callbacks": True}, ROWS)
    assert line.isascii() and line.count("\n") == 1 and json.loads(line)["run_at"] == "1970-01-01T00:00:02.000001+00:00"
    found = job_of(line)
    assert found is not None and found.id == 7
    assert {"id": 7, **found.columns} == WHOLE
    assert {name: [tuple(row.values()) for row in rows] for name, rows in found.tables.items()} == ROWS
    assert (found.schedule, found.inputs, found.has_callbacks, found.is_tied) == ("nightly", "[1]", True, False)


def test_each_field_has_a_value_in_the_sample() -> None:
    assert {"id", *(field.name for field in JOB), *JSONS} == WHOLE.keys() and TABLES.keys() == ROWS.keys()
    assert all(len(rows[0]) == len(TABLES[name].fields) for name, rows in ROWS.items())


def test_what_is_as_a_new_job_has_it_is_left_out_and_need_not_be_said() -> None:
    found = job_of(b'{"task": "t"}\n')
    assert found is not None and found == Carried(None, found.columns, {}, None, False, False, None)
    assert {name: value for name, value in found.columns.items() if value is not None} == {
        "task": "t", "queue": "default", "state": "available", "pool": "thread", "priority": 0, "attempt": 0, "releases": 0, "failures": 0, "interruptions": 0,
        "at_most_once": 0, "args": "[]", "kwargs": "{}",
    }  # fmt: skip
    again = json.loads(line_of({**found.columns, "id": 1}, {}, {}))
    assert again == {"id": 1, "task": "t", "args": [], "kwargs": {}}
    assert job_of("\n") is None and job_of(" ") is None


@pytest.mark.parametrize("text", ["[1, 2]", "[1.50]", "[1e3]", '["\u00fc"]', '{"a":1,"a":2}', "[NaN]", "no JSON", "", "[" * 900 + "]" * 900, "9" * 5000])
def test_json_that_is_not_written_so_again_is_kept_letter_by_letter(text: str) -> None:
    assert write_json("args", text) == ("args_text", text)
    assert write_json("tags", "[1, 2]") == ("tags", [1, 2])


@pytest.mark.parametrize("micros", [0, 1, 999_999, -1, 1_700_000_000_123_456, 221_845_392_000_000_000, 2**62, -(2**62)])
def test_a_time_comes_back_to_the_microsecond(micros: int) -> None:
    assert TIME.read(json.loads(json.dumps(TIME.write(micros)))) == micros


def test_times_of_people_are_read() -> None:
    assert TIME.read("2026-12-24T18:00:00Z") == TIME.read("2026-12-24 19:00+01:00")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", None), ("[1]", "no JSON object"), ("{", "no JSON"), ("[" * 5_000, "no JSON"), ('{"queue": "q"}', "has no task"), ('{"task": 7}', "task must be a text, not 7"),
        ('{"task": "a b"}', "task must be a name"), ('{"task": ""}', "task must be a name"), ('{"task": "t", "queue": "\\ud800"}', "half a character"),
        ('{"task": "t", "colour": 1}', "'colour' is no field"), ('{"task": "t", "state": "lost"}', "state must be one of blocked, "), ('{"task": "t", "pool": "x"}', "pool must be one of thread"),
        ('{"task": "t", "state": "succeeded"}', "succeeded has finished_at"), ('{"task": "t", "finished_at": 3}', "available has no finished_at"),
        ('{"task": "t", "run_at": "soon"}', "run_at must be a time, such as"), ('{"task": "t", "run_at": "2026-01-01"}', "run_at must say its time zone"),
        ('{"task": "t", "run_at": 1e5}', "run_at must be a time"), ('{"task": "t", "run_at": 99999999999999999999}', "run_at must be a whole number"),
        ('{"task": "t", "timeout": -1}', "timeout must be a length"), ('{"task": "t", "timeout": true}', "timeout must be a length"), ('{"task": "t", "priority": true}', "priority must be a whole"),
        ('{"task": "t", "attempt": 1, "failures": 2}', "failures cannot be more than attempt"), ('{"task": "t", "attempt": -1}', "attempt must be 0 or more"), ('{"task": "t", "attempt": 1000000000000}', "beyond any job"),
        ('{"task": "t", "args": {}}', "args must be a list"), ('{"task": "t", "kwargs": [1]}', "kwargs must be an object"), ('{"task": "t", "args_text": "[1"}', "args is no JSON"), ('{"task": "t", "args_text": 5}', "args must be a text"),
        ('{"task": "t", "args": ["%s"]}' % ("x" * (1 << 20)), "args is too much"), ('{"task": "t", "args_text": "%s"}' % ("[" * 900 + "]" * 900), "args is too much: it is nested"),
        ('{"task": "t", "id": 0}', "id must be"), ('{"task": "t", "id": 9007199254740992}', "id must be"), ('{"task": "t", "id": "7"}', "id must be"),
        ('{"task": "t", "errors": {}}', "errors must be a list"), ('{"task": "t", "errors": [1]}', "errors must be a list"), ('{"task": "t", "errors": [{"attempt": 1}]}', "errors: outcome"),
        ('{"task": "t", "errors": [{"attempt": 1, "outcome": "x", "error_type": "E"}]}', "errors: outcome must be one of"), ('{"task": "t", "steps": [{"name": "a", "x": 1}]}', "'x' is no field of steps"),
        ('{"task": "t", "key": {"key": "k", "holds": 2}}', "key: holds"), ('{"task": "t", "key": {"key": "k", "until": "time"}}', "until_at"), ('{"task": "t", "callbacks": [{"number": 0, "runs_when": "x", "job": "{}"}]}', "runs_when"),
        ('{"task": "t", "schedule": 7}', "schedule must be a text"),
    ],
)  # fmt: skip
def test_what_is_no_job_is_refused_by_the_part_that_is_wrong(said: str, why: str | None) -> None:
    if why is None:
        assert job_of(said) is None
        return
    with pytest.raises(InvalidArgument) as caught:
        job_of(said)
    assert why in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400, str(caught.value)[:400]


def test_what_a_codec_wrote_is_taken_where_a_list_would_stand() -> None:
    text = '{"$codec":["pickle","AAAA"]}'
    assert read_json("args", json.loads(text), is_text=False) == text


@pytest.mark.parametrize("what", ["in_workflow", "waits_for", "needed_by"])
def test_a_job_that_is_tied_to_others_is_known(what: str) -> None:
    found = job_of(json.dumps({"task": "t", what: True if what == "in_workflow" else [3]}))
    assert found is not None and found.is_tied
