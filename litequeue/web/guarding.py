"""Who may ask: decided from the words of a request alone, before anything is looked at.

Pure. Three things that a browser does for a stranger are met here.

- A name of his own that leads to this machine (rebinding): only hosts that are known are answered, on every route.
- A page of his that posts here, with the visitor's cookie. A SameSite=Strict cookie of one port of this machine goes to all of its ports, and so does a post
  from a page at another (measured), so the origin decides, *with* its port; a browser that names none says by Sec-Fetch-Site where it comes from.
- A page of his that has parts loaded from here: those are refused, other than by being gone to.

A program that has the token in a header is no browser, and no page can make one send that header; it is asked for no origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from ..options.web import HOST

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
METHODS: Final = ("GET", "HEAD", "POST")
FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 2000  # of a form, or of a query
FORM_TOKEN: Final = "form_token"
# No referrer at all would have a browser say "Origin: null" of our own forms (measured).
HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "same-origin"),
)
_BEARER: Final = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came, whatever brought it: the words, and nothing decided."""

    method: str
    path: str  # below the prefix, as it was sent: /jobs/12
    query: str = ""  # as it was sent
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the names in small letters
    body: bytes = b""
    who: str = ""  # for the log: 127.0.0.1, or a user where another guard has named him
    place: str = ""  # the port, which tells our cookie from those of others at this host
    mount: str = ""  # the prefix
    is_secure: bool = False  # came by TLS, as far as can be known

    def header(self, name: str) -> str | None:
        """The one value of a header; None where there is none, or several, of which nobody knows which one others believe."""
        found = self.headers.get(name, ())
        return found[0].strip() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Hosts:
    """At which names the page is served; a name without a port stands for the two that browsers do not say."""

    names: frozenset[str]
    any_port: bool = False  # of this machine: a socket's is chosen by whoever leads one to it
    any_name: bool = False  # somebody in front decides

    def allow(self, host: str | None) -> bool:
        found = HOST.fullmatch((host or "").lower())
        if found is None:
            return False
        return self.any_name or found[0] in self.names or self.any_port and found[1] in LOOPBACK

    def allow_origin(self, origin: str, host: str) -> bool:
        """Whether a page of that origin is one of ours, in a request that came to ``host``."""
        scheme, _, name = origin.lower().partition("://")
        return scheme in ("http", "https") and (name in self.names or (self.any_port or self.any_name) and name == host.lower())


def hosts_of(bound: str, port: int, also: Iterable[str] = ()) -> Hosts:
    """Those of a server at an address and a port; ``also``: names that lead there, or to a proxy before it, which may have ports of their own."""
    names = {*LOOPBACK} if bound in ("0.0.0.0", "::") else {*LOOPBACK, f"[{bound}]" if ":" in bound else bound}
    found = {f"{name}:{port}" for name in names} | (names if port == 80 else set())
    for name in map(str.lower, also):
        found |= {name} if re.search(r":[0-9]+$", name) and not name.endswith("]") else {name, f"{name}:{port}"}
    return Hosts(frozenset(found))


def hosts_of_socket(also: Iterable[str] = ()) -> Hosts:
    return Hosts(frozenset(map(str.lower, also)), any_port=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    why: str


def refusal(asked: Asked, hosts: Hosts) -> Refusal | None:
    """Of any request, whoever has sent it."""
    if not hosts.allow(asked.header("host")):
        return Refusal(421, "The page is not served at this name: start it with --allow-host NAME, or NAME:PORT as it stands in the browser's address.")
    if asked.method not in METHODS:
        return Refusal(405, "Only GET, HEAD and POST are understood.")
    if bearer_of(asked) is not None:
        return _odd_form(asked)
    origin, site = asked.header("origin"), asked.header("sec-fetch-site")
    if asked.method == "POST":
        if "origin" in asked.headers:
            if origin is None or not hosts.allow_origin(origin, asked.header("host") or ""):
                return Refusal(403, "The form was sent by a page of another address. If that is a proxy's before this one, start it with --allow-host NAME (allow_host).")
        elif site != "same-origin":
            return Refusal(403, "The form does not say which page sent it.")
        return _odd_form(asked)
    if site in ("cross-site", "same-site") and not is_gone_to(asked):
        return Refusal(403, "This is no part of another page.")
    return None


def _odd_form(asked: Asked) -> Refusal | None:
    if asked.method == "POST" and (asked.header("content-type") or "").partition(";")[0].strip().lower() != FORM:
        return Refusal(415, f"What is posted must be a form: {FORM}.")
    return None


def is_gone_to(asked: Asked) -> bool:
    """Whether a browser is on its way to show it as a page."""
    return asked.header("sec-fetch-mode") == "navigate" and asked.header("sec-fetch-dest") in (None, "document")


def comes_from_elsewhere(asked: Asked) -> bool:
    """Whether a browser comes here from a page of another origin, and so without the cookie that it may well have."""
    return asked.method == "GET" and asked.header("sec-fetch-site") in ("cross-site", "same-site") and is_gone_to(asked)


def bearer_of(asked: Asked) -> str | None:
    """The token that a program sends in a header."""
    found = _BEARER.fullmatch(asked.header("authorization") or "")
    return found[1] if found else None


def cookies_of(asked: Asked, name: str) -> list[str]:
    """The values of a cookie: several, where one of an address above has the same name."""
    pairs = [pair.partition("=") for line in asked.headers.get("cookie", ()) for pair in line.split(";")]
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def fields_of(text: str) -> dict[str, tuple[str, ...]]:
    """A form, or a query. Raises ValueError for what is none."""
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}
