"""A worker of a fleet, in its own process: what it tells its supervisor, and that it ends with it.

Owns that side of the two pipes. All of it is in threads beside the worker, which knows nothing of it; what is asked of the worker goes by its inbox.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import site
import sys
import sysconfig
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Final

from ...base.clock import monotonic
from ...base.log import Log
from ...base.sizes import render
from ...pools.bounded import memory_of
from ...pools.watched import Size
from ...worker.inbox import Weigh
from ...worker.worker import Worker
from . import memory, messages

log = Log("litequeue.worker")

FILES_SECONDS: Final = 1.0


class Tied:
    """One side of the pipes. Made before anything is imported that could take long."""

    def __init__(self, pipes: messages.Pipes, limit: int | None) -> None:
        """``limit``: bytes that the worker may have in memory."""
        self._pipes = pipes
        self.is_first = pipes.first
        self._limit = limit
        self.ask: Callable[..., bool] | None = None  # ``StopSignals.ask`` of the worker, once it has one
        self._told = set[str]()
        self._renewed = frozenset[int]()  # those of the pool, which were told of
        self._is_told = False
        self._too_big = 0  # bytes, at the last look
        self._has_complained = False
        threading.Thread(target=self._be_tied, name="litequeue-parent", daemon=True).start()

    def _be_tied(self) -> None:
        while word := os.read(self._pipes.tie, 1):
            self._stop(now=word == messages.NOW)
        if not self._is_told:
            log.warning("the supervisor is gone, and so the worker stops")
        self._stop(now=False)

    def _stop(self, *, now: bool) -> None:
        self._is_told = True
        if self.ask is None:  # it imports yet
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            self.ask(now=now)  # nothing, of one that has stopped and is about to end: a signal would be its exit code

    def begin(self, worker: Worker) -> None:
        """Before it runs."""
        threading.Thread(target=self._watch_over, args=(worker,), name="litequeue-fleet", daemon=True).start()

    def failed(self, error: BaseException) -> None:
        """It will not come up; a change of these files may mend that."""
        if self._pipes.files:
            self._tell_files([*_files_of(error), *_loaded()])

    def _say(self, word: bytes, rest: bytes = b"") -> None:
        with contextlib.suppress(OSError):  # the supervisor is gone
            os.write(self._pipes.tell, messages.said(word, rest))

    def _tell_files(self, files: Iterable[str]) -> None:
        for file in files:
            if file not in self._told:
                self._told.add(file)
                if len(encoded := os.fsencode(file)) < messages.LONGEST:
                    self._say(messages.FILE, encoded)

    def _watch_over(self, worker: Worker) -> None:
        worker.withdraw(()).get()  # it has registered, and works
        fresh = memory_of("self")[0]
        self._say(messages.UP, b"%d" % fresh)
        look_at, pause, modules = monotonic() + memory.LOOK_SECONDS, threading.Event(), 0
        while self._pipes.files or self._limit is not None:
            if self._pipes.files and len(sys.modules) != modules:
                modules = len(sys.modules)
                self._tell_files(_loaded())
            if self._too_big:
                self._say(messages.BIG, b"%d" % self._too_big)
            if self._limit is not None and monotonic() >= look_at:
                look_at = monotonic() + memory.LOOK_SECONDS
                worker.weigh(Weigh(functools.partial(self._judge, self._limit, fresh)))
            pause.wait(FILES_SECONDS if self._pipes.files else memory.LOOK_SECONDS)

    def _judge(self, limit: int, fresh: int, pool: Sequence[Size]) -> Collection[int]:
        """In the worker's own thread."""
        verdict = memory.judge(limit, memory_of("self")[0], fresh, pool)
        self._too_big = verdict.total if verdict.leave else 0
        if new := verdict.renew - self._renewed:
            self._renewed |= new
            log.info("%s in memory, and %s are allowed: %d processes of the pool that have grown end after what they run", render(verdict.total), render(limit), len(new))
        if verdict.is_hopeless and not self._has_complained:
            self._has_complained = True
            log.warning(
                "the worker has %s with its processes, none of which has grown much: another would be as big, so --max-memory %s ends none; give it "
                "more, or fewer --processes", render(verdict.total), render(limit),
            )  # fmt: skip
        return verdict.renew


# -- the files of what is loaded -----------------------------------------------------------------------------


def _loaded() -> Iterator[str]:
    """Of all modules but those that are installed."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and is_own(file):
            yield os.path.abspath(file)


def _files_of(error: BaseException | None) -> Iterator[str]:
    """Those that it came through: a module whose import has failed is none of those that are loaded."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found = [error.filename] if isinstance(error, SyntaxError) else []
        step: TracebackType | None = error.__traceback__
        while step is not None:
            found.append(step.tb_frame.f_code.co_filename)
            step = step.tb_next
        yield from (os.path.abspath(file) for file in found if isinstance(file, str) and is_own(file))
        error = error.__cause__ or error.__context__


def is_own(file: str) -> bool:
    """Whether it is source that somebody here may be working on."""
    path = os.path.abspath(file)
    return path.endswith(".py") and os.path.isfile(path) and not path.startswith(_installed())


@functools.cache
def _installed() -> tuple[str, ...]:
    """Where Python and what is installed lie. Not all of ``sys.prefix``: that is /usr, where a container's /usr/src/app is too."""
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    with contextlib.suppress(AttributeError):  # -S, and some virtual environments
        places |= {*site.getsitepackages(), site.getusersitepackages()}
    if sys.prefix != sys.base_prefix:
        places.add(sys.prefix)
    return tuple(os.path.abspath(place) + os.sep for place in places if place)
