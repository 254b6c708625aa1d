"""One slot of the process pool: an executor with one child, and the batch that the child works on.

Owns the parent's side of the exchange that ``child`` describes: handing over a batch, taking back what has
not begun, reading the notes of what has ended, killing, and telling how a child died.
"""

from __future__ import annotations

import concurrent.futures.process as executors
import contextlib
import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

from ..base import outcomes
from ..base.checks import MICROS
from ..base.clock import Clock, monotonic
from ..base.lockfolder import Locks
from ..base.outcomes import Timed, TimedOut
from ..tasks import TaskCode
from . import child, group, live, logs, whereabouts
from .base import Call, Events, Reason
from .call import said, storable
from .channel import open_channel
from .spawning import Context
from .watched import NOT, Watched

OUTCOMES: Final = {
    cls.__name__: cls
    for cls in (
        outcomes.Succeeded,
        outcomes.Failed,
        outcomes.Snoozed,
        outcomes.Suspended,
        outcomes.Replaced,
        outcomes.Discarded,
        outcomes.Cancelled,
        outcomes.Interrupted,
    )
}


class Slot:
    """One executor, its child, and the batch that it works on."""

    def __init__(
        self,
        moved: deque[tuple[Slot, Future[Any]]],
        events: Events,
        locks: Locks | None,
        imports: Sequence[tuple[str, str]],
        now: float,
        preloads: bool = False,
    ) -> None:
        """``preloads``: the imports belong to its start."""
        self.starting, self.preloads = True, preloads
        self.loading: dict[str, TaskCode] = {}  # of the batch, before any of it begins
        self.batch: list[Call] = []  # submitted, neither finished nor taken back
        self.jobs = 0
        self.since = now
        self.began_at = 0
        self.killed_for: Reason | None = None
        self._moved = moved
        self._events = events
        self._indices: dict[int, Call] = {}
        self._wires = b""
        self._loaded: dict[str, TaskCode] = {}
        self._read = 0  # how far the notes were
        self.heard_at = now
        self._channel, self._token_writer, self._stop_writer, self._live_reader = open_channel()
        self._live = live.Reader(self._live_reader)
        context = Context()
        self._executor = executors.ProcessPoolExecutor(
            1, mp_context=context, initializer=child.start, initargs=(self._channel, os.getpid(), locks, imports, logs.chosen)
        )
        self._watch(self._executor.submit(child.preload if preloads else child.ready))
        self._process = context.process
        self.watched = Watched(lambda: None if self._process is None else self._process.pid)
        # concurrent.futures would join its thread, and so the running call, when the app exits.
        self._manager: threading.Thread | None = getattr(self._executor, "_executor_manager_thread", None)
        getattr(executors, "_threads_wakeups", {}).pop(self._manager, None)

    def _watch(self, future: Future[Any]) -> None:
        future.add_done_callback(self._done)

    def _done(self, future: Future[Any]) -> None:
        self._moved.append((self, future))
        self._events.stirred()

    def came_up(self, now: float) -> None:
        self.starting = False
        self.since = now

    @property
    def idle(self) -> bool:
        return not self.starting and not self.loading and not self._indices

    def run(self, batch: list[Call], clock: Clock) -> None:
        """Hand over a batch; raises if the child has died meanwhile."""
        self._wires = json.dumps([child.wire(call) for call in batch]).encode()
        self.batch = list(batch)
        self._indices = dict(enumerate(batch))
        self.jobs += len(batch)
        self.since = clock.monotonic()
        new = {call.job.task: call.code for call in batch if call.job.task not in self._loaded}
        if not new:
            self.begin(clock)
            return
        self.watched.loads(new)
        self.loading = new
        origins = [(code.origin, code.checked, code.found_by) for code in new.values() if code.origin is not None]
        self._watch(self._executor.submit(child.load_codes, origins, batch[0].database))

    def has_other_code(self, call: Call) -> bool:
        """Whether what its child has loaded for the task is not what is to run: the module was loaded anew in this process."""
        return self._loaded.get(call.job.task, call.code) is not call.code

    def fits(self, call: Call) -> int:
        """How well, as ``Watched.fits`` has it; one that does not is to go, and another to start."""
        return NOT if self.has_other_code(call) else self.watched.fits(call.code.bounds)

    def loaded(self, missing: dict[str, str]) -> list[tuple[Call, str]]:
        """The code is there, but for some tasks: their calls, which are taken back, and why."""
        self._loaded |= self.loading
        self.loading = {}
        for task in missing:
            self._loaded.pop(task, None)
        taken = [call for call in self.batch if call.job.task in missing]
        for call in taken:
            self.withdraw(call)
        return [(call, missing[call.job.task]) for call in taken]

    def withdraw(self, call: Call) -> None:
        """Of a batch that has not begun."""
        self.batch.remove(call)
        self._indices = {index: other for index, other in self._indices.items() if other is not call}

    def begin(self, clock: Clock) -> None:
        """Let the batch, or what is left of it, run; raises if the child has died meanwhile."""
        self.began_at = clock.now()
        self.watched.begins(self.batch[0])
        try:
            if self._channel is None:
                self._watch(self._executor.submit(child.run_inline, self._wires.decode()))
                return
            # Parent and child share the file's offset: rewinding it here rewinds the child's writes.
            os.ftruncate(self._channel.notes.fileno(), 0)
            os.lseek(self._channel.notes.fileno(), 0, os.SEEK_SET)
            self._read = 0
            os.pwrite(self._channel.calls.fileno(), self._wires, 0)
            tokens = b"".join(child.TOKEN.pack(i) for i in self._indices)
            os.write(self._token_writer, tokens)
            self._watch(self._executor.submit(child.run_batch, len(self._wires)))
        except BaseException:
            self.take_back()
            self._indices.clear()
            raise

    def take_back(self) -> list[Call]:
        """The calls that the child has not begun; from now on it cannot begin them."""
        taken = []
        if self.loading:
            taken, self.batch = self.batch, []
        while self._channel is not None:
            try:
                token = os.read(self._channel.tokens.fileno(), child.TOKEN.size)
            except BlockingIOError:
                break
            call = self._indices[child.TOKEN.unpack(token)[0]]
            self.batch.remove(call)
            taken.append(call)
        return taken

    def end_waits(self) -> None:
        """Let calls that wait for other jobs know that those do not run any more."""
        if self._channel is not None:
            os.write(self._stop_writer, b"!")

    def hear(self, now: float) -> None:
        """Hand on what calls say before they have ended."""
        self.heard_at = now
        self.watched.look()
        self._listen()

    def _listen(self) -> None:
        if self._channel is not None:
            for about, note in self._live.read():
                self._pass_on(about, note)

    def _pass_on(self, about: int, note: bytes) -> bool:
        """Whether that is all there is to do with it: it is what a call says while it runs, or nobody's."""
        call = self._indices.get(about & ~(child.SAID | child.PRINTED))
        if call is None or not about & (child.SAID | child.PRINTED):
            return call is None
        if about & child.SAID:
            return self._events.said(call.job, *json.loads(note))
        return self._events.printed(call.job, *json.loads(note))

    def finished(self, inline: Sequence[tuple[int, bytes]] | None) -> list[tuple[Call, Timed]]:
        """Calls that have ended since the last look, in the order in which they ended; what they said first is handed on before."""
        found = []
        self._listen()
        self._live.start_anew()
        if inline is None:
            inline, self._read = self._notes(self._read)
        for index, note in inline:
            if self._pass_on(index, note):
                continue
            call = self._indices[index]
            if call not in self.batch:
                continue  # said twice: the task had forked, and both sides returned
            kind, fields, started_at, seconds, *used = json.loads(note)
            self.batch.remove(call)
            found.append((call, Timed(OUTCOMES[kind](*fields), started_at, seconds, outcomes.Usage(*used) if used else None)))
        return found

    def has_noted(self, call: Call) -> bool:
        return any(self._indices.get(index) == call for index, _ in self._notes(self._read)[0])

    def _notes(self, start: int) -> tuple[list[tuple[int, bytes]], int]:
        """Those from there on, and where they end."""
        if self._channel is None:
            return [], start
        fd = self._channel.notes.fileno()
        data = os.pread(fd, os.fstat(fd).st_size - start, start)
        notes, length = live.split(data)
        return notes, start + length

    def rest(self, now: float) -> None:
        self._indices.clear()
        self.batch.clear()
        self.since = now

    def kill(self, reason: Reason) -> None:
        """Its child; of one whose time is up a moment later, when it has said where it was."""
        is_first = self.killed_for is None
        if is_first:
            self.killed_for = reason
        self.watched.look()
        pid = None if self._process is None else self._process.pid
        if reason is Reason.TIMEOUT and is_first and self._channel is not None and pid is not None and whereabouts.SIGNAL is not None and not self._is_gone():
            whereabouts.ask(pid, self._channel.stack.fileno(), self._kill, self._is_gone)
        else:
            self._kill()

    def _is_gone(self) -> bool:
        return self._process is None or self._process.exitcode is not None

    def timed_out(self, call: Call) -> TimedOut:
        """What a call has come to whose time was up, with where it was, if its child has said that."""
        outcome = TimedOut((call.timeout or 0) / MICROS)
        if self._channel is None:
            return outcome
        text = whereabouts.as_traceback(whereabouts.read(self._channel.stack.fileno()), said(outcome))
        return outcome._replace(traceback=storable(call.without_secrets(text)))

    def _kill(self) -> None:
        """The child, and what it has started; one that has ended is its guard's."""
        if self._process is not None and self._process.exitcode is None:
            if self._process.pid is not None:
                group.kill(self._process.pid)
            with contextlib.suppress(Exception):
                self._process.kill()

    def how_it_died(self) -> str:
        """The exit of the child in words; it may take a moment until the system tells."""
        deadline = monotonic() + 1.0
        code = None
        while self._process is not None and monotonic() < deadline:
            # The executor's own thread reaps the child, and then this tells.
            code = self._process.exitcode
            if code is not None:
                break
            time.sleep(0.001)
        if code is None:
            return "its process is gone"
        if code >= 0:
            return f"exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return name + (" (killed; by the kernel if memory ran out)" if name == "SIGKILL" else "")

    def retire(self) -> None:
        """Let an idle child end by itself."""
        self._executor.shutdown(wait=False)
        self._close_channel()

    def close(self, until: float = 0.0) -> None:
        """Wait until then (monotonic) for a child that retires; and end it, whatever it does."""
        while self._process is not None and self._process.exitcode is None and monotonic() < until:
            time.sleep(0.002)
        self._kill()
        self._executor.shutdown(wait=True)
        # One that has retired does not wait any more. A worker took the thread for a task's and left without an exit's
        # tidying, of which multiprocessing said on stderr that semaphores leaked.
        if self._manager is not None:
            self._manager.join()
            self._manager = None  # it has semaphores, of which an end by a signal would be told that they leak
        self._close_channel()

    def _close_channel(self) -> None:
        if self._channel is not None:
            for connection in self._channel:
                connection.close()
            self._channel = None
            os.close(self._token_writer)
            os.close(self._stop_writer)
            os.close(self._live_reader)
