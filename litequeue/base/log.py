"""What litequeue itself logs: handed to ``logging`` by a thread of its own.

Owns that thread and the queue before it. A handler may wait for whatever it likes, and its lock may be held by a task that
is stuck in it, or was left taken by one: the worker's threads go on, and only their lines wait (a worker whose task logged
until its timeout hung for ever, with a heartbeat that called it well). So nothing here takes a lock of ``logging`` in the
caller's thread; levels are looked up without one.

A logger that a configuration has *disabled* because it does not name it (``dictConfig``'s default) still logs: nobody
meant that. Levels, filters, handlers and ``logging.disable`` are heeded.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import os
import queue
import threading
from typing import Any, Final

LAST_SECONDS: Final = 1.0  # for what is to be written yet when a program ends


class Log:
    """Like the logger of that name, as far as it is used here."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def isEnabledFor(self, level: int) -> bool:
        return level > self._logger.manager.disable and level >= self._logger.getEffectiveLevel()

    def debug(self, text: str, *args: object, **more: Any) -> None:
        self.log(logging.DEBUG, text, *args, **more)

    def info(self, text: str, *args: object, **more: Any) -> None:
        self.log(logging.INFO, text, *args, **more)

    def warning(self, text: str, *args: object, **more: Any) -> None:
        self.log(logging.WARNING, text, *args, **more)

    def error(self, text: str, *args: object, **more: Any) -> None:
        self.log(logging.ERROR, text, *args, **more)

    def log(
        self,
        level: int,
        text: str,
        *args: object,
        extra: dict[str, object] | None = None,
        exc_info: BaseException | None = None,
    ) -> None:
        if not self.isEnabledFor(level):
            return
        traceback = None if exc_info is None else (type(exc_info), exc_info, exc_info.__traceback__)
        record = logging.LogRecord(self._logger.name, level, __file__, 0, text, args, traceback)
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
            if logger.filter(record):
                logger.callHandlers(record)
        except Exception:  # noqa: BLE001, S110 - of a handler's own; the next line may fare better
            pass


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
