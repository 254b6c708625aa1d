"""What the steps of a turn share: what the worker brings, and what each step leaves for those after it.

Owns the values, and no SQL. What is encoded is encoded here, before the transaction begins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...base.models import Adoption, ClaimedJob, Lease, Printed, Settled, Unsettled
from ..rules import MAX_INTERRUPTIONS


class Waiting(NamedTuple):
    """A queue that is not paused, and whether it has available jobs for each pool."""

    queue: str
    thread: int
    process: int
    async_: int

    def has(self, pool: str) -> int:
        return self.async_ if pool == "async" else self.process if pool == "process" else self.thread


class Look(NamedTuple):
    """What there is to do, as one cheap SELECT tells it."""

    waiting: tuple[Waiting, ...]
    next_due: int | None  # microseconds
    next_expiry: int | None
    cancelled: tuple[int, ...]  # ids of this worker's running jobs that somebody cancelled
    sweep: bool  # waiting jobs with a cancel request


class Demand(NamedTuple):
    """What a worker can take: how many jobs for each pool, and from where."""

    limits: dict[str, int]
    room: int | None = None  # for all pools together
    queues: tuple[str, ...] | None = None  # None: all
    unknown: str | None = None  # JSON array of tasks without code here
    below: int = MAX_INTERRUPTIONS  # only jobs with fewer interruptions
    accept: Callable[[ClaimedJob], bool] = lambda _: True  # asked before a job is leased; quick and pure


NOTHING = Look((), None, None, (), False)


@dataclass(slots=True)
class Turn:
    """One turn. The first fields are the worker's; the rest is what came of it."""

    worker: int
    now: int
    lease_until: int
    succeeded: Sequence[Settled] = ()
    others: Sequence[Unsettled] = ()
    adoptions: Sequence[Adoption] = ()
    printed: Sequence[Printed] = ()
    demand: Demand | None = None  # None: it has no room

    lost: set[Lease] = field(default_factory=set)  # settled by us, but no longer ours: the results were dropped
    look: Look = NOTHING
    waiting: tuple[Waiting, ...] = ()  # the queues of the look, and after a promotion those of now
    closed: bool = False  # a step had more to do than it may in one turn: nothing is claimed before it is done
    claimed: list[ClaimedJob] = field(default_factory=list)
    refused: list[ClaimedJob] = field(default_factory=list)  # not accepted, and left as they were

    unsettled_rows: str = field(init=False)
    adopted_rows: str = field(init=False)
    printed_rows: str = field(init=False)

    def __post_init__(self) -> None:
        self.unsettled_rows = json.dumps(self.others)
        self.adopted_rows = json.dumps(self.adoptions)
        self.printed_rows = json.dumps(self.printed)
