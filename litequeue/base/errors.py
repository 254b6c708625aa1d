"""Every exception of the package, and the signals a task raises to steer its own job.

Owns the messages' shape: what was given, what is allowed, what to do. Each error is a
``LitequeueError`` and also the fitting builtin, so that ``except ValueError`` works for people who
never heard of us. Knows nothing of the rest of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


class LitequeueError(Exception):
    """The root of every exception that litequeue raises on purpose."""


# -- wrong use -------------------------------------------------------------------------------


class InvalidArgument(LitequeueError, ValueError):
    """A value that an option, a name or a time cannot take."""


class InvalidType(LitequeueError, TypeError):
    """A value of a type that an option cannot take."""


class SignatureMismatch(LitequeueError, TypeError):
    """The arguments of a call do not fit the task's signature."""


class PayloadError(LitequeueError, TypeError):
    """A value that cannot be stored so that it comes back exactly as it was."""


class PayloadTooLarge(LitequeueError, ValueError):
    """Encoded arguments, or a result, over the size limit."""


class PayloadCorrupt(LitequeueError, ValueError):
    """Stored text that is not what the codec wrote."""


class UnknownTask(LitequeueError, LookupError):
    """A task's name for which no code could be found."""


class NotBound(LitequeueError, RuntimeError):
    """An app was used before anybody said which file it works on, or a shared task before it was anybody's."""


class ScheduleNotFound(LitequeueError, LookupError):
    """There is no schedule of that name."""


class AlertNotFound(LitequeueError, LookupError):
    """There is no alert of that name."""


class JobNotFound(LitequeueError, LookupError):
    """No job has this id: it never existed, or it was pruned."""


# -- what became of a job ---------------------------------------------------------------------


class JobFailed(LitequeueError, RuntimeError):
    """Raised by ``get()`` for a discarded job.

    ``__cause__`` is the original exception where its class is a builtin one, so that rebuilding it
    runs no code that the file names.
    """

    step = ""  # the job's task, where it is a step of the workflow that was asked for

    def __init__(self, job_id: int, error_type: str, message: str, traceback: str = "") -> None:
        super().__init__(job_id, error_type, message, traceback)
        self.job_id = job_id
        self.type = error_type
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        said = f"{self.type}: {self.message}" if self.message else self.type
        return f"job {self.job_id}{self.step and f' ({self.step})'} failed: {said}"


class JobCancelled(LitequeueError, RuntimeError):
    """Raised by ``get()`` for a cancelled job; raised by a task to say that it heeded a cancel."""


class JobExpired(LitequeueError, RuntimeError):
    """Raised by ``get()`` for a job that was not started before its deadline."""


class ResultNotStored(LitequeueError, RuntimeError):
    """The job succeeded, but its return value could not be stored (its type or its size)."""


class ResultTimeout(LitequeueError, TimeoutError):
    """``get(timeout)`` or ``wait`` ran out of time; the job goes on."""


class BatchClosed(LitequeueError, RuntimeError):
    """A job was to be added to a batch whose block has ended, and not by a member of it that runs: its callbacks may have run."""


class EventTimeout(LitequeueError, TimeoutError):
    """``current_job().wait_for`` ran out of time: none of the events came."""


class LockTimeout(LitequeueError, TimeoutError):
    """``app.lock`` ran out of time: somebody else has it."""


class LeaseLost(LitequeueError, RuntimeError):
    """This attempt of the job is not the one that counts any more: its worker was frozen, or too slow, and another runs it. What it
    wanted to store was not stored."""


class WouldDeadlock(LitequeueError, RuntimeError):
    """A task waits for a job in a way that could keep that job from ever running."""


class TaskTimeout(LitequeueError, TimeoutError):
    """The failure of an attempt that was stopped at the task's ``timeout``."""


class ProcessDied(LitequeueError, RuntimeError):
    """The failure of an attempt whose pool process died under it."""


class MemoryExceeded(LitequeueError, MemoryError):
    """The failure of an attempt that needed more than the task's ``memory``."""


class CpuTimeExceeded(LitequeueError, TimeoutError):
    """The failure of an attempt whose process was ended at the task's ``cpu_time``."""


class CommandFailed(LitequeueError, RuntimeError):
    """The failure of an attempt whose command could not be run, ended with another exit code than 0, or was
    killed.

    ``usage``: ``exit_code`` (None if it was killed), ``seconds``, ``cpu_seconds``, ``max_rss_bytes``, and more.
    """

    def __init__(self, message: str, usage: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.usage = dict(usage or {})


class SoftTimeout(BaseException):
    """Raised inside a task when its ``soft_timeout`` (in a thread also its ``timeout``) has passed.

    A BaseException, so that a task's ``except Exception`` does not swallow it by accident.
    """

    def __init__(self, message: str = "soft_timeout has passed") -> None:  # raised as a class, from another thread
        super().__init__(message)


# -- the file ----------------------------------------------------------------------------------


class AlreadyEnqueued(LitequeueError, RuntimeError):
    """A job of the task has the key, and its task says ``on_conflict="raise"``; nothing was stored. ``job_id`` is that job's."""

    def __init__(self, message: str, job_id: int) -> None:
        super().__init__(message, job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return str(self.args[0])


class StoreError(LitequeueError, OSError):
    """The database file cannot be used; the message has its path."""


class CannotOpen(StoreError):
    """Missing, not readable, not writable, or not a file."""


class NotAQueue(StoreError):
    """A file that is no SQLite database, or one without litequeue's tables."""


class DatabaseCorrupt(StoreError):
    """SQLite found damage, or a file that was in use is empty. Nothing is repaired, recreated or deleted by litequeue."""


class DatabaseReplaced(StoreError):
    """The file, or one beside it, was deleted or replaced while it was in use, or while its log was there."""


class SchemaTooNew(StoreError):
    """The file was written by a newer litequeue, and this one would do harm there; it writes nothing."""


class StorageFull(StoreError):
    """No room on the device for this write; nothing of it was stored."""


class StorageFailed(StoreError):
    """The device refused a read or a write (an I/O error, a quota, a size limit).

    Of a commit that failed so nobody knows whether it is on the device: look before you enqueue again.
    """


class QueueBusy(LitequeueError, TimeoutError):
    """The write lock could not be had in time; nothing was stored."""


# What may pass: a worker keeps its results and tries again.
PASSING: Final = (QueueBusy, StorageFull, StorageFailed)


class WorkerFailed(LitequeueError, RuntimeError):
    """A part of the worker died, and so it stopped."""


def at_fault(error: BaseException) -> BaseException:
    """What a worker that failed fell over; any other error itself."""
    while isinstance(error, WorkerFailed) and error.__cause__ is not None:
        error = error.__cause__
    return error


# -- signals: raised by a task, understood by the worker ------------------------------------------


class NotInATask(LitequeueError, LookupError):
    """``current_job()`` was called outside a running task."""


class Signal(LitequeueError):
    """Base of what a task raises to steer its job; not failures in themselves."""


class Retry(Signal):
    """Count this attempt as failed and try again.

    ``delay`` is in seconds, a timedelta, or text such as "10m"; None takes the task's backoff. With no attempts left
    the job is discarded, like after any failure.
    """

    delay: object = None  # also of a subclass that does not call this __init__

    def __init__(self, reason: str = "", *, delay: object = None) -> None:
        super().__init__(reason or "the task asked for a retry")
        self.delay = delay


class Snooze(Signal):
    """Run this job again after ``delay``: seconds, a timedelta, or text such as "10m". Not a failure."""

    delay: object = None

    def __init__(self, delay: object) -> None:
        super().__init__(f"snoozed for {delay}")
        self.delay = delay


class Replace(Signal):
    """Put other work in this job's place: ``raise Replace(task.s(...) | ...)``. The job ends with it, and comes to what it comes to; who waits for
    the job waits on. For a fan-out of which the size is known only here."""

    shape: object = None

    def __init__(self, shape: object) -> None:
        super().__init__("the job is replaced")
        self.shape = shape


class Discard(Signal):
    """Give the job up for good, whatever attempts are left."""

    def __init__(self, reason: str = "the task discarded its job") -> None:
        super().__init__(reason)
        self.reason = reason


for _name, _found in list(globals().items()):
    if isinstance(_found, type) and issubclass(_found, BaseException):
        # Shown in tracebacks and stored with a job under the name that people import it by.
        _found.__module__ = "litequeue"
