"""The handle of a workflow that was enqueued: how far it is, what it came to, and all of it cancelled or put back.

Owns nothing that is stored: an id, and what is read by it. The end of a flow is the end of one of its jobs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from ..base.errors import JobCancelled, JobFailed, JobNotFound
from ..base.states import JobState
from ..client import Client
from ..job import Job

if TYPE_CHECKING:
    from ..options.kinds import Span
    from ..store.flows import Progress


class Flow:
    """One enqueued workflow. Cheap: holds an id, and reads the file when asked."""

    __slots__ = ("_client", "id")
    __litequeue_instead__ = "pass its id (flow.id), and make a handle of that with app.flow(id)"

    def __init__(self, client: Client, flow: int) -> None:
        self._client = client
        self.id = flow

    @property
    def state(self) -> JobState:
        """The state of its last job: ``blocked`` until that may run. Raises JobNotFound once it is pruned."""
        end, _ = self._found()
        return "succeeded" if end is None else end.state

    def done(self) -> bool:
        """Whether nothing of it is to run any more."""
        progress = self.progress()
        return progress.ended == progress.total

    def progress(self) -> Progress:
        """How many of its jobs succeeded, of how many, and how many failed."""
        self._found()
        return self._client.store.flows.progress(self.id)

    def jobs(self) -> list[Job[Any]]:
        """Its jobs, in the order in which they were stored."""
        self._found()
        return [Job(self._client, job) for job in self._client.store.flows.jobs(self.id)]

    def wait(self, timeout: Span | None = None) -> bool:
        """Wait until its last job is final, at most ``timeout`` (None: for ever). Whether it is."""
        end, _ = self._found()
        return True if end is None else end.wait(timeout)

    def get(self, timeout: Span | None = None) -> Any:
        """What the whole came to, waiting for it at most ``timeout``: the result of its last step, or of a group the list of
        results, in order. Raises what ``Job.get`` raises; where a step failed, what that step's ``get`` raises, which names it."""
        end, gathers = self._found()
        if end is None:
            return []
        with self._blamed(end):
            result = end.get(timeout)
        return self.results() if gathers else result

    def __await__(self) -> Generator[Any, None, Any]:
        """``await flow`` is ``get()`` without blocking the event loop."""
        return self._get_async().__await__()

    async def _get_async(self) -> Any:
        end, gathers = self._found()
        if end is None:
            return []
        with self._blamed(end):
            result = await end
        return self.results() if gathers else result

    def results(self) -> list[Any]:
        """The results of a group's members, in order; of any other shape that of its last step alone. Does not wait. Raises what
        ``Job.get`` raises, ResultTimeout for one that is not there yet."""
        end, gathers = self._found()
        if end is None:
            return []
        jobs = self._client.store.flows.parents(end.id) if gathers else [end.id]
        return [Job(self._client, job).get(timeout=0) for job in jobs]

    def cancel(self) -> int:
        """Cancel all of it that has not ended: what waits at once, what runs as soon as its pool can. How many jobs."""
        self._found()
        count, addresses = self._client.store.flows.cancel(self.id, self._client.clock.now())
        self._client.ring(addresses)
        return count

    def retry(self) -> int:
        """Run again what failed, was cancelled or has expired, and then what waited for that. How many jobs were put back."""
        self._found()
        count, addresses = self._client.store.flows.retry(self.id, self._client.clock.now())
        self._client.ring(addresses)
        return count

    def _found(self) -> tuple[Job[Any] | None, bool]:
        found = self._client.store.flows.find(self.id)
        if found is None:
            raise JobNotFound(f"there is no flow {self.id} in {self._client.path}")
        end, gathers = found
        return None if end is None else Job(self._client, end), gathers

    @contextlib.contextmanager
    def _blamed(self, end: Job[Any]) -> Iterator[None]:
        """Where the end was cancelled for another step's sake, what that came to is raised instead."""
        try:
            yield
        except JobCancelled:
            cause = self._client.store.flows.cause(end.id)
            if cause is not None:
                job = Job[Any](self._client, cause)
                try:
                    job.get(timeout=0)
                except JobFailed as error:
                    error.step = job.info().task
                    raise
            raise

    def __eq__(self, other: object) -> bool:
        return (self.id, self._client.path) == (other.id, other._client.path) if isinstance(other, Flow) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.id, self._client.path))

    def __repr__(self) -> str:
        return f"<Flow {self.id}>"
