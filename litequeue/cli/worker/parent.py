"""The process before a worker's, where there has to be one: as the first of a container, and with a program beside the worker.

Owns that process: it passes signals on, reaps what tasks orphan, starts the program once the worker is up, and lets neither outlive the other. The worker goes
on in its child, and knows nothing of it, but that it is up, and that its parent may be gone.

All that comes, signals too, comes through pipes, one at a time: so nothing is told to a process that has just been reaped.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import threading
from collections.abc import Callable
from typing import Final, NoReturn

from ...base.clock import monotonic
from ...base.errors import InvalidArgument
from ...base.log import Log, flush
from ...worker.config import WorkerConfig
from ...worker.worker import Worker
from ..reaping import ended_children

log = Log("litequeue.worker")

NOT_STARTED: Final = 127  # the exit code, as shells have it
_STOPS: Final = ("SIGTERM", "SIGINT", "SIGHUP")
_ASKS: Final = ("SIGUSR1", "SIGUSR2")  # which servers know, and which end a worker
_UP: Final = b"!"


def check_program(program: list[str], config: WorkerConfig) -> None:
    """What follows ``--``, before anything is begun."""
    if not program:
        return
    if os.name != "posix":
        raise InvalidArgument("a program beside the worker needs a Unix: start the two by themselves")
    if config.burst:
        raise InvalidArgument("--burst ends the worker when nothing is left to do, and with it the program that follows --: leave one of them out")
    if program[0].startswith("-"):
        raise InvalidArgument(f"after -- comes a program that runs beside the worker, and {program[0]} is none: the worker's options stand before it")
    if shutil.which(program[0]) is None:
        raise InvalidArgument(f"after -- comes a program that runs beside the worker, and there is no {program[0]} here that could be run")


def go_on_in_a_child(program: list[str], grace: float, set_up_log: Callable[[], object]) -> Callable[[Worker], None]:
    """As process 1, or with a program, in a child; the parent does not return. Elsewhere: nothing. Before any thread starts. What is given back is told of the
    worker before that runs. ``grace``: seconds for the program to end in."""
    if os.getpid() != 1 and not program:
        return lambda worker: None
    up, tell_up = os.pipe()
    tie, held = os.pipe()
    numbers = [number for name in _STOPS if signal.getsignal(number := getattr(signal, name)) != signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    worker = os.fork()
    if worker == 0:
        os.close(up)
        os.close(held)
        os.setpgid(0, 0)  # a terminal's Ctrl-C comes from the parent alone, and so once
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        return lambda worker: threading.Thread(target=_be_tied, args=(worker, tell_up, tie), name="litequeue-parent", daemon=True).start()
    os.close(tell_up)
    os.close(tie)
    set_up_log()
    _Parent(worker, program, grace, up, held, numbers).run()


def _be_tied(worker: Worker, tell_up: int, tie: int) -> None:
    """In the worker: say that it is up, and stop if the parent is killed; and with it the program, which the parent has named."""
    worker.withdraw(()).get()
    with contextlib.suppress(BrokenPipeError):
        os.write(tell_up, _UP)
    os.close(tell_up)
    named = b""
    while came := os.read(tie, 64):
        named += came
    program = int(named.split()[-1]) if named else 0
    log.warning("the process that started the worker is gone, and so it stops%s", ", and its program" if program else "")
    with contextlib.suppress(ProcessLookupError):
        if program:
            os.kill(program, signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)


class _Parent:
    """``run`` ends the process as the worker, or the program, ended."""

    def __init__(self, worker: int, words: list[str], grace: float, up: int, held: int, stops: list[int]) -> None:
        self._worker = worker
        self._words = words
        self._grace = grace
        self._up = up
        self._held = held
        self._stops = stops
        self._program = 0
        self._code = 0  # the command's, if it is not the worker's
        self._count = 0  # of signals that stop
        self._is_stopped = False  # whether the worker was told so
        self._kill_at: float | None = None

    def run(self) -> NoReturn:
        wake, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        others = [getattr(signal, name) for name in _ASKS] if self._words else []
        for number in (*self._stops, *others, signal.SIGCHLD):
            signal.signal(number, lambda number, frame: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._stops)
        self._reap()  # it may have ended already
        waited_for = [wake, self._up]
        while True:
            left = None if self._kill_at is None else max(self._kill_at - monotonic(), 0)
            ready = select.select(waited_for, [], [], left)[0]
            if self._up in ready:
                waited_for.remove(self._up)
                if os.read(self._up, 1) == _UP and self._words and not self._count:
                    self._start()
            for number in os.read(wake, 512) if wake in ready else b"":
                if number == signal.SIGCHLD:
                    self._reap()
                elif number in self._stops:
                    self._pass_on(number)
                elif self._program:
                    os.kill(self._program, number)
            if self._kill_at is not None and monotonic() >= self._kill_at:
                log.warning("the program %s has not ended within %g s, and is killed", self._words[0], self._grace)
                self._kill()

    def _start(self) -> None:
        """In a group of its own, as the worker; a terminal is then nothing that it could read. It names itself before it is a program: were we killed
        between its start and our naming it, it would outlive us."""
        import subprocess  # for the few workers that have a program

        stdin = subprocess.DEVNULL if os.isatty(0) else None
        try:
            # The log's writer is our only other thread, and this asks for nothing that it may hold.
            process = subprocess.Popen(self._words, stdin=stdin, process_group=0, preexec_fn=lambda: self._name(os.getpid()))  # noqa: PLW1509
        except (OSError, subprocess.SubprocessError) as error:
            log.error("the program %s cannot be started: %s", self._words[0], getattr(error, "strerror", None) or error)
            self._name(0)
            self._code = NOT_STARTED
            self._stop_worker()
            return
        process.returncode = 0  # it is waited for here
        self._program = process.pid
        log.info("runs beside the worker, as process %d: %s", self._program, shlex.join(self._words))

    def _name(self, program: int) -> None:
        """To the worker, for when we are gone; 0: there is none."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._held, b"%d\n" % program)

    def _pass_on(self, number: int) -> None:
        """The first to the program, and when that has ended the worker is told; a second ends both at once."""
        self._count += 1
        if not self._words or not self._program and not self._is_stopped:
            self._tell_worker(number)
            self._is_stopped = True
        elif self._count == 1:
            if self._program:
                os.kill(self._program, signal.SIGTERM if number == signal.SIGHUP else number)  # which tells servers to begin anew
                self._kill_at = monotonic() + self._grace
        else:
            self._code = 128 + number
            self._kill()
            self._stop_worker()
            self._tell_worker(signal.SIGINT)  # another: of two that are the same one would be lost

    def _stop_worker(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            self._tell_worker(signal.SIGTERM)

    def _tell_worker(self, number: int) -> None:
        if self._worker:  # 0 would be all of our own group
            os.kill(self._worker, number)

    def _kill(self) -> None:
        self._kill_at = None
        if self._program:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._program, signal.SIGKILL)

    def _reap(self) -> None:
        for pid, code in ended_children():
            if pid == self._worker:
                self._worker_ended(code)
            elif pid == self._program:
                self._program_ended(code)

    def _worker_ended(self, code: int) -> None:
        self._worker = 0
        self._code = self._code or code
        if not self._program:
            self._leave()
        log.warning("the worker has ended with exit code %d, and so does the program %s", code, self._words[0])
        os.kill(self._program, signal.SIGTERM)
        self._kill_at = monotonic() + self._grace

    def _program_ended(self, code: int) -> None:
        self._program, self._kill_at = 0, None
        self._name(0)
        if not self._worker:
            self._leave()
        self._code = self._code or code
        log.info("the program %s has ended with exit code %d, and so does the worker", self._words[0], code)
        self._stop_worker()

    def _leave(self) -> NoReturn:
        flush()
        os._exit(self._code)
