"""The handle of a workflow that was enqueued: how far it is, what it came to, and all of it cancelled or put back.

Owns nothing that is stored: an id, and what is read by it. The end of a flow is the end of one of its jobs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

from ..base import checks
from ..base.clock import monotonic
from ..base.errors import JobCancelled, JobFailed, JobNotFound, ResultTimeout
from ..base.states import JobState
from ..client import Client, client_of
from ..job import Job, same_file
from ..options.missing import Missing
from ..store.links.telling import JOIN

if TYPE_CHECKING:
    from ..options.kinds import Span
    from ..store.flows import Progress


_LOOK: Final = 0.1  # seconds between two looks at most: one takes 4 ms where ten thousand jobs are


def _wait_a_little(end: Job[Any] | None, deadline: float | None) -> None:
    """Until some job has ended, or for a look's time."""
    if end is not None:
        end.wait_for_news(_LOOK if deadline is None else min(_LOOK, max(deadline - monotonic(), 0)))


class Flow(Missing):
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
        end, _ = self._found()
        progress = self.progress()
        if progress.ended < progress.total:
            return False
        with contextlib.suppress(JobNotFound):  # it may be pruned before what is kept for longer
            return end is None or end.done()
        return True

    def progress(self) -> Progress:
        """How many of its jobs succeeded, of how many, and how many failed."""
        self._found()
        return self._client.store.flows.progress(self.id)

    def jobs(self) -> list[Job[Any]]:
        """Its jobs, in the order in which they were stored."""
        self._found()
        return [Job(self._client, job) for job in self._client.store.flows.jobs(self.id)]

    def wait(self, timeout: Span | None = None) -> bool:
        """Wait until nothing of it is to run any more, at most ``timeout`` (None: for ever). Whether that is so. ``get()`` does not wait
        for the others where one has failed."""
        end, _ = self._found()
        patience = checks.patience(timeout)
        deadline = None if patience is None else monotonic() + patience
        with contextlib.suppress(JobNotFound):  # pruned: it has ended
            if end is not None and not end.wait(patience):
                return False
        while not self._is_over():
            if deadline is not None and monotonic() >= deadline:
                return False
            _wait_a_little(end, deadline)
        return True

    def _is_over(self) -> bool:
        """As ``done``, of one that was there before."""
        try:
            return self.done()
        except JobNotFound:
            return True

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
        if not jobs:
            end.info()  # raises where it is pruned, and that it had members is forgotten
        with self._blamed(end):
            return [self._result_of(job) for job in jobs]

    def _result_of(self, job: int) -> Any:
        members = self._client.store.flows.members_of_group(job)
        if members is not None:  # a group that is a member of a batch
            return [self._result_of(member) for member in members]
        return Job[Any](self._client, job).get(timeout=0)

    def as_completed(self, timeout: Span | None = None) -> Iterator[Job[Any]]:
        """Its jobs as they end, however they end: what ended first comes first. Waits at most ``timeout`` for all of them, then raises
        ResultTimeout."""
        patience = checks.patience(timeout)
        deadline = None if patience is None else monotonic() + patience
        end, _ = self._found()
        seen: set[int] = set()
        while True:
            all_have_ended = self._is_over()  # asked first: what comes in meanwhile is looked for
            ended = [job for job in self._client.store.flows.ended(self.id) if job not in seen]
            seen.update(ended)
            yield from (Job(self._client, job) for job in ended)
            if all_have_ended:
                return
            if not ended:
                if deadline is not None and monotonic() >= deadline:
                    progress = self.progress()
                    raise ResultTimeout(f"of flow {self.id} {progress.total - progress.ended} of {progress.total} jobs have not ended after {patience:g} s")
                _wait_a_little(end, deadline)

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

    def _to_blame(self, end: Job[Any] | None = None) -> Job[Any] | None:
        """The step for whose sake its end was cancelled."""
        end = end or self._found()[0]
        cause = None if end is None else self._client.store.flows.cause(end.id)
        return None if cause is None else Job(self._client, cause)

    @contextlib.contextmanager
    def _blamed(self, end: Job[Any]) -> Iterator[None]:
        """Where the end was cancelled for another step's sake, what that came to is raised instead."""
        try:
            yield
        except JobFailed as error:
            error.step = end.info().task
            raise
        except JobCancelled:
            job = self._to_blame(end)
            if job is not None:
                try:
                    job.get(timeout=0)
                except JobFailed as error:
                    error.step = job.info().task
                    raise
            elif end.info().task == JOIN:  # of which nobody knows
                raise JobCancelled(f"flow {self.id} was cancelled") from None
            raise

    def __litequeue_ends__(self, path: str) -> list[int]:
        return same_file(self, self._client.store.flows.ends(self.id), path)

    def __reduce__(self) -> tuple[Any, ...]:
        return _flow_of, (self._client.path, self.id)

    def __copy__(self) -> Flow:
        return self

    def __deepcopy__(self, memo: object) -> Flow:
        return self  # as that of a job

    def __eq__(self, other: object) -> bool:
        return (self.id, self._client.path) == (other.id, other._client.path) if isinstance(other, Flow) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.id, self._client.path))

    def __repr__(self) -> str:
        return f"<Flow {self.id}>"


def _flow_of(path: str, flow: int) -> Flow:
    """A handle out of a pickle, as that of a job."""
    return Flow(client_of(path), flow)
