"""What runs inside a process of the process pool.

Owns the child's start-up hygiene and the running of a batch. Calls and outcomes cross as JSON in two
unlinked files, not in the executor's own messages: those stay so small that a kill cannot leave half
of one in a pipe, where the parent would wait for the rest for ever; and what a batch had finished when
its process crashed is not lost. The right to start a call is a *token* in a pipe: the kernel gives
each to exactly one reader, the child that starts the call or the parent that wants it run elsewhere.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import random
import signal
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..base.checks import MICROS
from ..base.clock import Clock, SystemClock
from ..base.errors import SoftTimeout, UnknownTask, WouldDeadlock
from ..base.forks import reset_in_children
from ..base.lockfolder import Locks
from ..base.models import ClaimedJob, TaskOrigin
from ..base.outcomes import Timed
from ..base.softguard import SoftGuard
from ..tasks import TaskCode
from ..tasks.context import JobContext
from ..tasks.finding import locate
from ..tasks.modules import load
from . import bounded, capturing, job_fields, live, logs, tie, usage, whereabouts
from .base import Call
from .call import as_it_ended, context_of, from_exception, run
from .channel import Channel

TOKEN = struct.Struct("=H")
WAKES = getattr(signal, "SIGURG", None)  # ignored unless it is handled, and used by few: Go's runtime took it for that

# (name of the outcome's class, its fields, started_at, seconds), and the fields of its Usage if it has one
Note = tuple[Any, ...]
# Beside the index: the call goes on, and
SAID = 1 << 15  # this is how far it says that it is,
PRINTED = 1 << 14  # this is what it prints: [number, stream, text].


_channel: Channel | None = None
_live: live.Writer | None = None
_pid = 0  # of this process; what a task forks off has another
_imports: list[tuple[str, str]] = []  # still to be imported
_codes: dict[str, TaskCode] = {}
_index = 0  # of the call that runs
_inline: list[tuple[int, bytes]] = []  # what is noted where there is no file for it
_clock = SystemClock()
_rng = random.Random()


def _leave_it_to_the_worker(number: int, frame: object) -> None:
    pass


def start(
    channel: Channel | None, parent: int, locks: Locks | None, imports: Sequence[tuple[str, str]], lines: logs.Lines | None
) -> None:
    """The initializer of the executor's process, a child of ``parent``; ``locks``: how the path of its lock begins;
    ``imports``: modules, with their directories, for before its first task; ``lines``: how the worker logs."""
    global _channel, _imports, _live, _pid
    _channel, _imports, _pid = channel, list(imports), os.getpid()
    _live = None if channel is None else live.Writer(channel.live.fileno())
    multiprocessing.set_start_method(None, force=True)  # ours is set, so a module that sets one would fail here
    # Ctrl-C goes to the whole process group, systemd's SIGTERM to the whole cgroup; when to stop is the
    # parent's to say, which uses SIGKILL. Handled and not ignored: what a task starts would inherit that.
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers += [] if WAKES is None else [WAKES]
    for number in numbers:
        signal.signal(number, _leave_it_to_the_worker)
    reset_in_children(numbers)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a line at a time, so that it is not lost when this process is killed
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    tie.hold(parent, locks)
    job_fields.put_on_records()
    if lines is not None:
        logs.write_to_stderr(lines)


def _wake() -> None:
    """Whatever waits in C in the main thread (``time.sleep``, a socket, a subprocess) is ended by what the handler raises, and
    there Python delivers what was set."""
    assert WAKES is not None
    signal.pthread_kill(threading.main_thread().ident or 0, WAKES)


def ready() -> None:
    """The first call: the child is up."""


def preload() -> None:
    """The first call of one that is to be warm. What cannot be imported is told where a call wants it."""
    with contextlib.suppress(UnknownTask):
        _import_given()


def _import_given() -> None:
    """Not in the initializer, where an error would be the death of the process."""
    while _imports:
        load(*_imports[0])
        del _imports[0]


def wire(call: Call) -> list[Any]:
    """A call as text."""
    return [call.job, call.max_attempts, call.timeout, call.soft_timeout, call.database, call.keeps, call.keep_succeeded]


def load_codes(origins: Sequence[tuple[TaskOrigin, bool, Callable[..., TaskCode] | None]], database: str) -> dict[str, str]:
    """Before their first call, which is not to begin while its module is still imported. Of each task that cannot be loaded,
    why. ``origins``, each with whether its module is to be checked, and with who finds it there, if it is no task of that."""
    missing = {}
    for origin, check, found_by in origins:
        try:
            _import_given()
            code = _codes[origin.task] = (found_by or locate)(origin, check=check)
            code.bind(database)
            if code.hooks.observers:
                from ..tasks import observers

                observers.stop_at_exit(code.hooks)
        except UnknownTask as error:
            missing[origin.task] = str(error)
    usage.of_call(usage.SHORTEST)  # what that took is no call's
    return missing


def run_inline(wires: str) -> list[tuple[int, bytes]]:
    """Run a batch where descriptors cannot be shared (Windows); the notes, by index."""
    global _index
    _inline.clear()
    usage.begin()
    for _index, fields in enumerate(json.loads(wires)):
        _inline.append((_index, json.dumps(_run(fields)).encode()))
        logs.flush_streams()
    return list(_inline)


def run_batch(size: int) -> int:
    """Run those of the batch's calls for which there is a token. How many."""
    assert _channel is not None
    tokens, notes = _channel.tokens.fileno(), _channel.notes.fileno()
    wires = json.loads(os.pread(_channel.calls.fileno(), size, 0))
    global _index
    count = 0
    usage.begin()
    while True:
        try:
            (index,) = TOKEN.unpack(os.read(tokens, TOKEN.size))
        except BlockingIOError:
            return count
        _index = index
        note = _run(wires[index])
        if os.getpid() != _pid:
            os._exit(0)  # the task forked: what its child makes of it is not for us to report
        logs.flush_streams()
        _write(notes, index, json.dumps(note).encode())
        count += 1


def _write(notes: int, about: int, body: bytes) -> None:
    os.write(notes, live.HEAD.pack(about, len(body)) + body)


def wait_rule(blocking: bool, bounded: bool) -> AbstractContextManager[None]:
    """A process cannot lend its slot; but with a timeout nothing hangs for ever."""
    if not bounded:
        raise WouldDeadlock(
            "a process task that waits for a job keeps its slot, and all slots may come to wait: give get() or "
            "wait() a timeout, or run the waiting task in a thread"
        )
    return contextlib.nullcontext()


class _Host:
    """Of one call, for as long as it runs: a thread that it has left may speak when another does."""

    is_prompt = True

    def __init__(self, index: int) -> None:
        self._index = index
        self.is_ending = False  # what is left is noted, and does not wait any more

    def said(self, job: ClaimedJob, said: str | None, meta: str | None) -> bool:
        return self._tell(SAID, (said, meta))

    def printed(self, job: ClaimedJob, number: int, stream: str, text: str) -> bool:
        return self._tell(PRINTED, (number, stream, text))

    def _tell(self, kind: int, what: tuple[Any, ...]) -> bool:
        if os.getpid() != _pid or self is not _host:
            return True  # a fork's child is no job of ours
        about, body = self._index | kind, json.dumps(what).encode()
        if _channel is None:
            _inline.append((about, body))
            return True
        with contextlib.suppress(OSError):  # of a task that closes what it did not open
            if not self.is_ending:
                assert _live is not None
                return _live.send(about, body)
            _write(_channel.notes.fileno(), about, body)
        return True

    def wait_rule(self, blocking: bool, bounded: bool) -> AbstractContextManager[None]:
        return wait_rule(blocking, bounded)

    def is_stopping(self) -> bool:
        return _channel is not None and _channel.stop.poll()


_host: _Host | None = None  # of the call that runs


def _run(fields: list[Any]) -> Note:
    global _host
    row, max_attempts, timeout, soft_timeout, database, keeps, keep_succeeded = fields
    if keeps:
        capturing.keep_output()
    job = ClaimedJob._make(row)
    call = Call(job, _codes[job.task], max_attempts, timeout, soft_timeout, database, keeps=keeps, keep_succeeded=keep_succeeded)
    context = context_of(call, _clock)
    context._host = _host = _Host(_index)
    if timeout is not None and _channel is not None:
        whereabouts.answer(_channel.stack.fileno())
    runs = run if call.code.bounds is None else _run_bounded
    timed = runs(call, context, _clock, _rng) if soft_timeout is None else _run_softly(runs, call, context, soft_timeout / MICROS)
    if call.code.bounds is not None:
        bounded.end()
    _host.is_ending = True
    timed = as_it_ended(context, timed)
    _host = None
    unread = b"" if _live is None else _live.leave()
    if unread and _channel is not None:
        os.write(_channel.notes.fileno(), unread)
    return _note(timed) + usage.of_call(timed.seconds)


def _run_bounded(call: Call, context: JobContext, clock: Clock, rng: random.Random) -> Timed:
    assert call.code.bounds is not None
    bounded.begin(call.code.bounds)
    return run(call, context, clock, rng)


def _run_softly(runs: Callable[..., Timed], call: Call, context: JobContext, seconds: float) -> Timed:
    """Run with SoftTimeout raised in this, the main, thread after so many seconds."""
    guard = SoftGuard(None if WAKES is None else _wake)
    begin = _clock.monotonic()
    timer = threading.Timer(seconds, guard.fire)
    timer.daemon = True
    timer.start()
    timed = guard.run(functools.partial(runs, call, context, _clock, _rng))
    timer.cancel()
    if timed is None:
        late = from_exception(SoftTimeout(), call, _rng)
        timed = Timed(late, context.started_at, _clock.monotonic() - begin)
    return timed


def _note(timed: Timed) -> Note:
    outcome = timed.outcome
    return type(outcome).__name__, list(outcome), timed.started_at, timed.seconds
