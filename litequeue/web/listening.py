"""Where the page listens: a port of an address, or a socket in the file system.

Owns the listening socket, and what is told of who comes to it. Asks no name server: the stock HTTP server asks for its own name as it binds, which took 35 s
where nobody answered (cpython#106505).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from typing import Final

from ..base.errors import CannotOpen, InvalidArgument
from ..base.trust import cure, why_untrusted

BACKLOG: Final = 128


class Listener:
    """A listening socket, and how it is spoken of."""

    def __init__(self, listening: socket.socket, host: str, port: int, path: str | None = None) -> None:
        listening.setblocking(False)
        self.socket = listening
        self.host = host
        self.port = port  # 0: of a socket in the file system
        self.path = path
        self._inode = None if path is None else os.lstat(path).st_ino

    def accept(self) -> tuple[socket.socket, str]:
        """Who has come. Raises BlockingIOError if nobody has, or another OSError."""
        taken, address = self.socket.accept()
        return taken, str(address[0]) if self.path is None else _user_of(taken)

    def place_of(self, host: str) -> str:
        """What tells this server from others at the same host, for the name of a cookie; ``host`` is what a request says."""
        if self.port:
            return str(self.port)
        port = host.rpartition(":")[2]
        return port if port.isascii() and port.isdigit() else "socket"

    def close(self) -> None:
        self.socket.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                if os.lstat(self.path).st_ino == self._inode:  # nobody has another one there by now
                    os.unlink(self.path)

    def forget(self) -> None:
        """In the child of a fork: the file stays."""
        self.socket.close()


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone. Raises InvalidArgument for what is none."""
    import ipaddress  # where another one is named

    return all(ipaddress.ip_address(found.partition("%")[0]).is_loopback for _, found in _addresses(host))


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InvalidArgument(f"host {host!r:.200} is no address of this machine: {getattr(error, 'strerror', None) or error}") from None
    return [(family, str(address[0])) for family, _, _, _, address in found if family in (socket.AF_INET, socket.AF_INET6)]


def listen(host: str, port: int) -> Listener:
    """At a port, 0: any that is free. Raises InvalidArgument."""
    family, address = _addresses(host)[0]
    try:
        made = socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = "is in use; another one is chosen with --port, and any that is free with 0" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise InvalidArgument(f"port {port} of {host} {why}") from None
    return Listener(made, address, int(made.getsockname()[1]))


def listen_at(path: str) -> Listener:
    """At a socket that its owner alone can connect to. Raises CannotOpen, or InvalidArgument where there are none."""
    if not hasattr(socket, "AF_UNIX"):  # pragma: no cover - Windows
        raise InvalidArgument("socket: this system has none in its file system; use host and port")
    path = os.path.abspath(os.path.expanduser(path))
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if (why := why_untrusted(os.path.dirname(path))) is not None:
            raise CannotOpen(f"no socket is made in {os.path.dirname(path)}, since {why}; {cure(why)}")
        _take_away_left_one(path)
        made.bind(path)
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
        made.listen(BACKLOG)  # nobody can connect before
        return Listener(made, "", 0, path)
    except CannotOpen:
        made.close()
        raise
    except OSError as error:
        made.close()
        raise CannotOpen(f"{path}: no socket can be made there: {error.strerror or error}") from None


def _take_away_left_one(path: str) -> None:
    """A socket that nobody listens at any more, of a server that was killed."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotOpen(f"{path} is there already, and is no socket: name another")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise CannotOpen(f"{path}: somebody listens there already")


def _user_of(connection: socket.socket) -> str:
    """Whose process is at the other end, where the system says it."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return "socket"
    with contextlib.suppress(OSError):
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
        return f"uid {uid}"
    return "socket"
