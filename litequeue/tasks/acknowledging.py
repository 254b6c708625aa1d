"""A running job's own transaction: the app's rows, the result and the job's end, together or not at all.

Owns when it begins, behind the fence, and that its end is the job's. The SQL of both is the store's, which is opened by whoever runs the job.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Generic, TypeVar

from ..base.checks import MICROS
from ..base.clock import SystemClock
from ..base.errors import InvalidArgument
from ..base.outcomes import Succeeded
from ..base.statements import Ending, Statements, ended
from .durable import Durable

S = TypeVar("S", bound=Statements)


class JobTransaction(Generic[S]):
    """``with current_job().transaction() as db:``"""

    def __init__(self, context: Durable, face: type[S]) -> None:
        self._context = context
        self._face = face
        self._ack = issubclass(face, Ending)
        self._open: Any = None
        self._statements: S | None = None

    def __enter__(self) -> S:
        context = self._context
        if context._acknowledged is not None:
            raise InvalidArgument(f"job {context._job.id} has ended with a transaction of its own already: what is to go with that belongs into that block")
        store = context._store()
        if store.database.joined() is not None:
            raise InvalidArgument(
                f"the end of current_job().transaction() is the end of job {context._job.id}, so it cannot be inside of another transaction: make it the outer one"
            )
        acks = store.acks
        self._open = acks.transaction()
        connection = self._open.__enter__().connection
        try:
            acks.refuse_lost(connection, context._job.id, context._job.attempt)
        except BaseException as error:
            self._open.__exit__(type(error), error, None)
            raise
        self._statements = self._face(connection)
        return self._statements

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        context, statements = self._context, self._statements
        assert statements is not None
        connection: Any = statements._connection
        result = getattr(statements, "result", None)
        statements._end()
        outcome: tuple[Succeeded, float] | None = None
        try:
            if error is None and not self._open.is_parents and not connection.in_transaction:
                raise ended("")
            if error is None and self._ack and not self._open.is_parents:
                assert context._codec is not None
                text = context._codec.encode_result(result, "the result")
                now = SystemClock().now()
                # As ``worker/settling`` works it out of what the pool hands on: the worker's own row is to say the same.
                seconds = max(now - context.started_at, 0) / MICROS
                outcome = Succeeded(text), seconds
                context._store().acks.acknowledge(
                    connection, context._job.id, context._job.attempt, result=text, started_at=context.started_at,
                    finished_at=context.started_at + int(seconds * MICROS), prune_at=now + context._keep_succeeded,
                )  # fmt: skip
        except BaseException as failed:
            self._open.__exit__(type(failed), failed, None)
            raise
        self._open.__exit__(kind, error, traceback)
        if outcome is not None:
            context._acknowledged = outcome
