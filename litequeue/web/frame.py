"""What is around every page: the head, the sidebar with its counts, the top line with the search, the foot, the keys.

Owns that, and the ``Response`` that a page becomes. Asked for ``?part=main`` it sends ``main`` alone: a page that is open takes from it what has changed.
"""

from __future__ import annotations

from typing import Final

from ..base.search import KEYS
from ..base.states import STATES
from ..store.pages.parts import Range
from ..store.pages.records import Frame
from . import icons, words
from .addresses import here, to
from .html import Child, Markup, el, join, value
from .messages import Request, Response

SLOW: Final = 0.25  # seconds; a page that took longer to read says so
# Word, path, key behind g.
PAGES: Final = (
    ("Overview", "", "overview", "o"),
    ("Jobs", "jobs", "jobs", "j"),
    ("Failures", "failures", "failures", "f"),
    ("Queues", "queues", "queues", "q"),
    ("Tasks", "tasks", "tasks", "t"),
    ("Workers", "workers", "workers", "w"),
    ("Schedules", "schedules", "schedules", "s"),
    ("Workflows", "flows", "flows", "l"),
)
RANGES: Final[tuple[tuple[Range, str], ...]] = (("1h", "1 h"), ("24h", "24 h"), ("30d", "30 d"))
_KEYS: Final = (
    ("/", "search"),
    ("g then o j f q t w s l", "overview, jobs, failures, queues, tasks, workers, schedules, workflows"),
    ("j k", "the next, the previous row"),
    ("x", "select it"),
    ("Enter", "open it"),
    ("r", "run again"),
    ("c", "cancel"),
    (".", "show newer jobs"),
    ("p", "pause the updates, or go on"),
    ("?", "these keys"),
)


def page(
    request: Request, frame: Frame, title: str, *main: Child, top: Child = None, right: Child = None, at: str = "", status: int = 200, has_search: bool = True
) -> Response:
    """``title``: of the window, and the heading unless ``top`` stands in its place; ``at``: the entry of the sidebar that it belongs to."""
    line = el(
        "div",
        el("h1", title) if top is None else top,
        search(request) if has_search else None,
        el("div", _live() if status < 400 and request.method == "GET" else None, right, class_="right"),  # what came of a form cannot be asked for again
        class_="top",
    )
    content = el("main", line, main, class_="main", id="main", tabindex="-1", data_now=frame.now.isoformat())
    if request.is_part:
        return Response(status, content.encode("utf-8", "replace"))
    text = join(
        Markup("<!doctype html>"),
        el("html", _head(request, frame, title), _body(request, frame, content, at), lang="en"),
    )
    return Response(status, text.encode("utf-8", "replace"))


def ranges(request: Request, current: Range) -> Markup:
    """Between which one chooses how far back a page looks."""
    entries = (el("a", text, href=here(request, range=None if each == "1h" else each), aria_current="true" if each == current else None) for each, text in RANGES)
    return el("div", entries, class_="seg", role="group", aria_label="Range")


def crumbs(*entries: tuple[str, str]) -> Markup:
    """The way here, each a word and an address."""
    links = [el("a", value(text, 60), href=href) for text, href in entries]
    inside = [part for entry in links for part in (" / ", entry)][1:]
    return el("nav", inside, class_="crumb", aria_label="Where you are")


def search(request: Request) -> Markup:
    """The field that is at the top of every page but the list of jobs, which has one of its own."""
    field = el(
        "input", name="q", placeholder="Search jobs, or go to an id", aria_label="Search jobs, or go to an id", list="suggestions",
        maxlength=500, autocomplete="off", data_search=True,
    )  # fmt: skip
    return el("form", icons.icon("search"), field, el("kbd", "/"), class_="search", role="search", action=to(request, "jobs"), method="get")


def _head(request: Request, frame: Frame, title: str) -> Markup:
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"litequeue: {title}"),
        el("link", rel="icon", href=to(request, "static", "icon.svg")),
        el("link", rel="stylesheet", href=to(request, "static", "app.css", v=frame.version)),
        el("script", src=to(request, "static", "app.js", v=frame.version), defer=True),
    )


def _body(request: Request, frame: Frame, content: Markup, at: str) -> Markup:
    return el(
        "body",
        el("a", "Skip to content", href="#main", class_="tomain"),
        el("div", _side(request, frame, at), content, class_="app"),
        _suggestions(frame),
        el("p", class_="vh", role="status", id="said"),
        _dialog(),
        data_root=request.root,
    )


def _side(request: Request, frame: Frame, at: str) -> Markup:
    counts: dict[str, tuple[str, bool]] = {
        "jobs": (words.short(frame.jobs), False),
        "failures": (words.count(frame.failures), True),
        **{name: (words.short(count), False) for name, count in (
            ("queues", frame.queues), ("tasks", frame.tasks), ("workers", frame.workers), ("schedules", frame.schedules), ("flows", frame.flows))},
    }  # fmt: skip
    entries = (_entry(request, *entry, *counts.get(entry[1], ("0", False)), entry[2] == at) for entry in PAGES)
    return el(
        "header",
        el("a", icons.LOGO, el("span", "litequeue"), class_="brand", href=to(request), aria_label="litequeue"),
        el("span", value(frame.path), class_="db", title=frame.path),
        el("nav", entries, class_="nav", aria_label="Pages"),
        _foot(request, frame),
        class_="side",
    )


def _entry(request: Request, word: str, path: str, icon: str, key: str, count: str, is_bad: bool, is_current: bool) -> Markup:
    number = None if count == "0" else el("span", count, class_="n bad" if is_bad else "n", data_live=f"n-{path}")
    href = to(request, path) if path else to(request)
    return el("a", icons.icon(icon), word, number, href=href, aria_current="page" if is_current else None, data_go=key)


def _foot(request: Request, frame: Frame) -> Markup:
    keys = el("button", "· ", el("kbd", "?"), " for keys", type="button", class_="plain", data_help=True, hidden=True)
    return el(
        "div",
        f"{words.size(frame.file_bytes)}, {words.size(frame.log_bytes)} log",
        el("br"),
        "actions allowed" if request.may_act else "read-only",
        " ",
        keys,
        (el("br"), f"read in {words.took(frame.took)}") if frame.took >= SLOW else None,
        class_="foot",
    )


def _live() -> Markup:
    """Shown by the script, which keeps the page up to date."""
    return el("button", el("i"), el("span", "live"), type="button", class_="live", id="live", title="Pause the updates", aria_pressed="false", hidden=True)


def _suggestions(frame: Frame) -> Markup:
    found = [f"{key.removesuffix('NAME')}{'' if key.endswith('NAME') else ':'}" for key in KEYS]
    found += [f"state:{state}" for state in STATES]
    found += [f"queue:{name}" for name in frame.queue_names] + [f"task:{name}" for name in frame.task_names]
    return el("datalist", (el("option", value=text) for text in found), id="suggestions")


def _dialog() -> Markup:
    entries = (join(el("dt", ((el("kbd", key), " ") for key in keys.split())), el("dd", what)) for keys, what in _KEYS)
    close = el("form", el("button", "Close", class_="btn"), method="dialog", class_="right")
    inside = el("div", el("header", el("h2", "Keys"), close), el("dl", entries), class_="panel")
    return el("dialog", inside, id="keys", aria_label="Keys")
