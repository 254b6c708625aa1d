"""What an app has of workflows: their handles, batches, shapes out of a text, and events.

Owns nothing: a part of ``LiteQueue`` that its programs pay for when they use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base import checks
from ..client import Client
from ..tasks import TaskCode

if TYPE_CHECKING:
    from ..options.kinds import Span
    from .batch import Batch
    from .flow import Flow
    from .shapes import Shape


class Workflows:
    """A base of the app."""

    _client: Client
    _tasks: dict[str, TaskCode]

    def flow(self, flow_id: int | str) -> Flow:
        """The handle of a workflow by its id, as ``job`` of a job; also as text, with ``flow:`` before it or without."""
        from .flow import Flow

        return Flow(self._client, checks.identity(flow_id.removeprefix("flow:") if isinstance(flow_id, str) else flow_id, "flow_id"))

    def batch(self, batch_id: int | None = None, **callbacks: Any) -> Batch:
        """``with app.batch(on_success=publish.s(), on_failure=alarm.s(), on_end=tidy.s()) as batch:``: what is enqueued in the block
        is its member. They are called with the batch's id: once all have succeeded, once all have ended and one did not succeed,
        once all have ended. An exception that leaves the block cancels all of it. ``app.batch(batch.id)`` is the handle of
        one; in its block a running member may add others, later, too. Else BatchClosed is raised."""
        from .batch import open_batch

        return open_batch(self._client, batch_id, callbacks)

    def signature(self, text: str) -> Shape:
        """A workflow that ``to_json`` made a text of, with the tasks of this app. Raises InvalidArgument for another text, UnknownTask
        for a task that this app has not."""
        from .shapes import from_json

        return from_json(text, self._client, self._tasks)

    def emit(self, event: str, payload: Any = None, *, keep: Span = "30d", replace: bool = False) -> bool:
        """Say that something has happened: jobs that ``wait_for`` it go on, now and for as long as it is kept. The first payload of a name
        counts: whether this was it; or it is to ``replace`` that, for jobs that come to wait from now on. Raises PayloadError for one that
        cannot be stored."""
        return self._client.emit(event, payload, keep, replace=replace)
