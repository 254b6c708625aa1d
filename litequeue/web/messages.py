"""What a browser asks, and what it is answered, as values: the same for the server here and for WSGI.

Owns their fields and nothing else. Who may ask is decided before (``guarding``); the pages take a ``Request`` and know
neither sockets nor environments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request that has passed the guards."""

    method: str  # GET or POST; a HEAD is a GET whose body is not sent
    path: str  # below the prefix, decoded, with a slash at its front: /jobs/12
    query: Mapping[str, str] = field(default_factory=dict)  # the last value of each name
    form: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of a POST
    form_token: str = ""  # goes into each form, and has been found right in one that was sent
    may_act: bool = False  # --allow-actions: forms instead of commands to copy
    accept: str = ""  # which kinds of answer it says it takes
    who: str = ""  # for the log and the rows of actions, such as 127.0.0.1

    @property
    def root(self) -> str:
        """From this address to that of the overview, so that links work below any prefix: "", "../", ..."""
        return "../" * (self.path.count("/") - 1) or "./"

    @property
    def is_part(self) -> bool:
        """Only what lies in ``main`` is asked for, by a page that is open (``?part=main``)."""
        return self.query.get("part") == "main"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. Header values are constants and integers, or an address of ours."""

    status: int
    body: bytes = b""
    type: str = "text/html; charset=utf-8"
    location: str | None = None  # of a 303, relative
    cookie: str | None = None  # the whole value of Set-Cookie
    retry_after: int | None = None  # seconds
