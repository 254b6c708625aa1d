"""The calls that this worker holds, and interrupting them: at a timeout, a cancel, a lost lease, a stop.

Owns why a call was interrupted, which decides what its end means. For the coordinator's thread alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..base.log import Log
from ..base.models import Lease
from ..pools.base import Call, Reason
from . import journal
from .inbox import Held, Started, Weigh, Withdraw
from .pooling import Pools
from .timeouts import Key, Limits

log = Log("litequeue.worker")


class Running:
    """Claimed and not ended."""

    def __init__(self, pools: Pools) -> None:
        self.calls: dict[Key, Call] = {}
        self._pools = pools
        self._why: dict[Key, Reason] = {}
        self._limits = Limits()

    def add(self, calls: Iterable[Call]) -> None:
        for call in calls:
            self.calls[call.job.id, call.job.attempt] = call

    def remove(self, call: Call) -> bool:
        """Whether it was still held."""
        return self.calls.pop((call.job.id, call.job.attempt), None) is not None

    def why_interrupted(self, call: Call) -> Reason | None:
        """Why it was, if it was; asked once, at its end."""
        return self._why.pop((call.job.id, call.job.attempt), None) if self._why else None

    def hear(self, message: Started | Held | Withdraw | Weigh) -> None:
        if isinstance(message, Started):
            self._limits.watch(message.call, message.at, self.calls)
        elif isinstance(message, Held):
            self._notice_losses(message)
        elif isinstance(message, Weigh):
            self._pools.weigh(message.judge)
        else:
            self._withdraw(message)

    # -- timeouts ------------------------------------------------------------------------------------

    def next_timeout(self) -> float:
        """Monotonic; infinity if there is none."""
        return self._limits.next()

    def enforce_timeouts(self, now: float) -> None:
        for call, reason in self._limits.due(now, self.calls):
            where = self._pools.get(call.job.pool).interrupt(call, reason)
            journal.limit(call, reason, where)

    # -- cancels, losses, stops ------------------------------------------------------------------------

    def cancel(self, job_ids: Collection[int]) -> None:
        for key, call in list(self.calls.items()):
            if key[0] in job_ids and key not in self._why:
                journal.cancelling(call)
                self._interrupt(key, call, Reason.CANCEL)

    def _withdraw(self, message: Withdraw) -> None:
        """Cancel those that have not begun, and nothing else."""
        taken = set()
        for key, call in list(self.calls.items()):
            if key[0] in message.jobs and key not in self._why and self._pools.get(call.job.pool).withdraw(call):
                self._why[key] = Reason.WITHDRAWN
                taken.add(key[0])
        message.reply.put(taken)

    def _notice_losses(self, held: Held) -> None:
        for key, call in list(self.calls.items()):
            if call.claimed_at < held.at and Lease(*key) not in held.leases:
                log.warning("job %d: its lease was lost; stopping it", key[0])
                self._interrupt(key, call, Reason.LOST)

    def interrupt_all(self, reason: Reason) -> None:
        for key, call in list(self.calls.items()):
            self._why.setdefault(key, reason)
            self._pools.get(call.job.pool).interrupt(call, reason)

    def _interrupt(self, key: Key, call: Call, reason: Reason) -> None:
        self._why[key] = reason
        self._pools.get(call.job.pool).interrupt(call, reason)
