"""What an app has for event loops, and for whoever waits for several jobs at once.

Owns the order in which jobs are given as they end. A part of ``LiteQueue``; waiting for one is the handle's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from .base import checks
from .base.clock import monotonic
from .base.errors import InvalidType, ResultTimeout
from .job import Job, give_up_waiting, same_file
from .subscription import Subscription

if TYPE_CHECKING:
    from .client import Client
    from .options.kinds import Span

LOOK: Final = 2_000  # jobs that are asked for at once: 2 ms, for which a loop stands still


class Loops:
    """A base of the app."""

    _client: Client

    async def aenqueue(self, task: Any, /, *args: Any, **kwargs: Any) -> Job[Any]:
        """``enqueue`` that does not block the event loop while another writer has the file."""
        from asyncio import to_thread

        found: Job[Any] = await to_thread(self.enqueue, task, *args, **kwargs)  # type: ignore[attr-defined]
        return found

    def as_completed(self, jobs: Iterable[Job[Any]], timeout: Span | None = None) -> Completing:
        """``for job in app.as_completed(jobs):``, or ``async for``: the jobs as they end, however they end; what ended first comes first, and one that is named
        twice comes once. Raises InvalidType or InvalidArgument at once for what is no job of this file; then JobNotFound for one that is not there, and
        ResultTimeout once some have not ended within ``timeout``."""
        handles = list(jobs)
        for handle in handles:
            if not isinstance(handle, Job):
                raise InvalidType(f"as_completed takes jobs, not {type(handle).__name__}: {handle!r:.60}. Of a flow: flow.as_completed()")
            same_file(handle, [], self._client.path)
        return Completing(self._client, handles, checks.patience(timeout))


class Completing:
    """Jobs, as they end."""

    def __init__(self, client: Client, jobs: list[Job[Any]], patience: float | None) -> None:
        self._client = client
        self._jobs = {job.id: job for job in jobs}
        self._patience = patience
        self._deadline = None if patience is None else monotonic() + patience

    def __iter__(self) -> Iterator[Job[Any]]:
        self._client.refuse_in_a_transaction("waiting for jobs")
        left = dict(self._jobs)
        with Subscription(self._client) as subscription:
            again = 0.0
            while left:
                if monotonic() >= again:  # subscribed before the look: what ends in between is not missed
                    again = monotonic() + subscription.renew()
                ended = [job for some in self._portions(left) for job in self._ended(some)]
                for job in ended:
                    yield left.pop(job)
                if left and not ended:
                    # Around the wait alone: what is done about each in between needs the slot of who does it.
                    with next(iter(left.values()))._in_a_task(blocking=True, bounded=self._patience is not None):
                        subscription.hear(self._pause(again, len(left)))
                        give_up_waiting(blocking=True)

    async def __aiter__(self) -> AsyncIterator[Job[Any]]:
        from asyncio import sleep

        self._client.refuse_in_a_transaction("waiting for jobs")
        left = dict(self._jobs)
        with Subscription(self._client) as subscription:
            again = 0.0
            while left:
                if monotonic() >= again:
                    again = monotonic() + subscription.renew()
                ended = []
                for some in self._portions(left):
                    ended += self._ended(some)
                    await sleep(0)
                for job in ended:
                    yield left.pop(job)
                if left and not ended:
                    with next(iter(left.values()))._in_a_task(blocking=False, bounded=self._patience is not None):
                        await subscription.hear_async(self._pause(again, len(left)))
                        give_up_waiting(blocking=False)

    @staticmethod
    def _portions(left: dict[int, Job[Any]]) -> list[list[int]]:
        ids = list(left)
        return [ids[start : start + LOOK] for start in range(0, len(ids), LOOK)]

    def _ended(self, some: list[int]) -> list[int]:
        return self._client.store.reports.ended(some)

    def _pause(self, again: float, left: int) -> float:
        """Seconds until the next look. Raises ResultTimeout."""
        now = monotonic()
        if self._deadline is None:
            return max(again - now, 0.0)
        if now >= self._deadline:
            raise ResultTimeout(f"{left} of {len(self._jobs)} jobs have not ended after {self._patience:g} s")
        return max(min(again, self._deadline) - now, 0.0)
