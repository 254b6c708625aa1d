"""The streams of pages that are open in a browser: each is told that something has changed, and no more.

Owns them, and the one thread that looks whether the file has changed, twice a second while a stream is open, and sleeps otherwise. A
stream takes no thread of its own, and is sent to without waiting: who does not take what he is sent is left, and nothing of the file is held open meanwhile.

The first word is sent as a stream begins: what changed between the page and its stream is not missed.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Final

from ..base.clock import Clock
from ..base.errors import LitequeueError
from ..base.log import Log
from .waking import Waker

log = Log("litequeue.web")

MOST: Final = 8  # of a server
MOST_OF_ONE: Final = 4  # of a session: a browser has six connections to a host, and needs some for its pages
LOOK: Final = 0.5  # seconds
LEAST: Final = 1.0  # seconds between two words
QUIET: Final = 15.0  # seconds after which a comment is sent, by which a dead one is found
UNANSWERED_MS: Final = 30_000  # what has not been taken in for so long is given up by the system, where it can be told


class Seat:
    """The right to one stream. Ends with ``leave``, as often as one likes."""

    def __init__(self, streams: Streams, session: str, lasts: float) -> None:
        self._streams = streams
        self.session = session
        self.lasts = lasts  # seconds

    def take(self, connection: socket.socket, on_end: Callable[[], None]) -> None:
        """Send to that from now on; ``on_end`` is called once it is over, and closes it."""
        self._streams.take(self, connection, on_end)

    def leave(self) -> None:
        self._streams.left(self)


class _Stream:
    """One that is open."""

    def __init__(self, seat: Seat, connection: socket.socket, on_end: Callable[[], None], now: float) -> None:
        self.seat = seat
        self.connection = connection
        self.on_end = on_end
        self.until = now + seat.lasts
        self._said: int | None = None  # the version that it knows
        self._said_at = now - LEAST

    def tell(self, version: int, now: float) -> bool:
        """What there is to be said; whether it was taken."""
        if version != self._said and now - self._said_at >= LEAST:
            text, self._said = f"event: changed\ndata: {version}\n\n", version
        elif now - self._said_at >= QUIET:
            text = ":\n\n"
        else:
            return True
        self._said_at = now
        try:
            return self.connection.send(text.encode()) == len(text)
        except OSError:  # it is gone, or there is no room
            return False


class Streams:
    """Of one server. Safe in any thread."""

    def __init__(self, look: Callable[[], int], clock: Clock) -> None:
        """``look``: a number that changes with the file."""
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._seats: list[Seat] = []
        self._coming: list[_Stream] = []
        self._open: list[_Stream] = []  # of the thread alone
        self._waker = Waker()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._complaint = ""

    def seat(self, session: str, lasts: float) -> Seat | None:
        """One more; None where all are taken, or all of that session's."""
        with self._lock:
            if self._stopped or len(self._seats) >= MOST or sum(seat.session == session for seat in self._seats) >= MOST_OF_ONE:
                return None
            seat = Seat(self, session, lasts)
            self._seats.append(seat)
            return seat

    def left(self, seat: Seat) -> None:
        with self._lock:
            if seat in self._seats:
                self._seats.remove(seat)

    def take(self, seat: Seat, connection: socket.socket, on_end: Callable[[], None]) -> None:
        connection.setblocking(False)
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None and connection.family != getattr(socket, "AF_UNIX", None):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, option, UNANSWERED_MS)
        stream = _Stream(seat, connection, on_end, self._clock.monotonic())
        with self._lock:
            is_over = self._stopped
            if not is_over:
                self._coming.append(stream)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="litequeue-web-events", daemon=True)
                    self._thread.start()
        if is_over:
            self._end(stream)
        else:
            self._waker.wake()

    def stop(self) -> None:
        """End them all, now. As often as one likes."""
        with self._lock:
            self._stopped = True
        self._waker.wake()
        if self._thread is not None:
            self._thread.join()
        self._waker.close()

    def forget(self) -> None:
        """In the child of a fork: what is open is the parent's, and would stay open with us after that has closed it."""
        for stream in [*self._open, *self._coming]:
            stream.connection.close()
        self._waker.close()

    # -- in the thread -----------------------------------------------------------------------------------

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._waker, selectors.EVENT_READ)
            try:
                while not self._stopped:
                    self._let_in(selector)
                    self._tell_all(selector)
                    for key, _ in selector.select(LOOK if self._open else None):
                        if key.fileobj is self._waker:
                            self._waker.drain()
                        elif not _is_there(key.data.connection):
                            self._drop(key.data, selector)
            finally:
                with self._lock:
                    self._stopped = True
                    self._open += self._coming
                    self._coming = []
                for stream in self._open:
                    self._end(stream)
                self._open = []

    def _let_in(self, selector: selectors.BaseSelector) -> None:
        with self._lock:
            coming, self._coming = self._coming, []
        for stream in coming:
            self._open.append(stream)
            selector.register(stream.connection, selectors.EVENT_READ, stream)

    def _tell_all(self, selector: selectors.BaseSelector) -> None:
        if not self._open:
            return
        try:
            version = self._look()
        except LitequeueError as error:  # each page says so by itself
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.warning("nobody is told of changes: %s", error)
            for stream in list(self._open):
                self._drop(stream, selector)
            return
        now = self._clock.monotonic()
        for stream in list(self._open):
            if now > stream.until or not stream.tell(version, now):
                self._drop(stream, selector)

    def _drop(self, stream: _Stream, selector: selectors.BaseSelector) -> None:
        selector.unregister(stream.connection)
        self._open.remove(stream)
        self._end(stream)

    def _end(self, stream: _Stream) -> None:
        self.left(stream.seat)
        stream.on_end()


def _is_there(connection: socket.socket) -> bool:
    """Whether who listens is there still: he has nothing to say."""
    try:
        return bool(connection.recv(4096))
    except BlockingIOError:
        return True
    except OSError:
        return False
