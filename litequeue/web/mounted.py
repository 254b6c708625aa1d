"""The same pages as a WSGI application, to be mounted in another one: under Flask, Django, or any server.

Owns the way from an environ to what is asked, and from an answer to ``start_response``. Where it is mounted (SCRIPT_NAME) is honoured. There are no streams
of events, each of which would take one of the server's threads: the page asks by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ..base import checks
from ..base.errors import InvalidArgument, InvalidType
from ..options.web import HOSTS
from .guarding import Asked, Hosts
from .heads import length_of
from .place import Place
from .routes import ROUTES
from .routing import Route
from .sessions import Sessions
from .site import Site
from .tokenfile import token_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from ..binding import Binding

_SAFE: Final = "/!$&'()*+,;=:@~"  # in a path
_SENT: Final = "".join(map(chr, range(33, 127)))  # in a query, which the server has not decoded


def wsgi(
    app: Binding, *, login: bool = True, token_file: str | None = None, allow_host: str | Iterable[str] | None = None, allow_actions: bool = False,
    routes: Iterable[Route] = ROUTES,
) -> WSGIApplication:  # fmt: skip
    """The page of an app's file as a WSGI application.

    ``login``: people log in here, with the token that is in ``token_file`` (made where there is none; the same for all of a server's processes).
    ``login=False``, if it is mounted where the application around it lets nobody pass who may not: then whoever comes here is in, and is called
    what that says (REMOTE_USER). ``allow_host``: the names at which it is served; left out, the application around it answers for that.
    ``allow_actions`` lets people change things. Raises InvalidArgument or InvalidType, and CannotOpen for a token that cannot be had.
    """
    from ..binding import Binding

    if not isinstance(app, Binding):
        raise InvalidType(f"wsgi takes an app, a LiteQueue, not {type(app).__name__}: {app!r:.100}")
    checks.flag(login, "login"), checks.flag(allow_actions, "allow_actions")
    if login and token_file is None:
        raise InvalidArgument("give token_file=, with which people log in; or login=False, where the application around it lets nobody pass who may not")
    if not login and token_file is not None:
        raise InvalidArgument("with login=False nobody is asked for a token: leave token_file out")
    client = app._client
    sessions = Sessions(client.clock, token_of(checks.line(token_file, "token_file"))[0]) if login else None
    names = None if allow_host is None else frozenset(map(str.lower, HOSTS.check(allow_host, "allow_host")))
    hosts = Hosts(names or frozenset(), any_name=names is None)
    site = Site(Place(client, client.path, allow_actions, client.clock), tuple(routes), sessions, hosts, time.sleep)
    return _Application(site)


class _Application:
    """One mount."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = _asked(environ)
        said = environ.get("CONTENT_LENGTH")
        length = length_of(asked.method, [said] if said else [])
        if isinstance(length, HTTPStatus):
            answer = self._site.refuse(length.value)
        else:
            body = environ["wsgi.input"].read(length) if length else b""
            answer = self._site.answer(_asked(environ, body))
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
        return [] if asked.method == "HEAD" else [answer.body]


def _asked(environ: WSGIEnvironment, body: bytes = b"") -> Asked:
    headers = {name[5:].replace("_", "-").lower(): (str(value),) for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = (environ["CONTENT_TYPE"],)
    if "host" not in headers:
        headers["host"] = (f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}",)
    mount = _as_sent(environ, "SCRIPT_NAME", _SAFE).rstrip("/")
    return Asked(
        environ["REQUEST_METHOD"], _as_sent(environ, "PATH_INFO", _SAFE) or ("" if mount else "/"), _as_sent(environ, "QUERY_STRING", _SENT), headers, body,
        who=environ.get("REMOTE_USER") or environ.get("REMOTE_ADDR") or "", place=environ["SERVER_PORT"], mount=mount, is_secure=environ["wsgi.url_scheme"] == "https",
    )  # fmt: skip


def _as_sent(environ: WSGIEnvironment, name: str, safe: str) -> str:
    """What the server has made of an address. Its bytes stand there as characters (PEP 3333)."""
    return quote(str(environ.get(name, "")).encode("latin-1", "replace"), safe=safe)


