"""What a key does: from a state and what is shown to another state, and to what is to be done outside of it. Pure.

Owns which keys there are, and their list for people. They are those of the page in a browser wherever that has one. Nothing of the file is changed by a key
alone: ``!`` lets that be asked for, and then each deed asks once more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, NamedTuple

from ...base.errors import InvalidArgument
from ...base.search import MOST_CHARACTERS, parse
from ...store.pages.records import JobsPage
from .asking import question_of
from .state import (
    INTERVALS,
    RANGES,
    VIEWS,
    Chosen,
    Deed,
    Name,
    Question,
    Shown,
    State,
    View,
    chosen,
    names_of,
)

LETTERS: Final[dict[str, View]] = {"o": "overview", "j": "jobs", "q": "queues", "w": "workers", "s": "schedules"}  # behind g
PAGE: Final = 10  # rows, where nobody has said how many there is room for

KEYS: Final = (
    ("1 2 3 4 5", "overview, jobs, queues, workers, schedules; Tab is the next one"),
    ("g then o j q w s", "the same"),
    ("j k, arrows", "the next, the previous row; PgDn PgUp Home End"),
    ("Enter", "open a job, or the jobs of a queue, worker or schedule; Esc goes back"),
    ("/", "search jobs, such as state:discarded error:Timeout age:<1d"),
    ("n N", "older jobs, newer ones again"),
    ("x", "mark a job, for r and c; X takes all marks away"),
    ("d", "the last hour, day or month (overview)"),
    ("Space p", "pause the updates, or go on"),
    ("+ -", "update more often, less often"),
    ("!", "unlock what changes something, or lock it again"),
    ("r", "run a job again, or a schedule now"),
    ("c", "cancel a job"),
    ("P", "pause or resume a queue or a schedule"),
    ("?", "these keys"),
    ("q", "leave; so does Ctrl-C, and Ctrl-Z suspends"),
)


class Step(NamedTuple):
    """What a key came to."""

    state: State
    effect: Literal["", "quit", "read", "redraw", "act"] = ""
    deed: Deed | None = None  # of act


def press(state: State, key: str, shown: Shown, room: int = PAGE) -> Step:
    """``key``: a character, or a word such as ``enter``; ``room``: rows that are seen at once."""
    if key == "ctrl-c":
        return Step(state, "quit")
    if key == "ctrl-l":
        return Step(state, "redraw")
    state = replace(state, message="")
    if state.question is not None:
        return _answered(state, state.question, key)
    if state.typed is not None:
        return _typed(state, state.typed, key)
    if state.is_help:
        moved = _scrolled(state, key, room)
        return Step(replace(state, is_help=False, scroll=0) if moved is None else moved, "quit" if key == "q" else "")
    if state.goes:
        view = LETTERS.get(key)
        return Step(replace(state, goes=False)) if view is None else _to(replace(state, goes=False), view)
    return _plain(state, key, shown, room)


def _plain(state: State, key: str, shown: Shown, room: int) -> Step:
    if key in ("1", "2", "3", "4", "5"):
        return _to(state, VIEWS[int(key) - 1])
    if key in ("tab", "backtab"):
        return _to(state, VIEWS[(VIEWS.index(state.view) + (1 if key == "tab" else -1)) % len(VIEWS)])
    simple = _simple(state, key)
    if simple is not None:
        return simple
    if key in ("r", "c", "P"):
        return _asked(state, key, shown)
    if key in ("enter", "l", "right"):
        return _opened(state, shown)
    if key in ("esc", "backspace", "h", "left"):
        return _back(state)
    if key in ("x", "X"):
        return Step(_marked(state, key, shown))
    if key in ("n", "N"):
        return _turned(state, key, shown)
    return Step(_moved(state, key, shown, room))


def _simple(state: State, key: str) -> Step | None:
    match key:
        case "q":
            return Step(state, "quit")
        case "?":
            return Step(replace(state, is_help=True, scroll=0))
        case "g":
            return Step(replace(state, goes=True))
        case "/":
            return Step(replace(_at(state, "jobs"), typed=state.query, wrong=""), "read")
        case "space" | "p":
            return Step(replace(state, is_paused=not state.is_paused), "read" if state.is_paused else "")
        case "+" | "=":
            return Step(_paced(state, -1))
        case "-" | "_":
            return Step(_paced(state, 1))
        case "d":
            return Step(replace(state, range=RANGES[(RANGES.index(state.range) + 1) % len(RANGES)]), "read") if state.view == "overview" else Step(state)
        case "!":
            now = "locked: it can only be looked at" if state.may_act else "unlocked: r runs again, c cancels, P pauses and resumes, and each asks first"
            return Step(replace(state, may_act=not state.may_act, message=now))
    return None


def _paced(state: State, by: int) -> State:
    nearest = min(range(len(INTERVALS)), key=lambda place: abs(INTERVALS[place] - state.interval))
    interval = INTERVALS[min(max(nearest + by, 0), len(INTERVALS) - 1)]
    return replace(state, interval=interval, message=f"updated each {interval:g} s")


# -- where one is ----------------------------------------------------------------------------------------


def _at(state: State, view: View) -> State:
    return replace(state, view=view, job=None, scroll=0)


def _to(state: State, view: View) -> Step:
    return Step(_at(state, view), "read")


def _opened(state: State, shown: Shown) -> Step:
    row = chosen(state, shown.page)
    if state.job is not None or row is None:
        return Step(state)
    if state.view == "jobs":
        return Step(replace(_held(state, row), job=int(row.name), scroll=0), "read")
    key = {"queues": "queue", "workers": "worker", "schedules": "schedule"}.get(state.view)
    name = _name_of(state, shown, row.name)
    if key is None or '"' in name:
        return Step(state)
    query = f"{'state:running ' if key == 'worker' else ''}{key}:{_quoted(name)}"
    try:
        parse(query)
    except InvalidArgument as error:
        return Step(replace(state, message=str(error)))
    return Step(replace(_at(_held(state, row), "jobs"), query=query, before=(), marked=frozenset()), "read")


def _name_of(state: State, shown: Shown, name: Name) -> str:
    workers = (*shown.page.live, *shown.page.stopped) if state.view == "workers" and hasattr(shown.page, "live") else ()  # type: ignore[union-attr]
    return next((row.info.name for row in workers if row.info.id == name), str(name))


def _quoted(name: str) -> str:
    return f'"{name}"'


def _back(state: State) -> Step:
    if state.job is not None:
        return Step(replace(state, job=None, scroll=0), "read")
    if state.view == "jobs" and (state.query or state.before):
        return Step(replace(state, query="" if not state.before else state.query, before=()), "read")
    if state.marked:
        return Step(replace(state, marked=frozenset()))
    return Step(state)


def _turned(state: State, key: str, shown: Shown) -> Step:
    if not isinstance(shown.page, JobsPage) or state.view != "jobs" or state.job is not None:
        return Step(state)
    if key == "N":
        return Step(replace(state, before=state.before[:-1], chosen=_without(state)), "read") if state.before else Step(state)
    if shown.page.next is None:
        return Step(replace(state, message="these are the last"))
    return Step(replace(state, before=(*state.before, shown.page.next), chosen=_without(state)), "read")


def _without(state: State) -> dict[View, Chosen]:
    return {view: held for view, held in state.chosen.items() if view != state.view}


# -- rows ------------------------------------------------------------------------------------------------


def _held(state: State, row: Chosen) -> State:
    return replace(state, chosen={**state.chosen, state.view: row})


def _moved(state: State, key: str, shown: Shown, room: int) -> State:
    row = chosen(state, shown.page) if state.job is None else None
    if row is None:
        return _scrolled(state, key, room) or state
    names = names_of(shown.page)
    place = _further(key, row.place, len(names) - 1, room)
    return state if place is None else _held(state, Chosen(names[place], place))


def _scrolled(state: State, key: str, room: int) -> State | None:
    """``frame`` keeps it within what there is. None for a key that does not move."""
    place = _further(key, state.scroll, 100_000, room)
    return None if place is None else replace(state, scroll=place)


def _further(key: str, place: int, last: int, room: int) -> int | None:
    page = max(room - 1, 1)
    by = {"j": 1, "down": 1, "k": -1, "up": -1, "pgdn": page, "ctrl-d": page // 2 or 1, "pgup": -page, "ctrl-u": -(page // 2 or 1), "home": -(10**9), "end": 10**9, "G": 10**9}
    return min(max(place + by[key], 0), last) if key in by else None


def _marked(state: State, key: str, shown: Shown) -> State:
    if key == "X":
        return replace(state, marked=frozenset())
    row = chosen(state, shown.page)
    if not isinstance(shown.page, JobsPage) or row is None:
        return state
    names = names_of(shown.page)
    following = min(row.place + 1, len(names) - 1)
    return _held(replace(state, marked=state.marked ^ {int(row.name)}), Chosen(names[following], following))


# -- a search --------------------------------------------------------------------------------------------


def _typed(state: State, typed: str, key: str) -> Step:
    if key == "esc":
        return Step(replace(state, typed=None, wrong=""))
    if key == "enter":
        text = " ".join(typed.split())
        try:
            query = parse(text)
        except InvalidArgument as error:
            return Step(replace(state, wrong=str(error)))
        done = replace(state, typed=None, wrong="", before=(), marked=frozenset(), scroll=0)
        if query.job is not None:
            return Step(replace(done, job=query.job), "read")
        return Step(replace(done, query=text, chosen=_without(state)), "read")
    if key in ("backspace", "ctrl-h"):
        typed = typed[:-1]
    elif key == "ctrl-u":
        typed = ""
    elif key == "ctrl-w":
        typed = typed.rstrip().rpartition(" ")[0]
        typed += " " if typed else ""
    elif key == "space":
        typed += " "
    elif len(key) == 1:
        typed = (typed + key)[:MOST_CHARACTERS]
    return Step(replace(state, typed=typed, wrong=""))


# -- what changes something --------------------------------------------------------------------------------


def _answered(state: State, question: Question, key: str) -> Step:
    state = replace(state, question=None)
    if key in ("y", "Y"):
        return Step(state, "act", question.deed)
    return Step(replace(state, message="nothing was done"))


def _asked(state: State, key: str, shown: Shown) -> Step:
    found = question_of(state, key, shown.page)
    if found is None:
        return Step(state)
    if isinstance(found, str):
        return Step(replace(state, message=found))
    if not state.may_act:
        return Step(replace(state, message="it can only be looked at: ! unlocks what changes something"))
    return Step(replace(state, question=found))
