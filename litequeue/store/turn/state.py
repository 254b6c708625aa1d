"""What the steps of a turn share: what the worker brings, and what each step leaves for those after it.

Owns the values, and no SQL. What is encoded is encoded here, before the transaction begins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...base.bell import Address
from ...base.history import Counted
from ...base.models import (
    Adoption,
    ClaimedJob,
    Lease,
    Printed,
    Replacement,
    Said,
    Settled,
    Suspension,
    Unsettled,
    Used,
)
from ..rules import KEEP_DISCARDED, MAX_INTERRUPTIONS


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

    waiting: tuple[Waiting, ...]  # of the first queues that have available jobs
    rest: bytes | None  # where to begin among their names to see more; None: that was the last of them
    next_due: int | None  # microseconds
    next_expiry: int | None
    cancelled: tuple[int, ...]  # ids of this worker's running jobs that somebody cancelled
    sweep: bool  # waiting jobs with a cancel request
    listening: int | None = None  # what this worker's row says (``bells``); None: it has none
    untold: bool = False  # something has ended for which others wait
    unfilled: bool = False  # limited jobs have given up slots, or have come into line
    limited: bool = False  # limited jobs have slots: some of the available ones may be such
    asks_at: int | None = None  # when a key is to be looked at whose rate holds it back
    asked_at: int | None = None  # when the last such time was said

    def due(self) -> list[int]:
        """When there will be something to do, by the clock alone."""
        return [at for at in (self.next_due, self.next_expiry, self.asks_at) if at is not None]

    def has_more(self, now: int) -> bool:
        """Whether a step has left something for the next turn."""
        return self.untold or self.unfilled or self.asks(now)

    def asks(self, now: int) -> bool:
        """Whether a key's time has come, or the clock was set back since it was said."""
        return self.asks_at is not None and self.asks_at <= now or self.asked_at is not None and self.asked_at > now


class Demand(NamedTuple):
    """What a worker can take: how many jobs for each pool, and from where."""

    limits: dict[str, int]
    room: int | None = None  # for all pools together
    queues: tuple[str, ...] | None = None  # None: all
    begin: bytes = b""  # where among their names to begin
    unknown: str | None = None  # JSON array of tasks without code here
    free: dict[str, int] | None = None  # slots of each pool that nothing is held for; None: as many as the limits say
    below: int = MAX_INTERRUPTIONS  # only jobs with fewer interruptions
    accept: Callable[[ClaimedJob], bool] = lambda _: True  # asked before a job is leased; quick and pure

    @property
    def most(self) -> int:
        """How many in all."""
        limits = sum(self.limits.values())
        return limits if self.room is None else min(limits, self.room)


NOTHING = Look((), None, None, None, (), False)


class Turn:
    """One turn: what the worker brings, and what comes of it. (A dataclass would cost every program 2 ms to import.)"""

    __slots__ = (
        "acknowledged", "adopted_rows", "adoptions", "claimed", "closed", "counted", "demand", "ended_themselves", "freed", "keep_discarded", "lease_until", "look", "lost", "moved", "now", "others",
        "passes_on", "printed", "printed_rows", "refused", "replaced", "running", "said", "succeeded", "suspended", "suspended_rows", "to_tell", "unsettled_rows", "used", "waiting", "worker",
    )  # fmt: skip

    def __init__(
        self,
        worker: int,
        now: int,
        lease_until: int,
        *,
        succeeded: Sequence[Settled] = (),
        others: Sequence[Unsettled] = (),
        suspended: Sequence[Suspension] = (),
        replaced: Sequence[Replacement] = (),
        adoptions: Sequence[Adoption] = (),
        printed: Sequence[Printed] = (),
        said: Mapping[int, Said] = {},
        used: Sequence[Used] = (),
        counted: Sequence[Counted] = (),
        demand: Demand | None = None,
        running: int | None = None,
        passes_on: bool = True,
        keep_discarded: int = KEEP_DISCARDED,
    ) -> None:
        """``demand`` None: the worker has no room. ``running``: what it holds already; None: it is
        the only one. ``passes_on``: others are to be told of what it leaves. ``keep_discarded``: microseconds, of what the turn itself discards."""
        self.worker = worker
        self.now = now
        self.lease_until = lease_until
        self.succeeded = succeeded
        self.others = others
        self.suspended = suspended
        self.replaced = replaced
        self.adoptions = adoptions
        self.printed = printed
        self.said = said
        self.used = used
        self.counted = counted
        self.demand = demand
        self.running = running
        self.passes_on = passes_on
        self.keep_discarded = keep_discarded
        self.unsettled_rows = _encoded(others)
        self.suspended_rows = _encoded(suspended)
        self.adopted_rows = _encoded(adoptions)
        self.printed_rows = _encoded(printed)
        # What the steps find.
        self.lost: set[Lease] = set()  # settled by us, but no longer ours: the results were dropped
        self.acknowledged: set[Lease] = set()  # successes that the jobs had written, and counted, in transactions of their own
        self.ended_themselves: set[Lease] = set()  # in a transaction of their own, which counts, whatever they came to then
        self.look = NOTHING
        self.waiting: tuple[Waiting, ...] = ()  # the queues of the look, and after a promotion those of now
        self.freed: list[int] = []  # what had waited for others, or was made, and may run now, for whichever worker
        self.moved = False  # jobs that waited were let go: a limited one has come into line
        self.closed = False  # a step had more to do than it may in one turn: nothing is claimed before it is done
        self.claimed: list[ClaimedJob] = []
        self.refused: list[ClaimedJob] = []  # not accepted, and left as they were
        self.to_tell: list[Address] = []  # once it is committed: there is more than this worker has room for


def _encoded(rows: Sequence[object]) -> str:
    """Mostly there are none, of which json makes "[]" in 2.9 us: four times in each turn."""
    return json.dumps(rows) if rows else "[]"
