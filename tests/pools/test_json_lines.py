"""One object a line, whatever a record holds, and whoever has configured the handler."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Any

import pytest

from litequeue.pools.json_lines import JsonFormatter, use_on_standard_streams

pytestmark = pytest.mark.beside


class Hostile:
    def __str__(self) -> str:
        raise ValueError("no")


def record(text: str, *args: object, exc_info: Any = None, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("shop", logging.INFO, "shop.py", 3, text, args, exc_info)
    made.__dict__.update(extra)
    return made


def line(text: str, *args: object, **more: Any) -> dict[str, Any]:
    text = JsonFormatter().format(record(text, *args, **more))
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    del found["time"]
    return found


PLAIN = {"level": "info", "logger": "shop", "message": "packed"}


def test_what_was_given_as_extra_is_there_and_takes_no_name_that_is_taken() -> None:
    assert line("packed", order="A7", level="high", time=3, job_id=7, task=None) == PLAIN | {
        "job_id": 7, "order": "A7", "level_": "high", "time_": 3,
    }  # fmt: skip


def test_whatever_a_record_holds_makes_a_line() -> None:
    circle: list[Any] = []
    circle.append(circle)
    found = line("packed", circle=circle, keys={(1, 2): 3}, none=float("nan"), bad=Hostile(), path=Path("a"), good=[1, "x"], other="\ud800")
    assert found == PLAIN | {
        "circle": "[[...]]", "keys": "{(1, 2): 3}", "none": "nan", "bad": "<its __str__ raised ValueError>", "path": "a",
        "good": [1, "x"], "other": "\ud800",
    }  # fmt: skip


def test_a_traceback_and_a_stack_are_keys() -> None:
    try:
        raise KeyError("x")
    except KeyError:
        found = line("packed", exc_info=sys.exc_info(), stack_info="Stack: here")
    assert found["traceback"].endswith("KeyError: 'x'") and found["stack"] == "Stack: here"
    assert found["message"] == "packed"


def test_a_text_that_does_not_fit_its_arguments_says_so() -> None:
    assert line("packed %d", "A7")["message"].startswith("packed %d ('A7',) (logged in shop.py:3 with a TypeError: ")
    assert "with a ValueError: no" in line("packed %s", Hostile())["message"]


class OwnJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"event": record.getMessage()})


@pytest.mark.parametrize(
    ("formatter", "shown"),
    [
        (None, PLAIN),
        (logging.Formatter("%(levelname)s %(message)s"), PLAIN),
        (logging.Formatter("%(request)s"), PLAIN),
        (logging.Formatter('{"broken": %(message)s}'), PLAIN),
        (OwnJson(), {"event": "packed"}),
    ],
    ids=["none", "own", "that fails", "nearly", "json"],
)
def test_a_handler_on_a_standard_stream_writes_it_unless_it_writes_objects_already(
    monkeypatch: pytest.MonkeyPatch, formatter: logging.Formatter | None, shown: dict[str, str]
) -> None:
    monkeypatch.setattr(logging.StreamHandler, "format", logging.StreamHandler.format)
    use_on_standard_streams()
    with open(2, "w", closefd=False) as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        found = json.loads(handler.format(record("packed")))
    found.pop("time", None)
    assert found == shown


def test_what_goes_elsewhere_keeps_its_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(logging.StreamHandler, "format", logging.StreamHandler.format)
    use_on_standard_streams()
    file = logging.FileHandler(tmp_path / "own.log", delay=True)
    closed = io.StringIO()
    closed.close()
    for handler in (file, logging.StreamHandler(io.StringIO()), logging.StreamHandler(closed), logging.handlers.BufferingHandler(1)):
        assert handler.format(record("packed")) == "packed"
