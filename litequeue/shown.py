"""What a job's handle shows of what the job itself has left: steps, output, progress, values.

Owns nothing but the following of one that runs. A part of ``Job``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Final

from .client import Client

if TYPE_CHECKING:
    from .base.records import JobProgress, OutputPiece, StepInfo

PAUSE: Final = 0.5  # seconds: as often as a job's progress is stored


class Shown:
    """A base of the handle."""

    __slots__ = ()

    _client: Client
    id: int

    def steps(self) -> list[StepInfo]:
        """What the job has done for good, or waits for, in the order of time."""
        return self._client.store.shown.steps(self.id)

    def output(self, *, after: OutputPiece | None = None) -> list[OutputPiece]:
        """What the job's attempts printed and logged so far, in order, as of the last half second; with ``after``, what came since that piece.
        ``piece.stream`` is ``"stdout"``, ``"stderr"``, or ``"log"``, in lines with time, level and logger; of a command there is ``"usage"``, JSON.

        Of each attempt's streams the first and the last 64 KiB are kept, as long as the job is. A number that is missing says that something
        before a piece was left out.
        """
        attempt, number = (0, 0) if after is None else (after.attempt, after.number)
        return self._client.store.shown.output(self.id, attempt, number)

    def progress(self) -> JobProgress | None:
        """How far the job says that it is (``current_job().progress()``), as of the last half second; None if it has said nothing."""
        return self._client.store.shown.progress(self.id)

    @property
    def meta(self) -> dict[str, Any]:
        """What the job shows of itself (``current_job().meta``), as of the last half second."""
        text = self._client.store.shown.meta(self.id)
        found = {} if text is None else self._client.codec.decode(text)
        return found if isinstance(found, dict) else {}

    def follow(self) -> Following:
        """``for progress in job.follow():``, or ``async for``: what the job says of how far it is, whenever that changes, until it has ended."""
        return Following(self)


class Following:
    """The progress of one job, as it comes."""

    def __init__(self, job: Any) -> None:
        self._job = job

    def __iter__(self) -> Iterator[JobProgress]:
        last, ended = None, False
        while not ended:
            ended = self._job.wait(PAUSE)
            found = self._job.progress()
            if found is not None and found != last:
                yield found
            last = found

    async def __aiter__(self) -> AsyncIterator[JobProgress]:
        import asyncio

        last, end = None, asyncio.ensure_future(self._job._final_async())
        try:
            while True:
                ended, _ = await asyncio.wait({end}, timeout=PAUSE)
                found = self._job.progress()
                if found is not None and found != last:
                    yield found
                last = found
                if ended:
                    end.result()  # or why it cannot be told
                    return
        finally:
            end.cancel()
