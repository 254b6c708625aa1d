"""``top``: what a browser's page shows, on a terminal, until somebody leaves.

Owns the loop: look at the size, read what is to be read, draw, wait for keys, do what they ask. Without a terminal it prints one frame.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ...app import LiteQueue
from ...base.checks import MICROS, clean, span
from ...base.clock import SystemClock, monotonic
from ...base.errors import InvalidArgument
from ...base.search import parse
from .. import exits
from ..jobs import existing
from ..printing import put
from .doing import do
from .frame import Room, frame, last_scroll, rows_seen
from .keys import press
from .paint import ASCII, UNICODE, Signs, painted
from .reading import Reader
from .state import VIEWS, State
from .terminal import Gone, Terminal, is_there

LEAST: Final = 0.1  # seconds between two looks
MOST: Final = 3600.0
IDLE: Final = 1.0  # seconds after which the size is looked at, and the time that is shown


def run(arguments: argparse.Namespace) -> int:
    seconds = span(arguments.interval, "--interval") / MICROS
    if not LEAST <= seconds <= MOST:
        raise InvalidArgument(f"--interval is {LEAST:g} s to an hour, not {arguments.interval}")
    state = replace(_begun(" ".join(arguments.query), arguments.view), interval=seconds)
    with existing(arguments.db) as app:
        if arguments.once or not is_there():
            return _once(app, state)
        _live(app, state, Terminal())
    return 0


def _begun(search: str, view: str | None) -> State:
    """``view``: by its name or number. Raises InvalidArgument for a search that makes no sense, or one that another view than that of jobs is to show."""
    chosen = VIEWS[int(view) - 1] if view is not None and view.isdigit() else view
    if search and chosen not in (None, "jobs"):
        raise InvalidArgument(f"{search!r:.80} is a search for jobs, and --view {view} shows none: leave one of them out")
    job = parse(search).job
    if job is not None:
        return State(view="jobs", job=job)
    return State(view=next((each for each in VIEWS if each == chosen), "jobs" if search else "overview"), query=search)


def _signs() -> Signs:
    return UNICODE if (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf8") else ASCII


def has_colours() -> bool:
    return not os.environ.get("NO_COLOR")


def _once(app: LiteQueue, state: State) -> int:
    """One frame, as long as it is."""
    shown = Reader(app._client, SystemClock()).look(state)
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    room = Room(shutil.get_terminal_size((100, 40)).columns, None, _signs(), app.path)
    lines = [painted(line, colours=is_terminal and has_colours(), shapes=is_terminal).rstrip() for line in frame(state, shown, room)]
    while lines and not lines[-1]:
        lines.pop()
    put("\n".join(lines).encode(sys.stdout.encoding or "ascii", "replace").decode(sys.stdout.encoding or "ascii") + "\n")
    if shown.trouble:
        raise InvalidArgument(shown.trouble)
    return exits.NOT_AS_ASKED if state.job is not None and shown.page is None else exits.OK


def _live(app: LiteQueue, state: State, terminal: Terminal) -> None:
    reader = Reader(app._client, SystemClock())
    with _heard() as heard, terminal.taken(), contextlib.suppress(Gone):
        shown, anew, until = reader.look(state), False, 0.0
        while True:
            now = monotonic()
            if anew or now >= until and not state.is_paused:
                shown, anew = reader.look(state, anew=anew), False
                until = now + state.interval
            room = Room(*terminal.size(), _signs(), app.path)
            said = heard.taken()
            if state.scroll:
                state = replace(state, scroll=min(state.scroll, last_scroll(state, shown, room)))
            if said:
                state = replace(state, message=said)
            terminal.draw([painted(line, colours=has_colours(), shapes=True) for line in frame(state, shown, room)], (room.width, room.height or 0))
            for key in terminal.keys(min(IDLE, max(until - monotonic(), 0.0)) if not state.is_paused else IDLE):
                step, was_asked = press(state, key, shown, rows_seen(room)), state.question
                state = step.state
                if step.effect == "quit":
                    return
                if step.effect == "redraw":
                    terminal.forget()
                elif step.effect == "act" and step.deed is not None:
                    state, anew = replace(state, message=do(app, step.deed), marked=frozenset()), True
                if state.question is not None and was_asked is None:
                    terminal.forget_keys()  # an answer comes after the question can be read, and is none that was typed ahead, or pasted
                    break
                if step.effect == "read":
                    shown = reader.look(state, anew=True)  # what comes next in the same read may be about what is shown by then


class _Heard(logging.Handler):
    """What is logged while a terminal is drawn on goes into its last line, and not across it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last = ""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            self._last = clean(record.getMessage())

    def taken(self) -> str:
        last, self._last = self._last, ""
        return last


@contextlib.contextmanager
def _heard() -> Iterator[_Heard]:
    logger, handler = logging.getLogger("litequeue"), _Heard()
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
