"""A port, or a socket in the file system."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from litequeue import CannotOpen, InvalidArgument, LiteQueue
from litequeue.web import listening
from litequeue.web.embedded import EmbeddedWeb

from .conftest import ROUTES, read_all, status_of

pytestmark = pytest.mark.beside


def ask(path: Path, host: str, *lines: str, target: str = "/") -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall("\r\n".join([f"GET {target} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode())
        return read_all(connection)


def test_a_socket_is_for_its_owner_alone_and_is_taken_away(app: LiteQueue, tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    old = os.umask(0)
    try:
        with EmbeddedWeb(app._client, {"socket": str(path)}, routes=ROUTES) as web:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600 and web.port == 0
            assert status_of(ask(path, "localhost:9000")) == 401 and status_of(ask(path, "evil.example:9000")) == 421
            code = web.url.partition("code=")[2]
            assert web.address == "http://127.0.0.1:8010/"
            said = ask(path, "localhost:9000", target=f"/login?code={code}")
            assert b"Set-Cookie: litequeue_9000=" in said
            cookie = said.partition(b"Set-Cookie: ")[2].partition(b";")[0].decode()
            assert f" uid {os.getuid()} ".encode() in ask(path, "localhost:9000", f"Cookie: {cookie}")
    finally:
        os.umask(old)
    assert not path.exists()


def test_a_socket_that_a_killed_server_left_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    found = listening.listen_at(str(path))
    with pytest.raises(CannotOpen, match="somebody listens there already"):
        listening.listen_at(str(path))
    found.close()
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(CannotOpen, match="is no socket"):
        listening.listen_at(str(path))
    assert path.read_text() == "mine"


def test_one_that_somebody_put_in_its_place_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    found = listening.listen_at(str(path))
    path.rename(tmp_path / "away")
    path.write_text("another's")
    found.close()
    assert path.exists()


def test_no_socket_is_made_where_others_can_put_another_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for path, why in ((tmp_path / "open" / "s", "can be written by others"), (tmp_path / "no" / "s", "No such file"), (tmp_path / ("a" * 120), "too long")):
        with pytest.raises(CannotOpen, match=why):
            listening.listen_at(str(path))


def test_a_port_that_is_taken_is_said_to_be(app: LiteQueue) -> None:
    with EmbeddedWeb(app._client, {"port": 0}, routes=ROUTES) as web, pytest.raises(InvalidArgument, match=f"port {web.port} of 127.0.0.1 is in use"):
        EmbeddedWeb(app._client, {"port": web.port}, routes=ROUTES).start()


def test_only_this_machines_own_addresses_are_its_own() -> None:
    assert all(map(listening.is_loopback, ("127.0.0.1", "127.9.9.9", "localhost", "::1")))
    assert not any(map(listening.is_loopback, ("0.0.0.0", "::", "192.0.2.1")))
    with pytest.raises(InvalidArgument, match="no address of this machine"):
        listening.is_loopback("no.such.name.invalid")


def test_an_address_of_the_other_kind_is_served(app: LiteQueue) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"there is no IPv6 here: {error}")
    with EmbeddedWeb(app._client, {"host": "::1", "port": 0}, routes=ROUTES) as web:
        assert web.address == f"http://[::1]:{web.port}/"
        with socket.create_connection(("::1", web.port)) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: [::1]:{web.port}\r\n\r\n".encode())
            assert status_of(read_all(connection)) == 401
