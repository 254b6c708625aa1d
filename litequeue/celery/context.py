"""``current_job()`` in a Celery worker.

Owns what of it is answered there: from the message. What it takes the queue's file to do is refused, where the task's code asks for it.
"""

from __future__ import annotations

from typing import Any

from ..base.errors import CannotOpen
from ..base.log import Log
from ..base.models import ClaimedJob
from ..tasks.context import JobContext
from .bookkeeping import Bookkeeping

log = Log("litequeue.jobs")


class CeleryContext(JobContext):
    """The running job. ``id`` is Celery's, a text."""

    __slots__ = ("_book", "_has_told", "_worker")

    def __init__(self, job: ClaimedJob, max_attempts: int, timeout: int | None, started_at: int, book: Bookkeeping, worker: str | None) -> None:
        super().__init__(job, max_attempts, timeout, started_at)
        self._book = book
        self._worker = worker
        self._has_told = False

    def _asked(self) -> tuple[dict[str, Any], str | None]:
        return self._book.user_headers(), self._worker

    def _hand_on(self, said: str | None, meta: str | None) -> bool:
        if not self._has_told:
            self._has_told = True
            log.warning("job %s %s: nobody is shown its progress and meta, for which Celery has no counterpart", self.id, self.task)
        return True

    def _store(self) -> Any:
        raise CannotOpen(
            f"job {self.id} of {self.task} runs in Celery, and asks for what is in a queue's file: steps, sleeps and events, the jobs that it waited for, or "
            "a transaction of its own. Keep such tasks in the file"
        )
