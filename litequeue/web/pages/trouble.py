"""What went wrong with a request that had passed the guards: nothing at that address, a search that makes no sense, a file that cannot be read.

Owns those pages. They say what was given, what there is, and where to go.
"""

from __future__ import annotations

from ...base.search import KEYS, Query
from ...store.pages.records import Frame
from .. import icons
from ..addresses import to
from ..frame import page
from ..html import Markup, el, value
from ..messages import Request, Response
from ..values import facts, link, panel
from .jobs import filter_field

_EXAMPLES = (
    ("state:discarded,expired", "in one of these states"),
    ("task:shop.*", "of the tasks whose names begin so"),
    ("error:Timeout age:<1d", "that failed so, and were enqueued within a day"),
    ("args.user.id:123", "that were called so"),
    ("took:>30s -queue:reports", "that ran longer, and not in that queue"),
    ('"read timed out"', "words in the task or the error"),
    ("482071", "one job"),
)


def missing(frame: Frame, request: Request, what: str = "There is nothing at this address.") -> Response:
    """404. ``what``: such as "There is no job 12 in this file"."""
    ways = el("p", link("Overview", to(request)), ", ", link("jobs", to(request, "jobs")), ", ", link("queues", to(request, "queues")), ", ", link("schedules", to(request, "schedules")))
    return page(request, frame, "Not found", _told(what, ways), status=404)


def wrong_query(why: str, text: str, frame: Frame, request: Request) -> Response:
    """400. ``why``: what the grammar says of it; ``text``: as it was typed."""
    said = el("section", icons.icon("failures"), el("div", el("b", "This search means nothing."), el("p", value(why, 600))), class_="callout warn", aria_label="What is wrong with it")
    keys = el("p", "The keys: ", ((", " if number else "", el("code", f"{key}:")) for number, key in enumerate(KEYS)), class_="body")
    examples = facts(*((example, meaning) for example, meaning in _EXAMPLES), class_="facts typed")
    return page(request, frame, "Jobs", filter_field(request, Query(), text), said, panel("How to search", keys, examples), at="jobs", status=400, has_search=False)


def failed(why: str, frame: Frame, request: Request, *, status: int = 503) -> Response:
    """The file is busy, or cannot be read. ``why``: an error of the store's, in words for people."""
    return page(request, frame, "Not now", _told(why, el("p", link("Try again", to(request, *request.path.strip("/").split("/"))))), status=status)


def _told(what: str, ways: Markup) -> Markup:
    return el("section", el("div", el("p", value(what, 1000)), ways, class_="body page"), class_="panel", aria_label="What went wrong")
