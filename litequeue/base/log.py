"""What litequeue itself logs: handed to ``logging`` by a thread of its own.

Owns that thread and the queue before it. A handler may wait for whatever it likes, and its lock may be held by a task that
is stuck in it, or was left taken by one: the worker's threads go on, and only their lines wait (a worker whose task logged
until its timeout hung for ever, with a heartbeat that called it well). So nothing here takes a lock of ``logging`` in the
caller's thread; levels are looked up without one.

A logger that a configuration has *disabled* because it does not name it (``dictConfig``'s default) still logs: nobody
meant that. Levels, filters, handlers, a factory of records and ``logging.disable`` are heeded.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import os
import queue
import sys
import threading
from typing import Any, Final

from .checks import clean

LAST_SECONDS: Final = 1.0  # for what is to be written yet when a program ends
ABOUT_A_JOB: Final = ("job_id", "task", "schedule", "attempt", "queue")  # on each record; None on one that is about none
_OF_NO_JOB: Final = dict.fromkeys(ABOUT_A_JOB)


class Log:
    """Like the logger of that name, as far as it is used here."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def isEnabledFor(self, level: int) -> bool:
        return level > self._logger.manager.disable and level >= self._logger.getEffectiveLevel()

    def debug(self, text: str, *args: object, **more: Any) -> None:
        self._say(logging.DEBUG, text, args, **more)

    def info(self, text: str, *args: object, **more: Any) -> None:
        self._say(logging.INFO, text, args, **more)

    def warning(self, text: str, *args: object, **more: Any) -> None:
        self._say(logging.WARNING, text, args, **more)

    def error(self, text: str, *args: object, **more: Any) -> None:
        self._say(logging.ERROR, text, args, **more)

    def log(self, level: int, text: str, *args: object, **more: Any) -> None:
        self._say(level, text, args, **more)

    def _say(
        self,
        level: int,
        text: str,
        args: tuple[object, ...],
        *,
        extra: dict[str, object] | None = None,
        exc_info: BaseException | None = None,
        trace: str | None = None,
        stack: str | None = None,
    ) -> None:
        """``trace``: a traceback that is text already, as a job's is; it stands where that of ``exc_info`` would."""
        if not self.isEnabledFor(level):
            return
        traceback = None if exc_info is None else (type(exc_info), exc_info, exc_info.__traceback__)
        place = sys._getframe(2)  # who called the method that called this one
        code = place.f_code
        record = logging.LogRecord(
            self._logger.name, level, code.co_filename, place.f_lineno, text, args, traceback, code.co_name, stack
        )
        record.exc_text = trace
        record.__dict__.update(_OF_NO_JOB)
        if extra is not None:
            record.__dict__.update(extra)
        _write(self._logger, record)


_Item = tuple[logging.Logger, logging.LogRecord] | threading.Event
_queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
_writer: threading.Thread | None = None
_first = itertools.count()  # who draws 0 starts the thread; no lock, which a SoftTimeout could leave taken


def _write(logger: logging.Logger, record: logging.LogRecord) -> None:
    global _writer
    _queue.put((logger, record))
    if _writer is None and next(_first) == 0:
        writer = threading.Thread(target=_work, args=(_queue,), name="litequeue-log", daemon=True)
        with contextlib.suppress(RuntimeError):  # the program ends
            writer.start()
            _writer = writer
            atexit.register(flush)


def _work(lines: queue.SimpleQueue[_Item]) -> None:
    while True:
        item = lines.get()
        if isinstance(item, threading.Event):
            item.set()
            continue
        logger, record = item
        try:
            record = _of_the_programs_factory(_cleaned(record))
            if logger.filter(record):
                logger.callHandlers(record)
        except Exception:  # noqa: BLE001, S110 - of a handler's own; the next line may fare better
            pass


def _cleaned(record: logging.LogRecord) -> logging.LogRecord:
    """With arguments that no row of the file can drive a terminal by: whoever formats the line may be a handler of the program's.
    What it is made of (``extra``, the traceback) is data, and stays."""
    if record.args:
        with contextlib.suppress(Exception):  # of an argument's own __str__; the handler says so
            record.args = tuple(arg if isinstance(arg, (int, float)) else clean(str(arg)) for arg in record.args)
    return record


def _of_the_programs_factory(record: logging.LogRecord) -> logging.LogRecord:
    """With what a factory of its own adds, which its formats may name. Called here and not where the line was logged, since
    it may wait for whatever it likes; so what it tells of time and thread is told again."""
    factory = logging.getLogRecordFactory()
    if factory is logging.LogRecord:
        return record
    try:
        made = factory(
            record.name, record.levelno, record.pathname, record.lineno, record.msg, record.args, record.exc_info, record.funcName,
            record.stack_info,
        )
        made.__dict__.update(record.__dict__)
    except Exception:  # noqa: BLE001 - of the factory's own
        return record
    return made


def flush(seconds: float = LAST_SECONDS) -> None:
    """Wait until what was logged so far is written, but no longer than that."""
    if _writer is not None:
        done = threading.Event()
        _queue.put(done)
        done.wait(seconds)


def _after_in_child() -> None:
    """The thread is not there, and its lines are the parent's."""
    global _queue, _writer, _first
    _queue, _writer, _first = queue.SimpleQueue(), None, itertools.count()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
