"""Batches: jobs that are enqueued in a block, one by one, and what is called once all of them have ended.

Owns the block: what is enqueued in it, in its thread or coroutine, is a member; at its end nobody joins any more. The rest of the handle is a
workflow's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import Any, Final, Self

from ..base import checks
from ..base.errors import InvalidArgument, InvalidType, WouldDeadlock
from ..base.models import JobColumns, Lease, Membership, NewJob
from ..client import Client, joining
from ..options import EnqueueOptions, checked
from ..store.batches import Child
from ..store.links.telling import JOIN
from ..tasks.context import running_job
from ..unique import without_key
from .flow import Flow
from .shapes import Signature

# By option: how a job waits that is called then.
RUNS_WHEN: Final = {"on_success": "success", "on_failure": "failed", "on_end": "ended"}


class Batch(Flow):
    """``with app.batch(on_success=publish.s()) as batch: ...``, and ``app.batch(id)``. Its ``state`` is ``blocked`` until all members have ended,
    ``cancelled`` as soon as one did not succeed, ``succeeded`` once all did."""

    __slots__ = ("_adds", "_begin", "_token")

    def __init__(self, client: Client, flow: int | None, begin: Callable[[], int] | None = None) -> None:
        """One that there is already, and who leaves its block does not close it; or one that its block is to ``begin``."""
        self._client = client
        if flow is not None:
            self.id = flow
        self._adds = begin is None
        self._begin = begin
        self._token: Token[tuple[str, Membership] | None] | None = None

    def get(self, timeout: Any = None) -> Any:
        if self._token is not None:
            raise WouldDeadlock(f"batch {self.id} ends after its block, and get() inside of that would wait for ever")
        return super().get(timeout)

    def __getattr__(self, name: str) -> Any:
        if name == "id":
            raise InvalidArgument("a batch begins with its block, and has no id before: with app.batch(...) as batch: ...")
        raise AttributeError(f"a batch has no {name}", name=name, obj=self)

    def __enter__(self) -> Self:
        if self._token is not None:
            raise InvalidArgument(f"the block of batch {self.id} is entered already")
        if self._begin is not None:
            self.id, self._begin = self._begin(), None
        context = running_job()
        mine = context is not None and context._database == self._client.path
        by = Lease(context.id, context._job.attempt) if context is not None and mine else None
        self._token = joining.set((self._client.path, Membership(self.id, by)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._token is not None
        joining.reset(self._token)
        self._token = None
        if self._adds:
            return
        if error is None:
            self.close()
        else:  # it is not whole: none of what was to follow is right
            self._client.store.batches.abandon(self.id, self._client.clock.now())
            self.cancel()

    def close(self) -> None:
        """Let nobody join any more but what its running members add: as the end of the block does, for a batch whose program did not come
        to that. Nothing for one that is closed. Raises JobNotFound."""
        self._client.ring(self._client.store.batches.seal(self.id, self._client.clock.now()))

    def __repr__(self) -> str:
        return "<Batch that has not begun>" if self._begin is not None else f"<Batch {self.id}>"


def open_batch(client: Client, flow: int | None, callbacks: dict[str, Any]) -> Batch:
    """A new one; or the handle of one that there is."""
    for option in callbacks:
        if option not in RUNS_WHEN:
            raise InvalidType(f"a batch has no option {option!r}; it has {', '.join(RUNS_WHEN)}")
    if flow is None:
        return Batch(client, None, _prepared(client, callbacks))
    if callbacks:
        raise InvalidArgument("what is called at the end of a batch is said where it begins")
    return Batch(client, checks.integer(flow, "batch_id", 1, 2**63 - 1))


def _prepared(client: Client, options: dict[str, Any]) -> Callable[[], int]:
    """What stores it, and comes to its id. Raises InvalidArgument or InvalidType for what cannot be called at its end."""
    now = client.clock.now()
    children = [Child(NewJob(JOIN, "[]", "{}", "blocked", now, now, None, JobColumns(max_attempts=1)), "success", False)]
    codes = []
    for option, runs_when in RUNS_WHEN.items():
        given = options.get(option)
        if given is None:
            continue
        signature = _signature(given, option)
        takes = not signature.immutable
        code = signature._code
        code.check_call((0, *signature.args) if takes else signature.args, signature.kwargs)
        said = without_key(code.template, signature.options, "what is called at the end of a batch")
        if client.callbacks_of(said, None):
            raise InvalidArgument(f"what is called at the end of a batch has no callbacks of its own: {option}={signature!r:.100}")
        texts = code.codec.encode_call(signature.task, signature.args, signature.kwargs)
        # From when it may run: nobody knows how long the members take.
        limits = checked(EnqueueOptions, {name: said.pop(name) for name in ("countdown", "expires") if said.get(name) is not None}, "a callback")
        delay, expires = limits.get("countdown"), limits.get("expires", code.template.expires)
        job = client.new_job(code.template, texts, said)._replace(expires_at=None)
        if not isinstance(expires, (int, type(None))):  # a fixed time
            job, expires = client.new_job(code.template, texts, {**said, "expires": expires}), None
        children.append(Child(job, runs_when, takes, delay, expires))
        codes.append(code)
    origins = [origin for origin in map(client.origin_of, codes) if origin is not None]

    def begin() -> int:
        flow = client.store.batches.begin(children, origins, client.clock.now())
        client.recorded(origin.task for origin in origins)
        return flow

    return begin


def _signature(given: Any, option: str) -> Signature:
    checked(EnqueueOptions, {"on_success": given}, "a batch")
    found = given if isinstance(given, Signature) else given.s() if hasattr(given, "s") else None
    if not isinstance(found, Signature):
        raise InvalidArgument(f"{option} of a batch must be a task, or a signature (task.s(...)), not {given!r:.100}")
    return found
