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

from .base import shadowed

shadowed.watch()  # before the first import that somebody's file could stand in for

import importlib
from typing import TYPE_CHECKING

from .app import LiteQueue
from .base.backoff import Backoff
from .base.errors import (
    AlertNotFound,
    AlreadyEnqueued,
    BatchClosed,
    CannotOpen,
    CommandFailed,
    CpuTimeExceeded,
    DatabaseCorrupt,
    DatabaseReplaced,
    Discard,
    EventTimeout,
    InvalidArgument,
    InvalidType,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobNotFound,
    LeaseLost,
    LitequeueError,
    LockTimeout,
    MemoryExceeded,
    NotAQueue,
    NotBound,
    NotInATask,
    PayloadCorrupt,
    PayloadError,
    PayloadTooLarge,
    ProcessDied,
    QueueBusy,
    Replace,
    ResultNotStored,
    ResultTimeout,
    Retry,
    ScheduleNotFound,
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
from .base.version import VERSION
from .job import Job
from .jobs import JobBatch
from .task import Task
from .tasks.context import JobContext, current_job, is_failure

if TYPE_CHECKING:
    from .alerts.records import AlertEvent, AlertInfo
    from .base.records import (
        AttemptInfo,
        JobInfo,
        LimitInfo,
        LimitKeyInfo,
        OutputPiece,
        ScheduleInfo,
        Stats,
        StepInfo,
        TickInfo,
        WorkerInfo,
    )
    from .shared import shared_task
    from .triggers import At, Cron, Every, Trigger
    from .workflow.batch import Batch
    from .workflow.flow import Flow
    from .workflow.shapes import Signature, chain, chord, group

__version__ = VERSION

__all__ = [
    "AlertEvent", "AlertInfo", "AlertNotFound", "AlreadyEnqueued", "At", "AttemptInfo", "Backoff", "Batch", "BatchClosed", "CannotOpen", "CommandFailed", "CpuTimeExceeded", "Cron", "DatabaseCorrupt", "DatabaseReplaced",
    "Discard", "EventTimeout", "Every", "Flow", "InvalidArgument", "InvalidType", "Job", "JobBatch", "JobCancelled", "JobContext",
    "JobExpired", "JobFailed", "JobInfo", "JobNotFound", "LeaseLost", "LimitInfo", "LimitKeyInfo", "LiteQueue", "LitequeueError", "LockTimeout", "MemoryExceeded", "NotAQueue", "NotBound", "NotInATask",
    "OutputPiece", "PayloadCorrupt", "PayloadError", "PayloadTooLarge", "ProcessDied", "QueueBusy", "Replace", "ResultNotStored",
    "ResultTimeout", "Retry", "ScheduleInfo", "ScheduleNotFound", "SchemaTooNew", "Signature", "SignatureMismatch",
    "Snooze", "SoftTimeout", "Stats", "StepInfo", "StorageFailed", "StorageFull", "StoreError", "Task", "TaskTimeout", "TickInfo",
    "Trigger", "UnknownTask", "WorkerFailed", "WorkerInfo", "WouldDeadlock", "chain", "chord", "current_job", "group", "is_failure", "shared_task",
]  # fmt: skip

# Made when they are first asked for: see base.records. A program without schedules needs no triggers.
_LATER = {
    "AlertEvent": "alerts.records", "AlertInfo": "alerts.records",
    "AttemptInfo": "base.records", "JobInfo": "base.records", "LimitInfo": "base.records", "LimitKeyInfo": "base.records", "OutputPiece": "base.records",
    "ScheduleInfo": "base.records", "Stats": "base.records", "StepInfo": "base.records", "TickInfo": "base.records",
    "WorkerInfo": "base.records", "At": "triggers", "Cron": "triggers", "Every": "triggers", "Trigger": "triggers",
    "Batch": "workflow.batch", "Flow": "workflow.flow", "Signature": "workflow.shapes", "chain": "workflow.shapes", "chord": "workflow.shapes",
    "group": "workflow.shapes", "shared_task": "shared",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _LATER:
        value: object = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
