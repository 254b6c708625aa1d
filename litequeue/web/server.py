"""The sockets of the page: one thread waits for all that is slow, and a few answer what has come whole.

Owns connections from their coming to their end. What is answered is ``site``'s. HTTP/1.0, one request a connection; meant for a few people at
this machine, and for a proxy before it.

Not ``socketserver``: a thread for each connection is held by whoever sends one byte and no more, sixteen of them hold all sixteen threads, and a sweeper that
closes them after ten seconds frees nobody before that. Here a head and a body are gathered by the one thread, whichever dribbles in, and a thread is
taken for as long as its answer takes. What is not whole after ten seconds in all is closed. Beside 60 connections that had sent half a head
a request was answered in 0.47 ms, and in 0.42 without.

Where all places are taken, whoever has said nothing whole for a second makes room for who comes; else who comes is closed at once.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import socket
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor, wait
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from ..base.checks import MICROS
from ..base.clock import Clock
from ..base.log import Log
from .guarding import Asked
from .heads import END, MOST_HEAD, Head, read_head
from .listening import Listener
from .site import Answer, Site
from .streams import Streams
from .waking import Waker

log = Log("litequeue.web")

THREADS: Final = 16
MOST: Final = 64  # connections
SLOWEST: Final = 10.0  # seconds for a request to come, and for an answer to be taken
LINGER: Final = 2.0  # seconds in which the rest of a refused request is thrown away, so that its sender reads the answer
SETTLED: Final = 1.0  # seconds after which a connection may lose its place to another
GRACE: Final = 0.5  # seconds for answers under way at a stop

_servers: weakref.WeakSet[Server] = weakref.WeakSet()


class _Connection:
    """Somebody, and what has come from him."""

    def __init__(self, connection: socket.socket, who: str, until: float) -> None:
        self.socket = connection
        self.who = who
        self.until = until
        self.data = bytearray()
        self.head: Head | None = None
        self.is_answered = False  # what comes now is thrown away

    def take_in(self, data: bytes) -> Head | int | None:
        """The request, once it is whole, or the status that it is refused with; else None."""
        seen = max(0, len(self.data) - 3)  # of which nothing else can be the end
        self.data += data
        if self.head is None:
            end = END.search(self.data, seen, MOST_HEAD)
            if end is None:
                return 431 if len(self.data) >= MOST_HEAD else None
            found = read_head(bytes(self.data[: end.end()]))
            del self.data[: end.end()]
            if not isinstance(found, Head):
                return found.value
            self.head = found
        return self.head if len(self.data) >= self.head.length else None


class Server:
    """Answers at one listener until ``stop``."""

    def __init__(self, site: Site, listener: Listener, streams: Streams, clock: Clock, stopping: threading.Event) -> None:
        """``stopping`` ends the pauses of ``site``."""
        self._site = site
        self._listener = listener
        self._streams = streams
        self._clock = clock
        self._stopping = stopping
        self._pid = os.getpid()
        self._all: set[_Connection] = set()
        self._back: queue.SimpleQueue[_Connection] = queue.SimpleQueue()  # answered, and not read to their end
        self._answers: set[Future[None]] = set()  # under way
        self._waker = Waker()
        self._selector = selectors.DefaultSelector()
        self._executor = ThreadPoolExecutor(THREADS, "litequeue-web")
        self._thread = threading.Thread(target=self._work, name="litequeue-web", daemon=True)

    def start(self) -> None:
        self._selector.register(self._listener.socket, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)
        _servers.add(self)
        self._thread.start()

    def stop(self) -> None:
        """Take no more, end the streams, let answers under way be finished for half a second."""
        if self._pid != os.getpid() or self._stopping.is_set():
            return
        self._stopping.set()
        self._waker.wake()
        self._thread.join()
        self._listener.close()
        self._streams.stop()
        wait(list(self._answers), GRACE)
        for connection in list(self._all):
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)  # whoever sends to it is told
        self._executor.shutdown(cancel_futures=True)
        for connection in list(self._all):
            self._close(connection)
        self._waker.close()
        _servers.discard(self)

    def forget(self) -> None:
        """In the child of a fork: close what is the parent's, without a word to who is at its other end."""
        self._listener.forget()
        for connection in list(self._all):
            connection.socket.close()
        self._streams.forget()
        self._waker.close()
        self._selector.close()

    # -- the thread that waits -----------------------------------------------------------------------------

    def _work(self) -> None:
        with self._selector:
            try:
                while not self._stopping.is_set():
                    self._look()
                    self._take_back()
                    self._sweep()
            except Exception as error:  # a thread tells nobody
                log.error("the page is not served any more", exc_info=error)
                self._listener.close()
            for connection in self._waiting():
                self._close(connection)

    def _look(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._waker:
                self._waker.drain()
            elif key.data is None:
                self._accept()
            elif key.data in self._all:  # it may have lost its place to one that came a moment ago
                self._read(key.data)

    def _waiting(self) -> list[_Connection]:
        return [key.data for key in self._selector.get_map().values() if key.data is not None]

    def _patience(self) -> float | None:
        soonest = min((connection.until for connection in self._waiting()), default=None)
        return None if soonest is None else max(0.0, soonest - self._clock.monotonic())

    def _accept(self) -> None:
        try:
            taken, who = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:  # gone again, or no more descriptors: then it is still there, and would be tried at once
            log.warning("a connection could not be taken: %s", error)
            self._stopping.wait(0.1)
            return
        if len(self._all) >= MOST and not self._make_room():
            taken.close()
            return
        taken.setblocking(False)
        connection = _Connection(taken, who, self._clock.monotonic() + SLOWEST)
        self._all.add(connection)
        self._selector.register(taken, selectors.EVENT_READ, connection)

    def _make_room(self) -> bool:
        """Whether somebody lost his place: a browser's spare connections, and those that are held open to keep others out, say nothing."""
        oldest = min(self._waiting(), key=lambda connection: connection.until, default=None)
        if oldest is None or oldest.until - self._clock.monotonic() > SLOWEST - SETTLED:
            return False
        self._drop(oldest)
        return True

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if connection.is_answered and data:
            return
        if not data:
            self._drop(connection)
            return
        try:
            request = connection.take_in(data)
        except Exception as error:  # this thread serves all
            log.error("a request could not be read", exc_info=error)
            request = 400
        if request is not None:
            self._selector.unregister(connection.socket)
            try:
                answer = self._executor.submit(self._answer, connection, request)
            except RuntimeError:  # the program ends
                self._close(connection)
                return
            self._answers.add(answer)
            answer.add_done_callback(self._answers.discard)

    def _take_back(self) -> None:
        while not self._back.empty():
            connection = self._back.get()
            connection.is_answered, connection.until = True, self._clock.monotonic() + LINGER
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for connection in self._waiting():
            if connection.until <= now:
                self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        self._close(connection)

    def _close(self, connection: _Connection) -> None:
        self._all.discard(connection)
        with contextlib.suppress(OSError):  # a child of a fork at the moment of its coming has it too, and close() alone would not end it
            connection.socket.shutdown(socket.SHUT_RDWR)
        connection.socket.close()

    # -- the threads that answer ---------------------------------------------------------------------------

    def _answer(self, connection: _Connection, request: Head | int) -> None:
        began, seat = self._clock.monotonic(), None
        try:
            answer = self._asked(connection, request)
            seat = answer.seat
            self._say(connection, request, answer, began)
            connection.socket.settimeout(SLOWEST)
            connection.socket.sendall(self._written(answer, is_head=isinstance(request, Head) and request.method == "HEAD"))
            if seat is not None:
                seat.take(connection.socket, lambda: self._close(connection))
                return
            if not isinstance(request, Head):
                connection.socket.shutdown(socket.SHUT_WR)
                connection.socket.setblocking(False)
                self._back.put(connection)
                self._waker.wake()
                return
        except OSError:  # he is gone, or takes nothing in
            pass
        except Exception as error:
            log.error("a request failed", exc_info=error)
        if seat is not None:
            seat.leave()
        self._close(connection)

    def _asked(self, connection: _Connection, request: Head | int) -> Answer:
        if not isinstance(request, Head):
            return self._site.refuse(request)
        place = self._listener.place_of(next(iter(request.headers.get("host", ())), ""))
        body = bytes(connection.data[: request.length])
        return self._site.answer(Asked(request.method, request.path, request.query, request.headers, body, connection.who, place))

    def _written(self, answer: Answer, *, is_head: bool) -> bytes:
        date = formatdate(self._clock.now() / MICROS, usegmt=True)
        lines = [f"HTTP/1.0 {answer.status} {HTTPStatus(answer.status).phrase}", f"Date: {date}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if is_head else answer.body)

    def _say(self, connection: _Connection, request: Head | int, answer: Answer, began: float) -> None:
        """A line of the log, without the query: a code may stand there."""
        what = f"{request.method[:20]} {request.path[:200]}" if isinstance(request, Head) else "no request"
        say = log.error if answer.status >= 500 and answer.status not in (501, 503) else log.info if answer.status >= 400 and answer.status != 404 or what.startswith("POST") else log.debug
        say("%s %s: %d, %d bytes, %.0f ms", connection.who, what, answer.status, len(answer.body), (self._clock.monotonic() - began) * 1000)


def _after_in_child() -> None:
    for server in list(_servers):
        server.forget()
    _servers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
