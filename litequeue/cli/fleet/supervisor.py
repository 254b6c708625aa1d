"""The process that keeps a fleet's workers: it starts, tells, kills and reaps them, and hears of them and of signals.

Owns the processes, the pipes and the signals. What is to be done is ``plan``'s to say, one event after another: all that comes wakes one
``select``, and what came is taken in before the time is, so a supervisor that was stopped itself for a while judges nobody by that. It opens no
database and imports no code of users', so neither can take it along.

A worker has a session of its own: a terminal's Ctrl-C reaches the supervisor alone. It holds the end of a pipe that ends with the supervisor (so it
leaves then), and by which it is told to leave, and another by which it says that it is up.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...base.clock import SystemClock, monotonic
from ...base.log import Log
from .. import exits, notify
from ..looking import Looking
from ..reaping import ended_children
from . import messages, plan, states
from .reload import Watch
from .states import Way

log = Log("litequeue.supervisor")

CANNOT_START: Final = exits.TRY_LATER  # no processes, no memory
_STOPS: Final = ("SIGTERM", "SIGINT", "SIGHUP")
_ASKS: Final = {"SIGUSR1": states.Roll(), "SIGTTIN": states.More(1), "SIGTTOU": states.More(-1)}
LOOK_SECONDS: Final = 5.0  # whether somebody is stopped
ALERT_SECONDS: Final = 30.0  # as workers look at what is watched


@dataclass(slots=True)
class Process:
    """A worker's, and our ends of its pipes."""

    serial: int
    pid: int
    held: int
    told: int
    began: int  # by the clock, before it was started
    said: messages.Reader = field(default_factory=messages.Reader)


@dataclass(slots=True)
class Chore:
    """What is done each so often beside all else; it gives the seconds until the next time."""

    do: Callable[[], float]
    at: float = 0.0


class Supervisor:
    """``run`` is its whole life, and gives the exit code."""

    def __init__(
        self, workers: int, rules: states.Rules, name: str, words: Callable[[str], Sequence[str]], manager: notify.Manager, looking: Looking,
        watch: Watch | None = None,
    ) -> None:  # fmt: skip
        """``words``: the command of the worker of a name; ``name``: how theirs begin; ``looking``: at the alerts of the file."""
        self._fleet = states.fleet(workers, rules)
        self._name = name
        self._words = words
        self._manager = manager
        self._looking = looking
        self._watch = watch
        self._processes: dict[int, Process] = {}  # by serial
        self._events: deque[states.Event] = deque()
        self._selector = selectors.DefaultSelector()
        self._numbers: dict[int, states.Event] = {}
        self._code: int | None = None
        self._status = ""
        self._chores = [Chore(self._look_who_is_stopped), Chore(self._look_at_alerts, monotonic() + ALERT_SECONDS)]
        if watch is not None:
            self._chores.append(Chore(self._look_at_files))
        if manager.interval is not None:
            self._chores.append(Chore(self._say_alive))

    def run(self) -> int:
        with self._signals() as wake:
            self._selector.register(wake, selectors.EVENT_READ, lambda: self._read_signals(wake))
            self._events.append(states.Tick())
            self._take_in()
            while self._code is None:
                now = monotonic()
                due = min([states.due(self._fleet), *(chore.at for chore in self._chores)])
                for key, _ in self._selector.select(max(due - now, 0.0)):
                    key.data()
                self._reap()
                self._events.append(states.Tick())
                self._take_in()
                for chore in self._chores:
                    if chore.at <= monotonic():
                        chore.at = monotonic() + chore.do()
                self._take_in()
        self._looking.leave(1.0)
        for process in list(self._processes.values()):  # what does not end although it was killed
            self._close(process)
        self._selector.close()
        return self._code

    # -- what comes ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """Handle them inside the block, through a pipe, whose end to read is yielded. One that is ignored (SIGHUP, under nohup) stays so."""
        for name in _STOPS:
            self._numbers[getattr(signal, name)] = states.Stop(int(getattr(signal, name)))
        self._numbers |= {getattr(signal, name): event for name, event in _ASKS.items()}
        self._numbers = {number: event for number, event in self._numbers.items() if signal.getsignal(number) is not signal.SIG_IGN}
        wake, writer = os.pipe()
        for end in (wake, writer):
            os.set_blocking(end, False)
        old = {number: signal.signal(number, lambda number, frame: None) for number in (*self._numbers, signal.SIGCHLD)}
        woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            yield wake
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in old.items():
                signal.signal(number, handler)
            os.close(wake)
            os.close(writer)

    def _read_signals(self, wake: int) -> None:
        self._events += [self._numbers[number] for number in os.read(wake, 4096) if number in self._numbers]

    def _read(self, process: Process) -> None:
        """What a worker has said."""
        for word, rest in process.said.take(process.told):
            if word == messages.UP:
                self._events.append(states.Up(process.serial, _number(rest)))
            elif word == messages.BIG:
                self._events.append(states.Asks(process.serial, _number(rest)))
            elif word == messages.FILE and self._watch is not None:
                self._watch.add(os.fsdecode(rest), process.began)
        if process.said.has_ended:
            with contextlib.suppress(KeyError):
                self._selector.unregister(process.told)

    def _reap(self) -> None:
        for pid, code in ended_children():
            process = next((process for process in self._processes.values() if process.pid == pid), None)
            if process is not None:
                self._read(process)  # what it said before
                self._close(process)
                self._events.append(states.Ended(process.serial, code))
            else:
                self._looking.reaped(pid, code)

    def _take_in(self) -> None:
        while self._events and self._code is None:
            self._fleet, deeds = plan.step(self._fleet, self._events.popleft(), monotonic())
            for deed in deeds:
                self._do(deed)
        said = states.status(self._fleet)
        if said != self._status and self._manager:
            self._status = said
            self._manager.tell(f"STATUS={said}", *([notify.STOPPING] if self._fleet.is_ending else []))

    # -- what is done ----------------------------------------------------------------------------

    def _do(self, deed: states.Deed) -> None:
        match deed:
            case states.Start(serial, place):
                self._start(serial, place)
            case states.Tell(serial, way):
                if (process := self._processes.get(serial)) is not None:
                    _tell(process, way)
            case states.Say(level, text, place):
                getattr(log, level)("%s", text if place is None else f"worker {self._name}-{place} {text}")
            case states.Announce():
                self._manager.tell(notify.READY)
            case states.Leave(code):
                self._code = code

    def _start(self, serial: int, place: int) -> None:
        theirs, held = os.pipe()
        told, tell = os.pipe()
        os.set_blocking(told, False)
        began = SystemClock().now()
        try:
            process = subprocess.Popen(
                self._words(f"{self._name}-{place}"), start_new_session=True, pass_fds=(theirs, tell),
                stdin=subprocess.DEVNULL if os.isatty(0) else None,  # a terminal is nothing that several could read
                env={**os.environ, messages.ENVIRONMENT: messages.place(theirs, tell, files=self._watch is not None, first=serial == 1)},
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            log.error("a worker cannot be started: %s", getattr(error, "strerror", None) or error)
            for end in (held, told):
                os.close(end)
            self._events.append(states.Ended(serial, CANNOT_START))
            return
        finally:
            os.close(theirs)
            os.close(tell)
        process.returncode = 0  # it is waited for here
        mine = self._processes[serial] = Process(serial, process.pid, held, told, began)
        self._selector.register(told, selectors.EVENT_READ, lambda: self._read(mine))

    def _close(self, process: Process) -> None:
        del self._processes[process.serial]
        with contextlib.suppress(KeyError):
            self._selector.unregister(process.told)
        os.close(process.told)
        os.close(process.held)

    # -- chores ----------------------------------------------------------------------------------

    def _look_who_is_stopped(self) -> float:
        self._events += [states.Seen(process.serial, _is_stopped(process.pid)) for process in self._processes.values()]
        return LOOK_SECONDS

    def _look_at_alerts(self) -> float:
        """Workers do; where none is at work, which none can say, a command of its own does: the supervisor must not be held up by a database, nor die of one."""
        if not states.is_at_work(self._fleet) and not self._fleet.is_ending:
            self._looking.look()
        return ALERT_SECONDS

    def _look_at_files(self) -> float:
        assert self._watch is not None
        changed = self._watch.look(anew=self._fleet.is_held)
        if changed is not None:
            self._events.append(states.Changed(changed))
        return self._watch.pause

    def _say_alive(self) -> float:
        self._manager.tell(notify.ALIVE)
        assert self._manager.interval is not None
        return self._manager.interval


def _tell(process: Process, way: Way) -> None:
    """One that is not yet reaped, so that the number is nobody else's."""
    if way is Way.KILL:
        os.kill(process.pid, signal.SIGKILL)
        return
    with contextlib.suppress(BrokenPipeError):
        os.write(process.held, messages.NOW if way is Way.NOW else messages.LEAVE)
    os.kill(process.pid, signal.SIGCONT)  # one that is stopped hears nothing


def _is_stopped(pid: int) -> bool:
    """By SIGSTOP, and not by a debugger. Where that cannot be told: no."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"T"
    except OSError:
        return False


def _number(digits: bytes) -> int:
    return int(digits) if digits.isdigit() else 0
