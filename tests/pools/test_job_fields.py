"""Each record of a process with a worker says its job, beside whatever the program makes of records itself."""

from __future__ import annotations

import contextlib
import copy
import logging
import logging.handlers
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base import log

pytestmark = pytest.mark.beside

FORMAT = "%(job_id)s %(task)s %(attempt)s %(queue)s | %(message)s"


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextlib.contextmanager
def on_the_root(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def lines_of(folder: Path, function: Callable[[], object], *, keeps: logging.Handler | None = None) -> list[str]:
    """What a handler on the root of an app with a worker inside makes of the run of that task."""
    lines = Lines()
    with LiteQueue(folder / "db.sqlite") as app, on_the_root(keeps or lines):
        app.task(name="shop.pack", queue="orders")(function)
        app.enqueue("shop.pack")
        with app.worker(threads=1, burst=True) as worker:
            assert worker.join(20)
        logging.getLogger("shop").info("afterwards")
        log.flush(5)
    return lines.lines


def test_an_embedded_workers_records_say_it_and_those_outside_of_a_job_say_none(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, lambda: logging.getLogger("shop").info("packed"))
    assert "1 shop.pack 1 orders | packed" in lines
    assert "None None None None | afterwards" in lines
    (ended,) = (line for line in lines if "succeeded in" in line)
    assert ended.startswith("1 shop.pack 1 orders | job 1 shop.pack: ")
    (serves,) = (line for line in lines if " serves " in line)
    assert serves.startswith("None None None None | worker ")


def test_what_the_code_gives_as_extra_under_these_names_holds_and_raises_nothing(tmp_path: Path) -> None:
    def pack() -> None:
        logging.getLogger("shop").info("packed", extra={"task": "mine", "job_id": "A7"})

    assert "A7 mine 1 orders | packed" in lines_of(tmp_path, pack)


def test_a_factory_of_the_programs_own_that_calls_no_other_loses_none(tmp_path: Path) -> None:
    before = logging.getLogRecordFactory()

    def pack() -> None:
        logging.setLogRecordFactory(logging.LogRecord)
        logging.getLogger("shop").info("packed")

    try:
        assert "1 shop.pack 1 orders | packed" in lines_of(tmp_path, pack)
    finally:
        logging.setLogRecordFactory(before)


def test_a_record_that_goes_through_a_queue_keeps_its_job(tmp_path: Path) -> None:
    between: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    lines_of(tmp_path, lambda: logging.getLogger("shop").info("packed"), keeps=logging.handlers.QueueHandler(between))  # type: ignore[arg-type]
    kept = [copy.copy(between.get_nowait()) for _ in range(between.qsize())]
    assert "1 shop.pack 1 orders | packed" in [logging.Formatter(FORMAT).format(record) for record in kept]
