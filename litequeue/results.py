"""What a job came to, for who asks its handle: its value, or the error that stands for any other end.

Owns that translation, from the row of a final job. Waiting for one is ``job``'s.
"""

from __future__ import annotations

import builtins
from typing import Any

from .base.checks import clean_lines
from .base.errors import JobCancelled, JobExpired, JobFailed, ResultNotStored
from .client import Client

Row = tuple[str, str | None, str | None]  # state, result, last error


def result_of(client: Client, job_id: int, row: Row) -> Any:
    """Raises JobFailed, JobCancelled, JobExpired or ResultNotStored; UnknownTask and PayloadCorrupt as ``decode_result``."""
    state, result, last_error = row
    if state == "succeeded":
        if result is None:
            raise ResultNotStored(f"job {job_id} succeeded, but {last_error}")
        return client.codec.decode_result(result)
    if state == "cancelled":
        there = client.store.moving.moved_to(job_id)
        moved = f"; it was moved to Celery as {there}, whose results programs get here that export the app: litequeue.celery.export(app, celery, send=False)"
        raise JobCancelled(f"job {job_id} was cancelled" + (moved if there else ""))
    if state == "expired":
        raise JobExpired(f"job {job_id} was not started before its deadline")
    failure = client.store.reports.last_failure(job_id)
    if failure is None or last_error is not None and last_error.startswith(("Lost:", "Interrupted:")):
        kind, _, message = (last_error or "Unknown: no error was recorded").partition(": ")
        failure = (kind, message, "")
    raise failed(job_id, *failure) from rebuilt(failure[0], failure[1])


def failed(job_id: Any, kind: str, message: str, traceback: str) -> JobFailed:
    """With the traceback for who does not catch it: Python shows notes below its own."""
    error = JobFailed(job_id, kind, message, traceback)
    if traceback:
        error.add_note(f"In the task:\n{clean_lines(traceback)}")
    return error


def rebuilt(kind: str, message: str) -> BaseException | None:
    """The original exception, if its class is a builtin one: no code that the file names is run."""
    cls = getattr(builtins, kind, None)
    if isinstance(cls, type) and issubclass(cls, Exception):
        try:
            key = message[1:-1]
            if cls is KeyError and message == repr(key):  # its text is the repr of its key, mostly of a string
                return KeyError(key)
            return cls(message)
        except Exception:  # noqa: BLE001 - UnicodeDecodeError and its like want more than a message
            return None
    return None
