"""What a worker's process writes of logging on its standard error: litequeue's own lines, and those of tasks.

Owns the two handlers, how a line looks, and the flushing of what tasks print, in the worker and in the processes of its
pool alike. The rules, for which a program's own configuration need not know of us:

litequeue's lines go to a handler on the logger ``litequeue`` and no further, so that a handler on the root shows none of
them twice. What tasks log goes where their code has said; only where it has said nothing it comes here, as the handler of
last resort. Python asks that one when it finds no other, so ``basicConfig`` finds a root without handlers and works. No switch
of the whole process is set (``logging.logProcesses`` and its like): a format that names what it leaves out loses its lines.
Two methods of ``logging`` are wrapped: ``job_fields`` says why, and, with ``--log-json`` alone, ``json_lines``.

The handlers are two, since a task may be stuck in its own.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import time
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple, TextIO

from ..base.checks import entry
from ..base.errors import InvalidArgument
from ..tasks.context import running_job
from . import job_fields, json_lines


class Lines(NamedTuple):
    """How they are written."""

    level: str  # of litequeue's own
    as_json: bool
    worker: str = ""  # of one that is not alone on its standard error


chosen: Lines | None = None  # of this process; its children do the same


def write_to_stderr(lines: Lines) -> None:
    """From now on, in this process."""
    global chosen
    chosen = lines
    job_fields.put_on_records()
    if lines.as_json:
        json_lines.use_on_standard_streams(lines.worker)
    own = logging.getLogger("litequeue")
    whose = f"{lines.worker} " if lines.worker else ""  # a name has no %
    own.handlers = [_handler(lines, Plain(f"%(asctime)s %(levelname)s {whose}%(message)s"))]
    own.propagate = False
    own.setLevel(lines.level.upper())
    logging.lastResort = _handler(lines, OfTasks(f"%(asctime)s %(levelname)s {whose}%(name)s: %(message)s"))


def flush_streams() -> None:
    """What tasks have printed is not lost, whatever becomes of this process."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or replaced by something of a task's own
            stream.flush()


def _handler(lines: Lines, plain: logging.Formatter) -> logging.Handler:
    # A descriptor of our own: a task may close sys.stderr.
    try:
        number = os.dup(2)
    except OSError:  # one has closed it in the worker, and this is a new process of its pool
        number = os.open(os.devnull, os.O_WRONLY)
    handler = Stderr(os.fdopen(number, "w", buffering=1, errors="backslashreplace"))
    handler.setFormatter(json_lines.JsonFormatter(lines.worker) if lines.as_json else plain)
    return handler


class Stderr(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """What cannot be written stops nobody, and what is to be said of that could not be written either."""


class Plain(logging.Formatter):
    """With its offset where the process has another time than the host: what a module does on import (Django sets ``TZ``)
    would move the log's times without a word."""

    def format(self, record: logging.LogRecord) -> str:
        # All of it, with traceback and stack: whoever logs would forget to clean one of them.
        return entry(super().format(json_lines.legible(record)))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        said = super().formatTime(record, datefmt)
        return said if _is_hosts(record.created) else said + time.strftime("%z", time.localtime(record.created))


def _is_hosts(moment: float) -> bool:
    if "TZ" not in os.environ:
        return True
    zone = _hosts_zone()
    return zone is not None and datetime.fromtimestamp(moment, zone).utcoffset() == timedelta(seconds=time.localtime(moment).tm_gmtoff)


@functools.cache
def _hosts_zone() -> tzinfo | None:
    """None where nobody can tell. Looked up once: that took 55 us a line, and 31 ms for a name that is not known."""
    from ..cron import zones  # few processes have that variable

    try:
        return zones.find(zones.host_name())[1]
    except InvalidArgument:
        return None


class OfTasks(Plain):
    """With the job that it is about."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        job = running_job()
        line = super().formatMessage(record)
        return line if job is None else f"{line} (job {job.id} {job._job.label})"
