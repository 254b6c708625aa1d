"""The handles of one ``delay_many``: a sequence of jobs that holds their ids.

Owns no more than their ids, and which of them are new where some had a key that was taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, overload

from .client import Client, client_of
from .job import Job, job_of, same_file

R_co = TypeVar("R_co", covariant=True)


class JobBatch(Sequence[Job[R_co]]):
    """The handles of one ``delay_many``, in order; made as they are asked for."""

    __slots__ = ("_born", "_client", "_is_new", "ids")
    __litequeue_instead__ = "pass the ids, list(batch.ids), and make handles of those with app.job(id)"

    def __init__(self, client: Client, ids: Sequence[int], is_new: Sequence[bool] | None = None) -> None:
        self._client = client
        self.ids = ids
        self._is_new = is_new  # None: all are
        new = next((job for place, job in enumerate(ids) if is_new is None or is_new[place]), None)
        self._born = None if new is None else client.born(new)  # as of a job

    def __len__(self) -> int:
        return len(self.ids)

    def __litequeue_ends__(self, path: str) -> list[int]:
        return same_file(self, list(self.ids), path)

    @overload
    def __getitem__(self, index: int) -> Job[R_co]: ...
    @overload
    def __getitem__(self, index: slice) -> JobBatch[R_co]: ...
    def __getitem__(self, index: int | slice) -> Job[R_co] | JobBatch[R_co]:
        if isinstance(index, slice):
            found = JobBatch[R_co](self._client, self.ids[index], None if self._is_new is None else self._is_new[index])
            found._born = self._born
            return found
        job = job_of(self._client, self.ids[index], self._is_new is None or self._is_new[index])
        if job.is_new and self._born is not None:
            job._born = self._born
        return job

    def __iter__(self) -> Iterator[Job[R_co]]:
        return (self[index] for index in range(len(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _batch_of, (self._client.path, self.ids, self._is_new)

    def __copy__(self) -> JobBatch[R_co]:
        return self

    def __deepcopy__(self, memo: object) -> JobBatch[R_co]:
        return self

    def __repr__(self) -> str:
        return f"<JobBatch of {len(self)}>"


def _batch_of(path: str, ids: Sequence[int], is_new: Sequence[bool] | None = None) -> JobBatch[Any]:
    return JobBatch(client_of(path), ids, is_new)
