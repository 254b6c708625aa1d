"""One request to its answer: guards, login, address, page, in this order. The same for the server here and for WSGI.

Owns that order, and the only place that makes headers. Knows no sockets: a stream of events is answered with a seat in it, which the server fills.

GET changes nothing, but that a code is used up; what is posted without a session changes nothing at all. Whatever a page raises becomes a notice that
says what kind of thing it was, and a line in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ..base.errors import (
    PASSING,
    InvalidArgument,
    InvalidType,
    JobNotFound,
    ScheduleNotFound,
    StoreError,
)
from ..base.log import Log
from . import guarding, login, notices, static_files
from .guarding import FORM_TOKEN, Asked, Hosts
from .messages import Request, Response
from .place import Place
from .routing import Found, Route, parts_of, resolve
from .sessions import LASTS, Sessions

if TYPE_CHECKING:
    from .streams import Seat, Streams

log = Log("litequeue.web")

EVENTS: Final = "/events"
LOGIN: Final = "/login"
LATER: Final = 5  # seconds, to who finds all seats taken: the page asks in that time anyway
NO_TURN: Final = nullcontext()
PAUSE: Final = 1.0  # seconds before the answer to a wrong token

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out, with all of its headers but those of the connection."""

    status: int
    headers: tuple[Header, ...]
    body: bytes = b""
    seat: Seat | None = None  # of a stream, which goes on from here


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has come in."""

    session: str = ""  # empty: by another way than ours
    cookie: str | None = None  # to be set: he has come in just now


class Site:
    """The pages of one file, as one server shows them."""

    def __init__(
        self, place: Place, routes: Sequence[Route], sessions: Sessions | None, hosts: Hosts, pause: Callable[[float], object], streams: Streams | None = None,
        prefix: str = "", on_shut_out: Callable[[], None] = lambda: None, looking: AbstractContextManager[object] = NO_TURN,
    ) -> None:  # fmt: skip
        """``sessions``: None where somebody else asks who it is; ``prefix``: below which all addresses lie, as ``/queue``; ``on_shut_out`` is told
        when somebody sees the login page; ``looking``: held while a page is made that only looks."""
        self.place = place
        self.hosts = hosts
        self._routes = tuple(routes)
        self._sessions = sessions
        self._pause = pause
        self._streams = streams
        self._prefix = prefix
        self._on_shut_out = on_shut_out
        self._looking = looking

    def answer(self, asked: Asked) -> Answer:
        """Never raises."""
        refused = guarding.refusal(asked, self.hosts)
        if refused is not None:
            return self._made(Response(refused.status, notices.notice(refused.status, refused.why)))
        if self._prefix:
            path = asked.path.removeprefix(self._prefix)
            if path == asked.path or path[:1] not in ("", "/"):
                return self.refuse(404)
            asked = replace(asked, path=path, mount=self._prefix)
        if not asked.path:  # from there all that is relative would lead to beside the mount
            return self._made(Response(303, location=f"./{asked.mount.rpartition('/')[2]}/{_question(asked)}"))
        if asked.method != "POST" and asked.path in static_files.files():
            return _static(asked)
        try:
            query = {name: values[-1] for name, values in guarding.fields_of(asked.query).items()}
            form = guarding.fields_of(asked.body.decode("ascii")) if asked.method == "POST" else {}
        except ValueError:
            return self.refuse(400)
        try:
            found = self._answer(asked, query, form)
            return found if isinstance(found, Answer) else self._made(found)
        except Exception as error:  # noqa: BLE001 - whatever a page raises
            return self._made(self._failed(asked, error))

    def refuse(self, status: int) -> Answer:
        """A constant notice, as of what was no request at all."""
        return self._made(Response(status, notices.notice(status)))

    def _answer(self, asked: Asked, query: Mapping[str, str], form: Mapping[str, tuple[str, ...]]) -> Response | Answer:
        visitor = self._visitor(asked, query, form)
        if isinstance(visitor, Response):
            return visitor
        if asked.path == LOGIN or login.typed(form) is not None and not login.is_again(form):
            to = "./" if asked.path == LOGIN else _itself(asked)
            return Response(303, location=to, cookie=visitor.cookie)
        if asked.path == EVENTS and asked.method != "POST":
            return self._stream(asked, visitor)
        found = resolve(self._routes, asked.method, asked.path, may_act=self.place.may_act)
        if not isinstance(found, Found):
            if found.location is not None:
                return Response(303, location=found.location + _question(asked), cookie=visitor.cookie)
            return self._made(Response(found.status, notices.notice(found.status, root=_root(asked)), cookie=visitor.cookie), found.allow)
        request = Request(
            "POST" if asked.method == "POST" else "GET", "/" + "/".join(parts_of(asked.path) or ()), query, login.without_ours(form),
            form_token=self._sessions.form_token(visitor.session) if self._sessions and visitor.session else "", may_act=self.place.may_act,
            accept=asked.header("accept") or "", who=asked.who,
        )  # fmt: skip
        with NO_TURN if asked.method == "POST" else self._looking:
            return _with_cookie(found.function(request, self.place, **found.parameters), visitor.cookie)

    # -- who it is ---------------------------------------------------------------------------------------

    def _visitor(self, asked: Asked, query: Mapping[str, str], form: Mapping[str, tuple[str, ...]]) -> Visitor | Response:
        """Who has come in, or what he is told who has not."""
        sessions, bearer, typed = self._sessions, guarding.bearer_of(asked), login.typed(form)
        if sessions is None:
            return Visitor()
        if bearer is not None:
            return Visitor() if sessions.is_token(bearer) else self._wrong(asked, "", None)
        held = next((cookie for cookie in guarding.cookies_of(asked, _cookie_name(asked)) if sessions.holds(cookie)), None)
        if typed is None and held is None and asked.path == LOGIN and asked.method == "GET":
            typed = query.get("code")
        if typed is not None:
            session = sessions.enter(typed)
            if session is None:
                said = "That is not it, or it has been used. Each code is good for one time."
                return self._wrong(asked, said, form if login.is_again(form) else None)
            log.info("%s has logged in", asked.who)
            return Visitor(session, _cookie(asked, session))
        if held is None:
            return self._shut_out(asked, query, form if asked.method == "POST" else None)
        if asked.method == "POST" and not sessions.is_form_token(held, form.get(FORM_TOKEN, ("",))[-1]):
            return Response(403, notices.notice(403, "The form is from before you logged in: go back, load its page again, and send it from there.", _root(asked)))
        return Visitor(held)

    def _shut_out(self, asked: Asked, query: Mapping[str, str], kept: Mapping[str, tuple[str, ...]] | None) -> Response:
        if guarding.comes_from_elsewhere(asked):
            # A browser that follows another page's link sends no cookie. From this page it does, if it has one.
            return Response(200, notices.leads_on(_itself(asked), _root(asked)))
        if asked.method == "GET" and query.get("part") is None and asked.path != EVENTS:
            self._on_shut_out()
        return self._login_page(asked, kept, "")

    def _wrong(self, asked: Asked, said: str, kept: Mapping[str, tuple[str, ...]] | None) -> Response:
        """What was given was no code or token of ours. That costs a second, and the sixth in a minute is not waited for."""
        assert self._sessions is not None
        seconds = self._sessions.wrong()
        if seconds:
            return Response(429, notices.notice(429, "Too many wrong codes. A right one is taken all the same."), retry_after=seconds)
        log.warning("%s gave a wrong code or token", asked.who)
        self._pause(PAUSE)
        return self._login_page(asked, kept, said)

    def _login_page(self, asked: Asked, kept: Mapping[str, tuple[str, ...]] | None, said: str) -> Response:
        has_token = self._sessions is not None and self._sessions.has_token
        return Response(401, login.page(_root(asked), has_token=has_token, kept=None if kept is None else login.without_ours(kept), said=said))

    # -- what is answered ----------------------------------------------------------------------------------

    def _stream(self, asked: Asked, visitor: Visitor) -> Response | Answer:
        if self._streams is None:
            return Response(503, notices.notice(503, "There is no stream of events here: ask again."), retry_after=LATER)
        seat = None
        if asked.method == "GET":
            lasts = self._sessions.lasts(visitor.session) if self._sessions and visitor.session else LASTS
            seat = self._streams.seat(visitor.session or asked.who, lasts)
            if seat is None:
                return Response(503, notices.notice(503, "All streams of events are taken: ask again."), retry_after=LATER)
        return Answer(200, (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), *guarding.HEADERS), seat=seat)

    def _failed(self, asked: Asked, error: Exception) -> Response:
        if isinstance(error, (JobNotFound, ScheduleNotFound)):
            return Response(404, notices.notice(404, str(error), _root(asked)))
        if isinstance(error, (InvalidArgument, InvalidType)):
            return Response(400, notices.notice(400, str(error), _root(asked)))
        log.error("%s %s failed", asked.method, asked.path[:200], exc_info=error)
        if isinstance(error, (StoreError, *PASSING)):
            return Response(503, notices.notice(503, f"The file cannot be used just now: {error}", _root(asked)), retry_after=LATER)
        return Response(500, notices.notice(500, root=_root(asked)))

    def _made(self, response: Response, allow: Sequence[str] | None = None) -> Answer:
        """With the headers that all have."""
        headers: list[Header] = [("Content-Type", response.type), ("Cache-Control", "no-store"), *guarding.HEADERS, ("Content-Length", str(len(response.body)))]
        if response.location is not None:
            headers.append(("Location", _ours(response.location)))
        if response.cookie is not None:
            headers.append(("Set-Cookie", response.cookie))
        if response.retry_after is not None:
            headers.append(("Retry-After", str(int(response.retry_after))))
        if response.status == 401:
            headers.append(("WWW-Authenticate", "Bearer"))
        if response.status == 405:
            headers.append(("Allow", ", ".join(guarding.METHODS if allow is None else allow)))
        return Answer(response.status, tuple(headers), response.body)


def _static(asked: Asked) -> Answer:
    file = static_files.files()[asked.path]
    headers = (("ETag", file.tag), ("Cache-Control", "no-cache"), *guarding.HEADERS)
    if file.tag in map(str.strip, (asked.header("if-none-match") or "").split(",")):
        return Answer(304, headers)
    return Answer(200, (("Content-Type", file.type), ("Content-Length", str(len(file.body))), *headers), file.body)


def _with_cookie(response: Response, cookie: str | None) -> Response:
    return response if cookie is None else replace(response, cookie=cookie)


def _root(asked: Asked) -> str:
    """From an address as it was sent to that of the overview: in a browser the slashes count, whatever lies between."""
    return "../" * (asked.path.count("/") - 1) or "./"


def _itself(asked: Asked) -> str:
    """From an address to itself."""
    return f"./{asked.path.rpartition('/')[2]}{_question(asked)}"


def _question(asked: Asked) -> str:
    return f"?{asked.query}" if asked.query else ""


def _ours(location: str) -> str:
    """An address below this one, fit for a header. Raises ValueError for what leads elsewhere, or is more than an address."""
    parts = urlsplit(location)
    if not location.isascii() or not location.isprintable() or " " in location or parts.scheme or parts.netloc or parts.path.startswith(("/", "\\")):
        raise ValueError(f"a page leads to {location!r:.200}, which is not relative to it")
    return location


def _cookie_name(asked: Asked) -> str:
    return f"litequeue_{asked.place}"


def _cookie(asked: Asked, session: str) -> str:
    secure = "; Secure" if asked.is_secure else ""
    return f"{_cookie_name(asked)}={session}; Path={asked.mount}/; Max-Age={LASTS}; HttpOnly; SameSite=Strict{secure}"
