"""The page of one file, served by threads of this process: what ``app.web()`` gives, and the command line runs.

Owns what depends on each other among the options, and putting the parts together; starting and stopping them.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from ..base.errors import InvalidArgument, WorkerFailed
from ..client import Client
from ..options import complete
from ..options.web import PORT, WebOptions
from .guarding import hosts_of, hosts_of_socket
from .listening import Listener, is_loopback, listen, listen_at
from .place import Place
from .routes import ROUTES
from .routing import Route
from .server import Server
from .sessions import Sessions
from .site import Site
from .streams import Streams
from .tokenfile import token_of


class EmbeddedWeb:
    """``with app.web(port=0) as web: print(web.url)``. Also usable with ``start()`` and ``stop()``."""

    def __init__(self, client: Client, options: Mapping[str, Any], *, routes: Iterable[Route] = ROUTES) -> None:
        """Raises InvalidArgument or InvalidType for an option that it cannot take, CannotOpen for a token that cannot be had."""
        self._client = client
        self._options = complete(WebOptions, options, "the page")
        self._routes = tuple(routes)
        self.is_open = self._options["socket"] is None and not is_loopback(self._options["host"])  # to other machines
        self._refuse_contradictions(options)
        token, self.has_new_token = (None, False) if self._options["token_file"] is None else token_of(self._options["token_file"])
        self._sessions = Sessions(client.clock, token)
        self._listener: Listener | None = None
        self._server: Server | None = None
        self._pid = 0
        self.on_shut_out: Callable[[], None] = lambda: None  # told when somebody sees the login page

    def _refuse_contradictions(self, given: Mapping[str, Any]) -> None:
        said = self._options
        if said["socket"] is not None and (given.get("host") is not None or given.get("port") is not None):
            raise InvalidArgument("listen at a socket, or at a host and a port, not at both")
        if self.is_open and said["token_file"] is None:
            raise InvalidArgument(
                f"host {said['host']} can be reached from other machines, and so wants a token: give --token-file FILE (token_file=). What is sent there can be "
                "read on its way; TLS is for a proxy before it, and then 127.0.0.1 is enough"
            )

    @property
    def port(self) -> int:
        """The one that it listens at; 0: a socket in the file system."""
        return self._listening().port

    @property
    def url(self) -> str:
        """Its address, with a code that lets whoever opens it in, once. Each time that it is asked for it has another one."""
        return f"{self.address}login?code={self._sessions.new_code()}"

    @property
    def address(self) -> str:
        """The same for who has logged in. That of a socket is where ``ssh -L 8010:PATH HOST`` leads to it."""
        found = self._listening()
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(found.host, f"[{found.host}]" if ":" in found.host else found.host)
        return f"http://{host}:{found.port or PORT}{self._options['prefix'] or ''}/"

    @property
    def has_code(self) -> bool:
        """Whether one that was given out has not been used."""
        return self._sessions.has_code

    def _listening(self) -> Listener:
        if self._listener is None:
            raise WorkerFailed("the page is not served: it is between start() and stop(), or inside of a with block")
        return self._listener

    def start(self) -> Self:
        """Begin to answer. At the interpreter's exit it ends by itself. Raises InvalidArgument where it cannot listen, and CannotOpen or
        another StoreError for a file that cannot be used."""
        if self._pid:
            raise WorkerFailed("the page is served once; make another with app.web()")
        said = self._options
        self._client.store.database.open()
        listener = listen(said["host"], said["port"]) if said["socket"] is None else listen_at(said["socket"])
        try:
            self._server = self._serving(listener)
            self._server.start()
        except BaseException:
            listener.close()
            raise
        self._listener, self._pid = listener, os.getpid()
        atexit.register(self.stop)
        return self

    def _serving(self, listener: Listener) -> Server:
        """One page is made at a time, as the interpreter has it anyway: after 3,000 requests of 16 clients the process had 39.7 MB, and 62.8
        where each thread made its own, with a connection to the file. Actions, which may wait for the file's lock, hold up no page."""
        client, said, stopping = self._client, self._options, threading.Event()
        also = said["allow_host"] or ()
        hosts = hosts_of(listener.host, listener.port, also) if listener.path is None else hosts_of_socket(also)
        streams = Streams(lambda: client.store.database.data_version(), client.clock)
        place = Place(client, client.path, bool(said["allow_actions"]), client.clock)
        site = Site(place, self._routes, self._sessions, hosts, stopping.wait, streams, said["prefix"] or "", self._shut_out, looking=threading.Lock())
        return Server(site, listener, streams, client.clock, stopping)

    def _shut_out(self) -> None:
        self.on_shut_out()

    def stop(self) -> None:
        """End it, within a second."""
        atexit.unregister(self.stop)
        if self._server is not None and self._pid == os.getpid():
            self._server.stop()
            self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
