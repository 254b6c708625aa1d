"""A job that a test pretends to be, so that a function which asks for its job can be called by itself.

Owns how true that is: the job is in the file and is claimed, so it stores steps, what it says of itself and its end; nobody runs it, and of its arguments nothing
is known.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ..base import checks
from ..base.clock import Clock
from ..base.outcomes import Succeeded, Timed
from ..client import Client
from ..job import Job
from ..options.jobs import MAX_PRIORITY
from ..pools.base import Call
from ..pools.call import as_it_ended, context_of, from_exception, type_name
from ..tasks import TaskCode
from ..tasks.context import JobContext, _current
from ..tasks.durable import Suspend
from .hand import Hand
from .pools import Here, HereAsync

__tracebackhide__ = True


def claimed(
    client: Client, hand: Hand, code: TaskCode, attempt: int, errors: Iterable[BaseException], scheduled_for: datetime | None
) -> Call:
    """Such a job, before it begins."""
    checks.integer(attempt, "attempt", 1, 2**31)
    tick = None if scheduled_for is None else checks.moment(scheduled_for, "scheduled_for")
    new = client.new_job(code.template, ("[]", "{}"), {"priority": MAX_PRIORITY})
    job, _ = client.store.jobs.enqueue(new, client.origin_of(code))
    call = hand.take(job, code.columns.pool)
    if call is None:
        raise AssertionError(f"job {job} of {code.name} cannot run now: {Job(client, job).why_waiting()}")
    before = [[number, type_name(error), str(error)] for number, error in enumerate(errors, 1)]
    # The lease is of the attempt, and so that stays; executions are counted without what was given back.
    changes: dict[str, Any] = {"releases": call.job.attempt - attempt, "failures": attempt - 1, "errors": before, "scheduled_for": tick}
    return call._replace(job=call.job._replace(**changes))


@contextmanager
def inside(pool: Here | HereAsync, call: Call, clock: Clock, *, cancelled: bool) -> Iterator[JobContext]:
    """``current_job()`` is this one, and with the block it ends. Raises AssertionError where the block would put it aside."""
    pool.todo.clear()
    context = context_of(call, clock)
    context._host = pool
    if cancelled:
        context._cancel()
    began, token = clock.monotonic(), _current.set(context)
    outcome = None
    try:
        yield context
    except BaseException as error:
        outcome = from_exception(error, call, random.Random(0))
        if isinstance(error, Suspend):
            raise AssertionError(  # noqa: TRY004
                f"{call.job.task} puts its job aside here, at {error.step!r}, and would begin anew later: queue.run(...), or queue.drain() and "
                "queue.advance(...), go through that"
            ) from None
        raise
    finally:
        _current.reset(token)
        timed = Timed(outcome or Succeeded("null"), context.started_at, clock.monotonic() - began)
        pool._events.ended(call, as_it_ended(context, timed))
