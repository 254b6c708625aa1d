"""Exit codes, and which error has which."""

from __future__ import annotations

from ..base.errors import (
    AlertNotFound,
    CannotOpen,
    DatabaseCorrupt,
    DatabaseReplaced,
    JobNotFound,
    LitequeueError,
    NotAQueue,
    QueueBusy,
    ScheduleNotFound,
    SchemaTooNew,
    StorageFailed,
    StorageFull,
    StoreError,
    WorkerFailed,
    at_fault,
)
from .printing import complain

OK = 0
INTERNAL = NOT_AS_ASKED = 1
USAGE = 2
DAMAGED = 3  # corrupt, replaced while in use, or written by a newer litequeue
CANNOT_OPEN = 4
TRY_LATER = 75  # storage full or failing, or busy; EX_TEMPFAIL of sysexits.h
INTERRUPTED = 130

# The first that fits counts.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (StorageFull, TRY_LATER),
    (StorageFailed, TRY_LATER),
    (QueueBusy, TRY_LATER),
    (DatabaseCorrupt, DAMAGED),
    (DatabaseReplaced, DAMAGED),
    (SchemaTooNew, DAMAGED),
    (CannotOpen, CANNOT_OPEN),
    (NotAQueue, CANNOT_OPEN),
    (StoreError, CANNOT_OPEN),
    (WorkerFailed, INTERNAL),
    (JobNotFound, NOT_AS_ASKED),
    (ScheduleNotFound, NOT_AS_ASKED),
    (AlertNotFound, NOT_AS_ASKED),
    (LitequeueError, USAGE),
)


def report(error: LitequeueError) -> int:
    """Say what went wrong in one line on stderr; the exit code."""
    complain(error)
    # A worker that fell over a damaged file answers for the file.
    cause = at_fault(error)
    return code_of(cause if isinstance(cause, LitequeueError) else error)


def code_of(error: BaseException) -> int:
    return next(code for cls, code in _CODES if isinstance(error, cls))
