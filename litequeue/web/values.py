"""Single values as the page shows them: a state, a moment, a job, a command to copy, a button that acts.

Owns what each looks like, in whatever table it stands. Takes values and makes elements; asks nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from ..base import stored
from ..base.masking import COMMAND
from ..base.records import JobInfo
from ..base.states import STATES
from ..store.pages.records import Frame
from . import icons, words
from .addresses import to
from .html import Child, Markup, el, join, value
from .messages import Request

TASK: Final = 80  # characters of a name in a table: the column cuts it, and this bounds what is sent
LINE: Final = 120  # of an error or of arguments


def state(name: str, *, is_pill: bool = False) -> Markup:
    """Its word, shape and colour: never a colour alone."""
    known = name if name in STATES else "available"
    return el("span", icons.icon(known), name if name in STATES else value(name, 40), class_=f"st {known}{' pill' if is_pill else ''}")


def moment(at: datetime | None, now: datetime, *, form: str = "ago") -> Markup:
    """``ago``: "2 min ago", which goes on as time passes; ``left``: the same, never as a date; ``clock``: 14:02:11; ``minute``: 14:02; ``day``."""
    if at is None:
        return Markup()
    if form in ("ago", "left"):
        seconds = -words.since(at, now)
        text = f"in {words.age(seconds)}" if form == "left" and seconds >= 1 else words.ago(at, now)
        return el("time", text, datetime=at.isoformat(), title=words.whole(at), data_ago=True)
    text = words.day(at, now) if form == "day" else words.clock(at, now, seconds=form == "clock")
    return el("time", text, datetime=at.isoformat(), title=words.whole(at))


def task_of(job: JobInfo) -> str:
    """What a job runs: of a command its first word says more than the task."""
    if job.task != COMMAND:
        return job.task
    try:
        command: Any = stored.loads(job.kwargs)
        first = command["argv"][0] if "argv" in command else command["command"].split(maxsplit=1)[0]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):  # planted by somebody
        return job.task
    return f"{job.task} ({first:.40})" if isinstance(first, str) else job.task


def job_link(request: Request, job: int, text: Child = None) -> Markup:
    return el("a", f"#{job:,}" if text is None else text, href=to(request, "jobs", job), class_="name")


def link(text: Child, href: str, *, class_: str = "link") -> Markup:
    return el("a", text, href=href, class_=class_)


def search_link(request: Request, text: Child, query: str, *, class_: str = "link") -> Markup:
    """To the jobs that a search finds."""
    return link(text, to(request, "jobs", q=query), class_=class_)


def tag(text: Child, tone: str = "") -> Markup:
    return el("span", text, class_=f"tag {tone}".strip())


# -- what one may do ------------------------------------------------------------------------------------


DEMO: Final = "litequeue demo"


def command(frame: Frame, verb: str, *given: str) -> str:
    """A command of litequeue's about this file, to be typed into a shell. ``verb``: such as "retry", or "schedule run"."""
    return shlex.join(("litequeue", *verb.split(), frame.path, *given))


def copied(text: str, label: str, *, key: str | None = None, words_: Child = None) -> Markup:
    """A button that copies. Without a script there is none: the text stands beside it. ``key``: of the keyboard."""
    shown = (icons.icon("copy"), words_, el("kbd", key) if key and words_ else None)
    name = None if words_ else label
    return el("button", shown, type="button", class_="btn quiet", data_copy=text, data_key=key, aria_label=name, title=label, hidden=True)


def strip(text: str, label: str) -> Markup:
    """A command with a button to copy it, at the foot of a panel."""
    return el("div", el("code", text, tabindex=0), copied(text, f"Copy the command: {label}"), class_="cli")


def form(request: Request, target: str, *children: Child, class_: str | None = "in") -> Markup:
    """One that acts. Only where somebody may; without that there is no such address either."""
    return el("form", hidden("form_token", request.form_token), children, method="post", action=target, class_=class_)


def hidden(name: str, given: str | int) -> Markup:
    return el("input", type="hidden", name=name, value=str(given))


def button(text: str, icon: str, *, tone: str = "", key: str | None = None, ask: str | None = None, name: str | None = None, given: str | None = None) -> Markup:
    """``ask``: what the keyboard's way asks first."""
    inside = (icons.icon(icon), text, el("kbd", key) if key else None)
    return el("button", inside, type="submit", class_=f"btn {tone}".strip(), data_key=key, data_ask=ask, name=name, value=given)


# -- tables and panels ----------------------------------------------------------------------------------


def head(*columns: str | tuple[str, str], order: str | None = None) -> Markup:
    """The heads of a table's columns: each a word, or a word and its class (num, opt, grow); without a word there is nothing to be read.
    ``order``: of the last column, by which the rows are sorted."""
    pairs = [(column, "") if isinstance(column, str) else column for column in columns]
    orders = [*[None] * (len(pairs) - 1), order]
    cells = (
        el("th", word, None if way is None else " ↓" if way == "descending" else " ↑", scope="col", class_=class_ or None, aria_sort=way) if word else el("td", class_=class_ or None)
        for (word, class_), way in zip(pairs, orders, strict=True)
    )
    return el("thead", el("tr", cells))


def table(top: Child, rows: Iterable[Markup], *, class_: str | None = None) -> Markup:
    return el("table", top, el("tbody", rows), class_=class_)


def as_table(inside: Markup) -> Markup:
    """What a drawing shows, for whoever cannot see it."""
    return el("details", el("summary", "The same as a table"), el("div", inside, class_="scroll"))


def panel(title: str, *children: Child, note: Child = None, right: Child = None, live: str | None = None, shown: Child = None) -> Markup:
    """A section with its heading. ``live``: its name among the blocks that are kept up to date; ``shown``: in the place of the title."""
    top = el(
        "header",
        el("h2", title if shown is None else shown),
        None if note is None else el("span", note, class_="muted small"),
        None if right is None else el("span", right, class_="right"),
    )
    return el("section", top, children, class_="panel", aria_label=title, data_live=live)


def empty(text: Child, typed: str | None = None) -> Markup:
    """In the place of what is not there: what to do next."""
    return el("p", text, None if typed is None else (" ", el("code", typed)), class_="empty")


def facts(*pairs: tuple[str, Child], class_: str = "facts") -> Markup:
    """Names and values; a pair without a value is left out."""
    return el("dl", (join(el("dt", name), el("dd", given)) for name, given in pairs if given not in (None, "", (), [])), class_=class_)


def error_line(kind: str, message: str) -> Markup:
    """``TimeoutError: read timed out``."""
    return value(f"{kind}: {message}" if kind and message else kind or message, LINE)
