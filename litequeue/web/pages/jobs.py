"""The list of jobs: the search, a tab for each state, fifty rows, and what may be done with those that are selected, or with all that match.

Owns that page. New jobs never move the rows that somebody looks at: how many there are is said above them.
"""

from __future__ import annotations

from typing import Final

from ...base.search import Query, Span, Term, written
from ...base.states import FINAL, STATES, WAITING, JobState
from ...store.pages.parts import Count
from ...store.pages.records import Frame, JobsPage
from .. import icons, words
from ..addresses import here, to
from ..frame import page
from ..html import Child, Markup, el, join, value
from ..messages import Request, Response
from ..values import DEMO, button, command, copied, empty, form, hidden, state
from . import rows

_TABS: Final[tuple[JobState, ...]] = ("running", "available", "scheduled", "retrying", "blocked", "discarded", "cancelled", "expired", "succeeded")
_WHEN: Final = {"id": "Time", "started": "Started", "due": "Due", "ended": "Ended"}
_ORDERS: Final = {"id": None, "started": "ascending", "due": "ascending", "ended": "descending"}
_HINT: Final = "task:  queue:  error:  args.path:  schedule:  worker:  id:"
RETRIED: Final = FINAL
CANCELLED: Final = WAITING | {"running"}
_SLOW: Final = 0.1  # seconds


def jobs(view: JobsPage, frame: Frame, request: Request) -> Response:
    text = written(view.query)
    copy = copied(command(frame, "jobs", *([text] if text else [])), "Copy this search as a command", words_="Copy as command")
    table = rows.jobs(view.rows, request, frame.now, _WHEN[view.order], has_boxes=request.may_act, order=_ORDERS[view.order]) if view.rows else _nothing(view)
    inside = (_tabs(view, request), _bulk(view, request), _news(view, request), table, _foot(view, request))
    panel = el("section", el("h2", "Jobs that match" if text else "All jobs", class_="vh"), inside, class_="panel", aria_label="Jobs", data_newest=str(view.newest))
    listed = form(request, to(request, "jobs", "act"), hidden("q", text), panel, class_=None) if request.may_act else panel
    return page(request, frame, "Jobs", filter_field(request, view.query), listed, at="jobs", right=copy, has_search=False)


# -- the search -----------------------------------------------------------------------------------------


def filter_field(request: Request, query: Query, text: str | None = None) -> Markup:
    """What is asked for, as text that can be changed, and each term as a chip that can be taken away. ``text``: it makes no sense, and stands as it was typed."""
    typed = written(query) if text is None else text
    field = el(
        "input", name="q", value=typed or None, placeholder=_HINT, aria_label="Filter jobs", list="suggestions", maxlength=500, autocomplete="off", data_search=True,
    )  # fmt: skip
    chips = el("div", (_chip(request, query, term) for term in query.terms), class_="chips") if len(query.terms) > 1 else None
    inside = (icons.icon("search"), field, el("kbd", "/"), el("button", "Search", class_="vh"))
    return join(el("form", inside, class_="filter", role="search", action=to(request, "jobs"), method="get"), chips)


def _chip(request: Request, query: Query, term: Term) -> Markup:
    left = written(Query(tuple(each for each in query.terms if each is not term)))
    key, colon, rest = written(Query((term,))).partition(":")
    shown = (el("b", key, colon), value(rest)) if colon else value(key)
    href = to(request, "jobs", q=left or None)
    return el("a", shown, icons.icon("discarded"), class_="chip", href=href, aria_label=f"Search without {key}{colon}{rest}")


def _tabs(view: JobsPage, request: Request) -> Markup:
    counts = dict(view.tabs)
    chosen = states_of(view.query)
    tabs = [_tab("all", None, chosen is None, _with_state(view.query), request)]
    tabs += [_tab(state(each), counts.get(each), chosen == {each}, _with_state(view.query, each), request) for each in _TABS]
    return el("nav", tabs, class_="tabs", aria_label="States", data_live="tabs")


def _with_state(query: Query, *states: str) -> str:
    return written(query.with_term("state", *states))


def _tab(text: Child, count: Count | None, is_current: bool, query: str, request: Request) -> Markup:
    number = None if count is None else (" ", el("span", words.count(count), class_="c"))
    return el("a", text, number, href=to(request, "jobs", q=query or None), aria_current="true" if is_current else None)


def states_of(query: Query) -> set[str] | None:
    """Those that a search is limited to; None for all of them."""
    found: set[str] | None = None
    for term in query.terms:
        if term.key == "state":
            named = {text.text for text in term.values if not isinstance(text, Span)}
            if term.is_not:
                named = set(map(str, STATES)) - named
            found = named if found is None else found & named
    return found


# -- what may be done -----------------------------------------------------------------------------------


def _bulk(view: JobsPage, request: Request) -> Markup | None:
    """For those that are selected; a button that names all that match asks first too."""
    if not request.may_act or not view.rows:
        return None
    states = {job.state for job in view.rows}
    every = el("input", type="checkbox", data_all=True, aria_label="Select all that are shown", hidden=True, autocomplete="off")
    buttons = []
    if states & RETRIED:
        buttons.append(button("Run again", "retrying", key="r", ask="Run the selected jobs again?", name="op", given="retry"))
    if states & CANCELLED:
        buttons.append(button("Cancel", "cancelled", key="c", ask="Cancel the selected jobs?", name="op", given="cancel"))
    if states & RETRIED:
        buttons.append(button("Delete", "discarded", tone="danger", name="op", given="purge"))
    return el("div", every, el("b", "With the selected"), buttons, _all_matching(view, states), class_="bulk")


def _all_matching(view: JobsPage, states: set[JobState]) -> Markup | None:
    if view.matching is None or not view.query.terms or view.matching.number <= len(view.rows):
        return None
    every = f"all {words.count(view.matching)} that match"
    op, label = ("retry", f"Run {every} again") if states & RETRIED else ("cancel", f"Cancel {every}")
    return el("button", label, type="submit", name="all", value=op, class_="btn quiet")


def _news(view: JobsPage, request: Request) -> Markup:
    text = None
    if view.newer:
        text = el("a", f"{view.newer:,} newer {'job' if view.newer == 1 else 'jobs'}: show them ", el("kbd", "."), class_="news", href=here(request, before=None, seen=None))
    return el("div", text, data_live="news")


# -- below ----------------------------------------------------------------------------------------------


def _nothing(view: JobsPage) -> Markup:
    if view.looked_down_to is not None:
        return empty("None of these so far.")
    if view.query.terms:
        return empty("No job matches. A shorter search finds more; the keys are suggested as you type.")
    return empty("No job has been enqueued yet. Try it:", DEMO)


def _foot(view: JobsPage, request: Request) -> Markup:
    hint = el("span", el("kbd", "j"), " ", el("kbd", "k"), " move, ", (el("kbd", "x"), " select, ") if request.may_act else None, el("kbd", "↵"), " open", class_="hint")
    older = None
    if view.next is not None:
        older = el("a", "Look further" if view.looked_down_to is not None else "Older", href=here(request, before=view.next, seen=None), class_="btn", rel="next")
    return rows.more((el("span", _found(view)), hint, older))


def _found(view: JobsPage) -> str:
    count = len(view.rows)
    took = f", found in {words.took(view.took)}"
    if view.looked_down_to is not None:
        first = f" {view.looked_from:,}" if view.looked_from is not None else ""
        return f"looked at jobs{first} to {view.looked_down_to:,}: {count} found{took}"
    if view.matching is not None and view.matching.number > count:
        return f"{count} of {words.count(view.matching)}{took}"
    return f"{words.jobs(count)}{took if view.took >= _SLOW or count else ''}"
