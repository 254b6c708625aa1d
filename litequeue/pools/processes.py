"""Calls in processes of their own, where they can be killed and where they have a GIL each.

Owns the slots. Each is a ``ProcessPoolExecutor(max_workers=1)``: a crash names its culprit, a hard timeout
kills that one child, and no neighbour sees a BrokenProcessPool (one shared pool fails every future at
the first death). Children are spawned, never forked: the worker has threads. A slot starts on demand,
retires when idle, and is renewed after so many jobs.

Short calls travel in batches, because one at a time two slots manage 2,800 to 3,800 calls a second
(75,000 in batches of 32). How many is judged from the task's own measured time; a call that turns out
long holds up no other, since the parent can take back whatever has not started (see ``child``). Before a child's first call
of a task it loads the task's code; until then nothing has begun, and what it cannot load is given back and told.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Container, Sequence
from concurrent.futures import Future
from typing import Any, Final

from ..base import mainguard
from ..base.clock import Clock, monotonic
from ..base.lockfolder import Locks
from ..base.log import Log
from ..base.outcomes import Died, NotStarted, Timed
from ..tasks.modules import IMPORT_SECONDS, takes_too_long
from .base import Call, Events, Reason
from .slot import Slot
from .spawning import look_nowhere_but_there
from .watched import NOT, Judge

log = Log("litequeue.worker")

# What a batch may take in all, by the measured time of its tasks.
BATCH_SECONDS: Final = 0.05
MAX_BATCH: Final = 64
FRUITLESS_DEATHS: Final = 3
NOTES: Final = sys.platform != "win32"  # whether a child can note what has ended, see ``slot``
HEAR_PAUSE: Final = 0.2  # seconds between two looks at what running calls say
IDLE_SECONDS: Final = 300.0
WARM_PAUSE: Final = 10.0  # seconds without a new child that nobody asks for, once one has not come up
JOBS_PER_CHILD: Final = 10_000
EXIT_SECONDS: Final = 1.5  # for children that retire as the pool stops: with 18 runnable on two processors one second was too short for an exit


class ProcessPool:
    """The pool of kind "process"."""

    kind = "process"

    def __init__(
        self, slots: int, events: Events, clock: Clock, *, jobs_per_child: int = JOBS_PER_CHILD, idle_seconds: float = IDLE_SECONDS,
        locks: Locks | None = None, imports: Sequence[tuple[str, str]] = (), import_seconds: float = IMPORT_SECONDS, warm: int = 0,
    ) -> None:  # fmt: skip
        """``locks``: how the path of each child's lock begins, by which others see that it runs; None: nobody looks. ``imports``: modules, each with
        its directory, that every child imports before its first task. ``warm``: so many children there are always, and have imported those."""
        self.size = slots
        self._events = events
        self._clock = clock
        self._jobs_per_child, self._idle_seconds = jobs_per_child, idle_seconds
        look_nowhere_but_there()
        self._todo: deque[Call] = deque()
        self._slots: list[Slot] = []
        self._moved: deque[tuple[Slot, Future[Any]]] = deque()
        self._seconds: dict[str, float] = {}  # task -> moving average
        self._fruitless, self._start_after = 0, 0.0  # deaths in a row of children that had begun nothing
        self._locks, self._imports, self._import_seconds = locks, imports, import_seconds
        self._warm, self._warm_after = warm, 0.0

    @property
    def slots(self) -> int:
        return self.size

    def submit(self, calls: Sequence[Call]) -> None:
        self._todo.extend(calls)
        self._feed()

    def tend(self) -> None:
        while self._moved:
            slot, future = self._moved.popleft()
            self._on_moved(slot, future)
        self._feed()
        now = self._clock.monotonic()
        for slot in list(self._slots):
            if (slot.starting or slot.loading) and now - slot.since > self._import_seconds:
                self._give_back(slot.take_back(), slot.loading, takes_too_long(self._import_seconds))
                slot.kill(Reason.SHUTDOWN)
            if slot.batch and not slot.loading and now - slot.heard_at > HEAR_PAUSE:
                slot.hear(now)
            idle_too_long = slot.idle and now - slot.since > self._idle_seconds and len(self._slots) > self._warm
            if idle_too_long or (slot.idle and slot.jobs >= self._jobs_per_child):
                self._slots.remove(slot)
                slot.retire()
        if len(self._slots) < self._warm and now >= self._warm_after:
            self._started(now, preloads=True)

    def backlog(self) -> int:
        # A call that a starting child will take is not waiting for anybody.
        starting = sum(1 for slot in self._slots if slot.starting)
        return max(len(self._todo) - starting, 0) + sum(max(len(slot.batch) - 1, 0) for slot in self._slots)

    def take_back(self, most: int | None = None) -> list[Call]:
        taken: list[Call] = []
        while self._todo and (most is None or len(taken) < most):
            taken.append(self._todo.pop())
        for slot in self._slots:
            if most is None or len(taken) < most:
                taken += slot.take_back()
        return taken

    def withdraw(self, call: Call) -> bool:
        slot = next((slot for slot in self._slots if call in slot.batch), None)
        if call in self._todo:
            self._todo.remove(call)
        elif slot is not None and slot.loading:
            slot.withdraw(call)
        elif slot is not None:
            # Those behind it too, which must not die with it; they wait for a slot again.
            self._todo.extendleft(other for other in reversed(slot.take_back()) if other is not call)
            if call in slot.batch:
                return False
        else:
            return False
        self._give_back([call])
        return True

    def interrupt(self, call: Call, reason: Reason) -> None:
        if reason is Reason.SOFT_TIMEOUT:
            return  # the child sees to its own
        if self.withdraw(call):
            return
        for slot in self._slots:
            if call in slot.batch and not slot.has_noted(call):
                slot.kill(reason)

    def weigh(self, judge: Judge) -> None:
        """Let those end that it names, once what they run now has ended, as those do that have run their share of jobs."""
        sizes = {slot: size for slot in self._slots if (size := slot.watched.size()) is not None}
        named = judge(list(sizes.values()))
        for slot, size in sizes.items():
            if size.pid in named:
                slot.jobs = max(slot.jobs, self._jobs_per_child)

    def end_waits(self) -> None:
        self._warm = 0
        for slot in self._slots:
            slot.end_waits()

    def stop(self) -> None:
        for slot in self._slots:
            if slot.idle:
                slot.retire()  # it runs what tasks have registered with atexit, and writes what they have buffered
            else:
                slot.kill(Reason.SHUTDOWN)
        until = monotonic() + EXIT_SECONDS
        for slot in self._slots:
            slot.close(until)
        self._slots.clear()

    # -- feeding ---------------------------------------------------------------------------------

    def _feed(self) -> None:
        if not self._todo:
            return
        starting = sum(1 for slot in self._slots if slot.starting)
        for slot in sorted(self._slots, key=lambda slot: slot.idle and slot.fits(self._todo[0])):
            if not self._todo:
                return
            if slot.idle and slot.fits(self._todo[0]) == NOT:
                if len(self._slots) >= self.size and starting < len(self._todo):  # else one is on its way, or can be started beside it
                    self._slots.remove(slot)
                    slot.retire()
            elif slot.idle and slot.jobs < self._jobs_per_child:
                batch = self._next_batch(slot)
                try:
                    slot.run(batch, self._clock)
                except Exception:  # noqa: BLE001 - the child died while it was idle
                    self._todo.extendleft(reversed(batch))
                    slot.batch.clear()
                    self._replace(slot)
                    return self._feed()
                if not slot.loading:
                    self._note_started(slot)
        while len(self._slots) < self.size and starting < len(self._todo):
            if not self._started(self._clock.monotonic()):
                return
            starting += 1

    def _started(self, now: float, preloads: bool = False) -> bool:
        """One more child; False where there can be none for a while."""
        if now < self._start_after:
            return False
        try:
            self._slots.append(Slot(self._moved, self._events, self._locks, self._imports, now, preloads))
        except OSError as error:  # no descriptors, no memory, no room for a temporary file
            log.error("a process for the pool could not be started: %s", error)
            self._start_after = now + 1.0
            return False
        return True

    def _note_started(self, slot: Slot) -> None:
        for call in slot.batch:
            if call.timeout is not None:
                self._events.started(call)

    def _give_back(self, calls: Sequence[Call], lacking: Container[str] = (), why: str | None = None) -> None:
        """They have not begun; of tasks that are ``lacking`` the code cannot be loaded."""
        for call in calls:
            told = f"in the pool's process: {why}" if call.job.task in lacking else None
            self._events.ended(call, Timed(NotStarted(told), 0, 0.0))

    def _next_batch(self, slot: Slot) -> list[Call]:
        """As many of the next calls as should take BATCH_SECONDS, leaving some to the other slots.

        A call with a time limit goes alone, so that its clock starts with it; so does one that may run
        only once, one with bounds, and one whose task was never timed.
        """
        batch = [self._todo.popleft()]
        if not NOTES:
            return batch  # nobody would know which of several had run when their process died
        room = BATCH_SECONDS - self._cost(batch[0])
        share = min(MAX_BATCH, -(-len(self._todo) // self.size))
        while self._todo and room > 0 and len(batch) <= share:
            cost = self._cost(self._todo[0])
            if cost > room or slot.has_other_code(self._todo[0]):
                break
            room -= cost
            batch.append(self._todo.popleft())
        return batch

    def _cost(self, call: Call) -> float:
        alone = call.timeout is not None or call.job.at_most_once or call.code.bounds is not None
        return BATCH_SECONDS if alone else self._seconds.get(call.job.task, BATCH_SECONDS)

    # -- what came of it -------------------------------------------------------------------------

    def _on_moved(self, slot: Slot, future: Future[Any]) -> None:
        if slot not in self._slots:
            return  # retired or stopped meanwhile
        error = future.exception()
        if slot.starting:
            if error is None:
                slot.came_up(self._clock.monotonic())
            else:
                self._replace(slot)
                self._warm_after = self._clock.monotonic() + WARM_PAUSE
                if slot.preloads:
                    return  # nobody asked for it; the next one is started for a call, and tells what is wrong
                if slot.killed_for is not None:
                    calls = self.take_back()
                    why = f"it has not started within {self._import_seconds:g} s{mainguard.hint()}"
                    self._give_back(calls, {call.job.task for call in calls}, why)
                elif self._todo:  # else every call would wait for a child that never comes up
                    died = Died(f"could not start: {slot.how_it_died()}{mainguard.hint()}")
                    self._events.ended(self._todo.popleft(), Timed(died, self._clock.now(), 0.0))
            return
        if slot.loading:
            self._on_loaded(slot, future)
        elif error is None:
            for call, timed in slot.finished(found if isinstance(found := future.result(), list) else None):
                self._report(call, timed)
                if call.code.bounds is not None:
                    slot.watched.ended(timed.outcome)
            slot.rest(self._clock.monotonic())
            if slot.killed_for is not None:  # at the last moment: its process is about to end
                self._replace(slot)
        else:
            self._bury(slot)

    def _on_loaded(self, slot: Slot, future: Future[Any]) -> None:
        if future.exception() is not None:
            why = f"importing its module ended that: {slot.how_it_died()}" if slot.killed_for is None else None
            self._give_back(slot.take_back(), slot.loading if why else (), why)
            self._replace(slot)
            return
        for call, why in slot.loaded(future.result()):
            self._give_back([call], (call.job.task,), why)
        batch = list(slot.batch)
        if not batch:
            slot.rest(self._clock.monotonic())
            return
        try:
            slot.begin(self._clock)
        except Exception:  # noqa: BLE001 - the child has died since
            self._give_back(batch)
            self._replace(slot)
        else:
            self._note_started(slot)

    def _report(self, call: Call, timed: Timed) -> None:
        self._fruitless = 0
        task = call.job.task
        average = self._seconds.get(task, timed.seconds)
        self._seconds[task] = average + 0.2 * (timed.seconds - average)
        self._events.ended(call, timed)

    def _bury(self, slot: Slot) -> None:
        """A child died: what it had finished counts, what it had not begun goes back."""
        not_started = slot.take_back()
        for call, timed in slot.finished(None):
            self._report(call, timed)
        blamed = slot.batch.pop(0) if slot.batch else None
        if blamed is None and not_started:
            # It died before it began any: while it was idle, perhaps. A child that never gets further
            # is somebody's fault all the same.
            self._fruitless += 1
            if self._fruitless >= FRUITLESS_DEATHS:
                blamed = not_started.pop(0)
        if blamed is not None:
            verdict = slot.watched.verdict(blamed, slot.killed_for, slot.timed_out, slot.how_it_died)
            self._events.ended(blamed, Timed(verdict, slot.began_at, 0.0, slot.watched.used(verdict)))
        self._give_back([*slot.batch, *not_started])
        slot.batch.clear()
        self._replace(slot)

    def _replace(self, slot: Slot) -> None:
        self._slots.remove(slot)
        slot.close()
