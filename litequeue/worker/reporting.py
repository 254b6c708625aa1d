"""Telling whoever asked of jobs that were discarded.

Owns the finding of them, however they came to be discarded, and of who is to be told. What is said is ``commands/notices``'.
Each is ticked off in the transaction that stores the telling, so it is told once, and not lost with a worker.

Who listens is known to each worker for itself: its options, and the code that it has loaded. One that knows of nobody
leaves a job for a while to the others, before it ticks it off for good.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from ..base.checks import MICROS
from ..base.clock import Clock
from ..base.errors import PASSING, UnknownTask
from ..base.log import Log
from ..base.models import NewJob, TaskOrigin
from ..store import Store
from ..store.notices import Telling
from .discovery import Catalogue
from .patience import Patience

if TYPE_CHECKING:
    from ..base.records import JobInfo

log = Log("litequeue.worker")

BATCH = 100
LEFT_TO_OTHERS = 60 * MICROS
MOST_LEFT = 10_000  # jobs that are remembered to be left to others


class Reporter:
    """For the coordinator's thread, since it may have to load code."""

    def __init__(self, store: Store, catalogue: Catalogue, on_failure: str | None, mail_to: str | None, patience: Patience, *, is_on: bool = True) -> None:
        self._store = store
        self._patience = patience
        self._catalogue = catalogue
        self._on_failure = on_failure
        self._mail_to = mail_to
        self._is_on = is_on  # else all is left to other workers, which may know whom to tell
        self._left: dict[int, int] = {}  # jobs that are left to others, and until when
        self.refused = False  # by the file, the last time
        self.awaits_code = False  # the module of a task is being imported, the last time

    def report(self, clock: Clock) -> bool:
        """Tell of what was discarded and not told yet; whether that made jobs."""
        told, self.refused, self.awaits_code = 0, False, False
        if not self._is_on:
            return False
        self._left = {job: until for job, until in self._left.items() if until > clock.now()}
        try:
            while rows := self._store.notices.unreported(BATCH):
                now = clock.now()
                found = [self._telling(*row, now) for row in rows if row[0] not in self._left]
                tellings = [telling for telling in found if telling is not None]
                if not tellings:
                    break
                told += self._store.notices.report(tellings, self._origins(), now, self._patience.now())
        except PASSING as error:
            log.warning("telling of discarded jobs has to wait: %s", error)
            self.refused = True
        return told > 0

    def _telling(self, job_id: int, on_failure: str | None, mail_to: str | None, now: int) -> Telling | None:
        """What ticks the job off; None if it is left to others."""
        try:
            jobs = self._jobs(job_id, on_failure, mail_to, now)
        except PASSING:
            raise
        except Exception as error:  # noqa: BLE001 - a planted row must not stop the worker, and be met by the next
            log.error("job %d was discarded, and nobody can be told: %s: %s", job_id, type(error).__name__, error)
            return Telling(job_id, ())
        return None if jobs is None else Telling(job_id, jobs)

    def _jobs(self, job_id: int, on_failure: str | None, mail_to: str | None, now: int) -> list[NewJob] | None:
        # A tenth of a worker's start, and most discard nothing.
        from ..base.records import as_dict
        from ..commands.notices import Listeners, of_job

        info = self._store.reports.job(job_id)
        if info is None:
            return []
        if self._catalogue.discovers:  # its app may have handlers; a worker that was given its code has those of that
            with contextlib.suppress(UnknownTask):
                if self._catalogue.ask(info.task) is None:
                    self.awaits_code = True
                    return None
        listeners = Listeners.of((self._on_failure, on_failure), (self._mail_to, mail_to), self._catalogue.handlers())
        if not listeners:
            return None if self._is_left(info, now) else []
        output = [as_dict(piece) for piece in self._store.shown.output(job_id, info.attempt, 0)]
        return of_job({**as_dict(info), "output": output}, listeners, socket.gethostname(), now)

    def _is_left(self, job: JobInfo, now: int) -> bool:
        """Whether a job of which nobody here wants to hear is left to the others for a while."""
        age = LEFT_TO_OTHERS if job.finished_at is None else now - int(job.finished_at.timestamp() * MICROS)
        if not 0 <= age < LEFT_TO_OTHERS or len(self._left) >= MOST_LEFT:
            return False
        self._left[job.id] = now + LEFT_TO_OTHERS - age
        return True

    def _origins(self) -> list[TaskOrigin]:
        return [code.origin for code in self._catalogue.handlers() if code.origin is not None]
