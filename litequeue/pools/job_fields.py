"""Which job a line is about, on the records of ``logging`` themselves: ``job_id``, ``task``, ``schedule``, ``attempt``, ``queue``.

Owns how they come there, so that any format, filter, handler or formatter of a program's own finds them, in tasks of all
pools: ``Logger.makeRecord`` is wrapped, in processes that run a worker or are of its pool, and in no others. It was weighed
against what else sees a record in the thread that makes it:

- a factory (``setLogRecordFactory``), the documented place, sets them too early: ``extra={"task": ...}`` in a user's code then
  raises KeyError ("Attempt to overwrite 'task' in LogRecord"), and a factory of the user's that does not call ours loses them;
- a filter on a logger sees nothing of the loggers below it, and one on handlers, or a formatter (as Celery's), only those
  that somebody remembers to give it to, and too late where a queue lies between.

``makeRecord`` is after ``extra``, whose word holds, and beside every factory. Outside of a job they are None, so that a format
that names them works for all records of the process. The wrap stays when an embedded worker stops: others may have
wrapped it since, and the program's formats go on naming them. A record takes 1 us more by it, of 7 before; a call that logs
nothing takes none.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from ..base.log import ABOUT_A_JOB
from ..tasks.context import _current


@functools.cache  # two threads that come first at once wrap it twice, which changes nothing
def put_on_records() -> None:
    """From now on, in this process."""
    make = logging.Logger.makeRecord

    @functools.wraps(make)
    def with_job(self: logging.Logger, *args: Any, **more: Any) -> logging.LogRecord:
        record = make(self, *args, **more)
        fields, context = record.__dict__, _current.get()
        if context is None:
            for name in ABOUT_A_JOB:
                fields.setdefault(name, None)
        else:
            fields.setdefault("job_id", context.id)
            fields.setdefault("task", context.task)
            fields.setdefault("schedule", context._job.schedule)
            fields.setdefault("attempt", context.attempt)
            fields.setdefault("queue", context.queue)
        return record

    logging.Logger.makeRecord = with_job  # type: ignore[method-assign]
