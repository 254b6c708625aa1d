"""Importing users' modules in a thread beside the worker's own, since nobody knows how long one takes.

Owns that thread and the deadline after which a module is given up for now: while it is imported, jobs of other tasks go on,
timeouts come in time and a stop is obeyed. One module at a time, as a program imports them; but another thread takes over
from one that takes more than a moment. What is imported, and whether it is believed, is ``discovery``'s.

A module that wants the main thread for its own import (``signal.signal`` raises ValueError elsewhere) is imported once more
by whoever asks, if that is the main thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from ..base.errors import UnknownTask
from ..tasks.modules import IMPORT_SECONDS, takes_too_long

MOMENT: Final = 1.0  # seconds that the next module waits for one
_POLL: Final = 0.005


class _Import:
    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.began: float | None = None  # monotonic
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None


class Importer:
    """What is asked for by a key comes when it is asked for again."""

    def __init__(self, on_end: Callable[[], None], monotonic: Callable[[], float], deadline: float = IMPORT_SECONDS) -> None:
        """``on_end`` is called from the thread, whenever it is worth to ask again."""
        self._on_end = on_end
        self._monotonic = monotonic
        self._deadline = deadline
        self.pending: dict[str, _Import] = {}  # by their keys, what was asked for and has not been given
        self._todo: deque[_Import] = deque()
        self._current: _Import | None = None  # of the thread that was started last
        self._lock = threading.Lock()  # of the last two

    @property
    def too_long(self) -> str:
        return takes_too_long(self._deadline)

    @property
    def asked(self) -> list[str]:
        """The keys of what is not ready."""
        return [key for key, found in list(self.pending.items()) if not found.done]

    def ask(self, key: str, work: Callable[[], Any]) -> Any | None:
        """What ``work`` returned, once; None while it is under way. Raises what it raised, or UnknownTask if it takes too
        long: it may be asked for again later."""
        found = self.pending.get(key)
        if found is None:
            found = self.pending[key] = _Import(work)
            self._todo.append(found)
        if not found.done:
            self._see_to_a_thread()
            if self._takes(found, self._deadline):
                raise UnknownTask(self.too_long)
            return None
        del self.pending[key]
        if found.error is None:
            return found.result
        if _wants_the_main_thread(found.error) and threading.current_thread() is threading.main_thread():
            return work()
        raise found.error

    def late(self) -> list[str]:
        """Those for which the deadline has passed. Asked now and then, since it also sees to the next ones in line."""
        self._see_to_a_thread()
        return [key for key, found in list(self.pending.items()) if not found.done and self._takes(found, self._deadline)]

    def wait(self, key: str, work: Callable[[], Any]) -> Any:
        """The same, for a thread that may wait until the deadline."""
        while (result := self.ask(key, work)) is None:
            time.sleep(_POLL)
        return result

    def _takes(self, found: _Import, seconds: float) -> bool:
        return found.began is not None and self._monotonic() - found.began > seconds

    def _see_to_a_thread(self) -> None:
        with self._lock:
            current = self._current
            if self._todo and (current is None or self._takes(current, MOMENT)):
                self._current = self._next()
                name = "litequeue-import"
                threading.Thread(target=self._run, args=(self._current,), name=name, daemon=True).start()

    def _next(self) -> _Import:
        found = self._todo.popleft()
        found.began = self._monotonic()
        return found

    def _run(self, found: _Import) -> None:
        while True:
            try:
                found.result = found.work()
            except Exception as error:  # noqa: BLE001 - raised by ``ask``
                found.error = error
            except BaseException as error:  # noqa: BLE001 - a module may end the thread that imports it
                found.error = UnknownTask(f"importing its module ended with {type(error).__name__}: {error}")
            found.done = True
            with self._lock:
                mine = self._current is found
                if mine:
                    self._current = self._next() if self._todo else None
                following = self._current
            self._on_end()
            if not mine or following is None:  # another thread has taken over, or there is nothing left
                return
            found = following


def _wants_the_main_thread(error: Exception) -> bool:
    cause = error.__cause__
    return isinstance(cause, (ValueError, RuntimeError)) and "thread" in str(cause)
