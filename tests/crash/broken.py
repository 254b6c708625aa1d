"""Variants of litequeue that each lack one thing which the design insists on; to show that the tests would notice.

``python -m tests.crash.broken VARIANT worker DB ...`` is the command line with that thing taken out, in the worker's
process alone; ``apply`` does the same here, with a setter that can be undone (``monkeypatch.setattr``). The
package itself is never edited. A patch that no longer finds what it takes out fails loudly.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from litequeue.base.models import TaskOrigin
from litequeue.base.outcomes import Died, Timed
from litequeue.cli import main
from litequeue.pools import child, processes, slot
from litequeue.pools.base import Call, Reason
from litequeue.pools.spawning import Context
from litequeue.store.file import connections
from litequeue.store.turn import settle
from litequeue.worker import planning
from litequeue.worker.services import maintenance

Setter = Callable[[Any, str, Any], None]


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text, f"the product has changed, and this variant breaks nothing: {old!r}"
    return text.replace(old, new)


def ack_without_fence(put: Setter) -> None:
    """Whoever settles a job is believed, whether or not it is still theirs."""
    fence = " AND litequeue_jobs.attempt = v.attempt AND litequeue_jobs.state = 'running'"
    sizes = {size: _replaced(sql, fence, "") for size, sql in settle.SETTLE_SUCCEEDED.items()}
    put(settle, "SETTLE_SUCCEEDED", sizes)
    for name in ("RECORD_ATTEMPTS", "SETTLE_OTHER", "HELD"):
        put(settle, name, _replaced(getattr(settle, name), fence, ""))


def one_look(put: Setter) -> None:
    """A lease that looks lapsed once is taken."""
    def rescue_lapsed(self: maintenance.Maintenance, now: float) -> None:
        wall = self._clock.now()
        self._lapsed = self._store.leases.lapsed_workers(self._worker, wall), wall
        original(self, now)

    original = maintenance.Maintenance._rescue_lapsed
    put(maintenance.Maintenance, "_rescue_lapsed", rescue_lapsed)


def deferred_begin(put: Setter) -> None:
    """A transaction takes the write lock at its first write, not at its begin."""
    class Connection(connections.Connection):
        def execute(self, sql: str, *parameters: Any) -> Any:
            return super().execute("BEGIN" if sql == "BEGIN IMMEDIATE" else sql, *parameters)

    class Module:
        """sqlite3, but for the class of its connections."""

        def __getattr__(self, name: str) -> Any:
            return getattr(sqlite3, name)

        @staticmethod
        def connect(*args: Any, **options: Any) -> Any:
            return sqlite3.connect(*args, **{**options, "factory": Connection})

    sqlite3 = connections.sqlite3
    put(connections, "sqlite3", Module())


def shared_pool(put: Setter) -> None:
    """One executor for all slots of the process pool."""
    put(processes, "ProcessPool", SharedPool)


def load_and_run(origin: TaskOrigin, database: str, wires: str) -> list[child.Note]:
    child.load_codes([(origin, False, None)], database)
    return child.run_inline(wires)


class SharedPool(processes.ProcessPool):
    """The stock way: as many processes as slots, in one ``ProcessPoolExecutor``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._executor = ProcessPoolExecutor(self.slots, Context(), child.start, (None, os.getpid(), None, (), None))
        self._ended: deque[tuple[Call, Future[Any]]] = deque()

    def submit(self, calls: Sequence[Call]) -> None:
        for call in calls:
            try:
                future = self._executor.submit(load_and_run, call.code.origin, call.database, json.dumps([child.wire(call)]))
            except RuntimeError:  # broken
                self._executor = ProcessPoolExecutor(self.slots, Context(), child.start, (None, os.getpid(), None, (), None))
                return self.submit(calls[calls.index(call) :])
            self._executor.submit(child.ready)  # its result makes the executor look at all its processes anew
            future.add_done_callback(lambda future, call=call: self._done(call, future))  # type: ignore[misc]

    def _done(self, call: Call, future: Future[Any]) -> None:
        self._ended.append((call, future))
        self._events.stirred()

    def tend(self) -> None:
        while self._ended:
            call, future = self._ended.popleft()
            if (error := future.exception()) is not None:
                self._events.ended(call, Timed(Died(str(error)), self._clock.now(), 0.0))
                continue
            ((kind, fields, started_at, seconds, *_),) = future.result()
            self._events.ended(call, Timed(slot.OUTCOMES[kind](*fields), started_at, seconds))

    def interrupt(self, call: Call, reason: Reason) -> None:
        pass

    def stop(self) -> None:
        for process in (self._executor._processes or {}).values():
            process.kill()
        self._executor.shutdown()


def prefetching_claim(put: Setter) -> None:
    """A worker claims what it can get, and keeps it."""
    put(planning.Plan, "limits", lambda self, pools, room: {kind: 1000 for kind, n in self._slots.items() if n})
    put(planning.Plan, "is_stalled", lambda self, kind, backlog: False)


VARIANTS: dict[str, Callable[[Setter], None]] = {
    patch.__name__: patch for patch in (ack_without_fence, one_look, deferred_begin, shared_pool, prefetching_claim)
}


def apply(variant: str, put: Setter = setattr) -> None:
    """Take out what the variant lacks; "" is the whole product."""
    if variant:
        VARIANTS[variant](put)


if __name__ == "__main__":
    apply(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
