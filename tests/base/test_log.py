"""litequeue's own lines: they come, in order, whatever the program's logging is up to."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from litequeue.base import log
from litequeue.base.log import Log

pytestmark = pytest.mark.beside


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.free = threading.Event()
        self.free.set()

    def emit(self, record: logging.LogRecord) -> None:
        self.free.wait(10)
        self.lines.append(f"{record.levelname} {record.getMessage()}")


@contextlib.contextmanager
def kept(name: str) -> Iterator[Kept]:
    logger, handler = logging.getLogger(name), Kept()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        handler.free.set()
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.disabled = False


def test_lines_come_in_order_at_their_level_and_with_what_is_extra() -> None:
    said = Log("litequeue.test")
    with kept("litequeue.test") as handler:
        said.debug("not this")
        for number in range(100):
            said.info("line %d", number)
        said.error("the last", extra={"job_id": 5})
        log.flush(5)
    assert handler.lines == [*(f"INFO line {number}" for number in range(100)), "ERROR the last"]


def test_nothing_that_a_line_tells_drives_a_terminal_or_begins_a_line_whoever_writes_it() -> None:
    """A program's own handler too, of which we know nothing."""
    said, evil = Log("litequeue.test"), "\x1b[2J\r\nevil"
    with kept("litequeue.test") as handler:
        said.error("the task %s, number %d: %s", evil, 5, ValueError(evil))
        log.flush(5)
    assert handler.lines == [f"ERROR the task {evil!r}, number 5: {evil!r}".replace("'", "")]


def test_a_handler_that_hangs_holds_up_nobody_and_its_lines_are_not_lost() -> None:
    said = Log("litequeue.test")
    with kept("litequeue.test") as handler:
        handler.free.clear()
        said.warning("first")
        handler.acquire()  # as a task that was cut off within it would leave it
        begun = time.monotonic()
        said.warning("second")
        log.flush(0.05)
        assert time.monotonic() - begun < 2
        handler.release()
        handler.free.set()
        log.flush(5)
        assert handler.lines == ["WARNING first", "WARNING second"]


def test_a_lock_of_the_whole_log_that_was_left_taken_holds_up_nobody() -> None:
    said = Log("litequeue.test")
    taken = threading.Event()
    free = threading.Event()

    def takes_it() -> None:
        with logging._lock:  # type: ignore[attr-defined]
            taken.set()
            free.wait(10)

    holder = threading.Thread(target=takes_it)
    with kept("litequeue.test") as handler:
        logging.getLogger("litequeue.test")._cache.clear()  # type: ignore[attr-defined]
        holder.start()
        taken.wait(5)
        begun = time.monotonic()
        said.warning("goes on")
        assert said.isEnabledFor(logging.INFO) and not said.isEnabledFor(logging.DEBUG)
        assert time.monotonic() - begun < 2
        free.set()
        holder.join()
        log.flush(5)
        assert handler.lines == ["WARNING goes on"]


def test_a_configuration_that_does_not_name_us_silences_nothing_and_one_that_does_is_heeded() -> None:
    said = Log("litequeue.test")
    with kept("litequeue.test") as handler:
        logging.config.dictConfig({"version": 1, "root": {"level": "WARNING"}})
        assert logging.getLogger("litequeue.test").disabled
        said.info("heard")
        logging.getLogger("litequeue.test").setLevel(logging.ERROR)
        said.info("too low")
        logging.disable(logging.CRITICAL)
        said.error("switched off")
        logging.disable(logging.NOTSET)
        log.flush(5)
        assert handler.lines == ["INFO heard"]


def test_a_handler_that_raises_costs_its_line_and_no_other() -> None:
    said = Log("litequeue.test")

    class Raises(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError(record.getMessage())

    with kept("litequeue.test") as handler:
        wrong = Raises()
        logging.getLogger("litequeue.test").addHandler(wrong)
        said.info("one")
        said.info("two")
        log.flush(5)
        logging.getLogger("litequeue.test").removeHandler(wrong)
    assert handler.lines == ["INFO one", "INFO two"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forks_child_writes_its_own_lines_and_none_of_its_parent() -> None:
    said = Log("litequeue.test")
    reader, writer = os.pipe()
    with kept("litequeue.test") as handler:
        handler.free.clear()
        said.info("the parent's")
        pid = os.fork()
        if pid == 0:
            handler.createLock()
            handler.free.set()
            said.info("the child's")
            log.flush(5)
            os.write(writer, ";".join(handler.lines).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        handler.free.set()
        log.flush(5)
        assert os.read(reader, 100) == b"INFO the child's"
        assert handler.lines == ["INFO the parent's"]
    os.close(reader)
    os.close(writer)


def test_a_lines_place_is_where_it_was_logged() -> None:
    said = Log("litequeue.test")
    with kept("litequeue.test") as handler:
        places = []
        handler.emit = lambda record: places.append((record.filename, record.lineno, record.funcName))  # type: ignore[method-assign]
        line = sys._getframe().f_lineno
        said.info("through a method of its level")
        said.log(logging.INFO, "through that of all")
        log.flush(5)
    name = "test_a_lines_place_is_where_it_was_logged"
    assert places == [("test_log.py", line + 1, name), ("test_log.py", line + 2, name)]


def test_what_the_programs_factory_adds_is_there_and_it_is_called_where_it_may_wait() -> None:
    said, threads = Log("litequeue.test"), []
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **more: Any) -> logging.LogRecord:
        record = before(*args, **more)
        threads.append(threading.current_thread().name)
        record.request = "R5"
        return record

    logging.setLogRecordFactory(factory)
    try:
        with kept("litequeue.test") as handler:
            form = logging.Formatter("%(request)s %(threadName)s %(job_id)s %(message)s")
            handler.emit = lambda record: handler.lines.append(form.format(record))  # type: ignore[method-assign]
            said.info("line %d", 5, extra={"job_id": 7})
            log.flush(5)
    finally:
        logging.setLogRecordFactory(before)
    assert handler.lines == [f"R5 {threading.current_thread().name} 7 line 5"]
    assert threads == ["litequeue-log"]


def test_a_factory_that_fails_takes_no_line_away() -> None:
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(lambda *_args, **_more: 1 // 0)  # type: ignore[arg-type, return-value]
    try:
        with kept("litequeue.test") as handler:
            Log("litequeue.test").info("all the same")
            log.flush(5)
    finally:
        logging.setLogRecordFactory(before)
    assert handler.lines == ["INFO all the same"]
