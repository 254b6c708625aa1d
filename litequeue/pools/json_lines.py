"""Lines of a log as JSON, and ``--log-json`` for what a program configured itself.

Owns the keys, and that each record makes a line, whatever it holds. Who asks the worker for JSON reads its output with a
machine, and one line of another form is an error there. So then each ``StreamHandler`` writes it whose stream is the process's
standard error or output: its level, its filters and its stream are the program's, the form is ours. What
its own formatter makes is looked at first, and is left where that is one JSON object already. Files, sockets and others keep
their form.

It is ``StreamHandler.format`` that is replaced, in the worker's process and its pool's, and only with ``--log-json``: to change
the formatters that are there would miss those of a module that is imported later, or of a task that configures.
"""

from __future__ import annotations

import copy
import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

from ..base.log import ABOUT_A_JOB

_OF_ANY_RECORD: Final = {*logging.LogRecord("", 0, "", 0, "", (), None).__dict__, "message", "asctime", "taskName"}
_STANDARD: Final = (1, 2)  # descriptors


def legible(record: logging.LogRecord) -> logging.LogRecord:
    """The record; one whose text and arguments do not fit, with a text that says so. It would be dropped without a word."""
    try:
        record.getMessage()
    except Exception as error:  # noqa: BLE001 - also what an argument's own __str__ raises
        record = copy.copy(record)
        place = f"{record.filename}:{record.lineno}"
        record.msg = f"{_text(record.msg)} {_text(record.args)} (logged in {place} with a {type(error).__name__}: {_text(error)})"
        record.args = ()
    return record


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message; the worker's name, where there are several; the job's fields; what was given as ``extra``."""

    def __init__(self, worker: str = "") -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": legible(record).getMessage(),
        }
        if self._worker:
            line["worker"] = self._worker
        line.update((name, value) for name in ABOUT_A_JOB if (value := getattr(record, name, None)) is not None)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        elif record.exc_text:
            line["traceback"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        for key, value in record.__dict__.items():
            name = _text(key)
            if name not in _OF_ANY_RECORD and name not in ABOUT_A_JOB and not name.startswith("_"):
                line[f"{name}_" if name in line else name] = value
        return _dumped(line)


def use_on_standard_streams(worker: str = "") -> None:
    """From now on, in this process."""
    as_it_was, as_json = logging.StreamHandler.format, JsonFormatter(worker)

    def format_(self: logging.StreamHandler[Any], record: logging.LogRecord) -> str:
        if not _is_standard(self.stream):
            return as_it_was(self, record)
        try:
            text = as_it_was(self, record)
        except Exception:  # noqa: BLE001 - a format that does not fit the record
            text = ""
        return text if _is_an_object(text) else as_json.format(record)

    logging.StreamHandler.format = format_  # type: ignore[method-assign, assignment]


def _is_standard(stream: Any) -> bool:
    try:
        return stream.fileno() in _STANDARD
    except Exception:  # noqa: BLE001 - it is closed, or has none
        return False


def _is_an_object(text: str) -> bool:
    if not text.startswith("{") or "\n" in text:
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _dumped(line: dict[str, object]) -> str:
    try:
        return json.dumps(line, default=_text, allow_nan=False)
    except Exception:  # noqa: BLE001 - a circle, a key that is no text, a number that JSON has not
        return json.dumps({key: _plain(value) for key, value in line.items()}, default=_text)


def _plain(value: object) -> object:
    try:
        json.dumps(value, default=_text, allow_nan=False)
    except Exception:  # noqa: BLE001 - see above
        return _text(value)
    return value


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a user's own __str__
        return f"<its __str__ raised {type(error).__name__}>"
