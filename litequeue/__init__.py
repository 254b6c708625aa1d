"""litequeue: a task queue in one SQLite file, for one host, on the standard library alone.

::

    from litequeue import LiteQueue

    app = LiteQueue("db.sqlite")

    @app.task
    def add(x, y):
        return x + y

    job = add.delay(4, 4)        # on disk when this returns
    job.get(timeout=10)          # 8, as soon as `python -m litequeue worker db.sqlite` has run it
"""

from typing import TYPE_CHECKING

from .app import LiteQueue
from .backoff import Backoff
from .context import JobContext, NotInATask, current_job
from .errors import (
    CannotOpen,
    DatabaseCorrupt,
    DatabaseReplaced,
    Discard,
    InvalidArgument,
    InvalidType,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobNotFound,
    LitequeueError,
    NotAQueue,
    PayloadCorrupt,
    PayloadError,
    PayloadTooLarge,
    ProcessDied,
    QueueBusy,
    ResultNotStored,
    ResultTimeout,
    Retry,
    SchemaTooNew,
    SignatureMismatch,
    Snooze,
    SoftTimeout,
    StorageFailed,
    StorageFull,
    StoreError,
    TaskTimeout,
    UnknownTask,
    WorkerFailed,
    WouldDeadlock,
)
from .job import Job, JobBatch
from .task import Task

if TYPE_CHECKING:
    from .records import AttemptInfo, JobInfo, Stats, WorkerInfo

__version__ = "0.1.0"

__all__ = [
    "AttemptInfo", "Backoff", "CannotOpen", "DatabaseCorrupt", "DatabaseReplaced", "Discard", "InvalidArgument",
    "InvalidType", "Job", "JobBatch", "JobCancelled", "JobContext", "JobExpired", "JobFailed",
    "JobInfo", "JobNotFound", "LiteQueue", "LitequeueError", "NotAQueue", "NotInATask",
    "PayloadCorrupt", "PayloadError", "PayloadTooLarge", "ProcessDied", "QueueBusy",
    "ResultNotStored", "ResultTimeout", "Retry", "SchemaTooNew", "SignatureMismatch", "Snooze",
    "SoftTimeout", "Stats", "StorageFailed", "StorageFull", "StoreError", "Task", "TaskTimeout", "UnknownTask",
    "WorkerFailed", "WorkerInfo", "WouldDeadlock", "current_job",
]  # fmt: skip


def __getattr__(name: str) -> object:
    # Made when they are first asked for: see records.
    if name in ("AttemptInfo", "JobInfo", "Stats", "WorkerInfo"):
        from . import records

        value: object = getattr(records, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
