"""``logs``: what jobs print and log, of all of them, or of those that a search means; with ``-f`` as it comes.

Owns what is shown: the last lines, from when on, and how a line looks. How pieces come to be lines is ``lines``'.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import select
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Final

from ..app import LiteQueue
from ..base import checks, search
from ..base.clock import SystemClock, monotonic
from ..base.durations import parse
from ..base.errors import InvalidArgument
from ..base.search import Query, Span, Term
from ..options.kinds import moment_typed
from ..store.printed import Piece
from .jobs import existing
from .lines import Line, Lines, bounded
from .notes import note_unknown_task
from .printing import complain, put

PAUSE: Final = 0.5  # seconds between two looks
AT_ONCE: Final = 500  # pieces of one read
JOBS: Final = 200  # of one search: SQLite takes no expression of more than a thousand
LAST: Final = 100  # lines, where nobody says how many
LAST_OF_FOLLOWED: Final = 10
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
END: Final = 2**63 - 1
_COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


def run(arguments: argparse.Namespace) -> int:
    """Print them; with ``-f`` until Ctrl-C, which ends it as it ends ``tail -f``."""
    asked = search.parse(" ".join(arguments.query))
    more = [Term("id", tuple(Span(job, job) for job in arguments.job))] if arguments.job else []
    query = Query((*asked.terms, *search.of(task=arguments.task, queue=arguments.queue).terms, *more))
    since = None if arguments.since is None else _moment(arguments.since, SystemClock().now())
    with existing(arguments.db) as app:
        shown = _Shown(app, query, arguments, since)
        place = shown.last_lines()
        if not shown.printed_any and arguments.lines != 0:
            if not arguments.follow:
                complain("nothing that was printed is kept" + (f" of a job with {search.written(query)}" if query.terms else ""))
            if arguments.task is not None:
                note_unknown_task(arguments.task, app._client.store.jobs.origins)
        if arguments.follow:
            shown.follow(place)
    return 0


def _moment(text: str, now: int) -> int:
    """A span before now, or a time. Microseconds."""
    try:
        found = now - parse(text) if not ("-" in text or ":" in text) else checks.moment(moment_typed(text), "--since")
    except InvalidArgument as error:
        raise InvalidArgument(f"--since: {error}; or a span before now, such as 10m") from None
    return found


def _refuse_broken_pipe() -> None:
    """Raise BrokenPipeError where nobody reads any more (``| head``): with nothing to print that would not be noticed."""
    with contextlib.suppress(AttributeError, ValueError, io.UnsupportedOperation):  # on Windows; a stream that is no file
        looking = select.poll()
        looking.register(sys.stdout.fileno(), 0)
        if any(event & select.POLLERR for _, event in looking.poll(0)):
            raise BrokenPipeError


class _Shown:
    """One run of the command."""

    def __init__(self, app: LiteQueue, query: Query, arguments: argparse.Namespace, since: int | None) -> None:
        self._app = app
        self._store = app._client.store
        self._query = query
        self._since = since
        self._as_json: bool = arguments.json
        self._follows: bool = arguments.follow
        self._least: int = logging.NOTSET if arguments.level is None else logging.getLevelNamesMapping()[arguments.level.upper()]
        self._most: int | None = arguments.lines
        if self._most is None and since is None:
            self._most = LAST_OF_FOLLOWED if arguments.follow else LAST
        self._lines = Lines(self._least)
        self.printed_any = False
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    # -- what was -----------------------------------------------------------------------------------------

    def last_lines(self) -> int:
        """Print the last ones; from where to go on."""
        end = self._store.printed.last()
        if self._most == 0:
            return end
        pieces: list[Piece] = []
        known: dict[int, bool] = {}
        before: int | None = end + 1
        at_once = AT_ONCE
        while before is not None:
            before, found = self._store.printed.before(before, at_once)
            at_once *= 2  # what is put together again grows with it
            is_enough = bool(found) and self._since is not None and found[0].at < self._since
            pieces[:0] = self._meant(found, known)
            if is_enough or self._most is not None and len(self._together(pieces)) > self._most:
                break
        self._lines = Lines(self._least)
        lines = self._lines.take(pieces, monotonic()) + ([] if self._follows else self._lines.rest())
        self._print(lines if self._most is None else lines[-self._most :])
        return end

    def _together(self, pieces: Sequence[Piece]) -> list[Line]:
        lines = Lines(self._least)
        return lines.take(pieces, 0.0) + lines.rest()

    # -- what comes ---------------------------------------------------------------------------------------

    def follow(self, place: int) -> None:
        version = None
        try:
            while True:
                found = self._store.database.data_version()
                if found != version:
                    version = found
                    place = self._read(place)
                self._print(self._lines.late(monotonic()))
                _refuse_broken_pipe()
                time.sleep(PAUSE)
        finally:  # Ctrl-C: what was begun is not lost
            self._print(self._lines.rest())

    def _read(self, place: int) -> int:
        known: dict[int, bool] = {}
        while True:
            before, (place, pieces) = place, self._store.printed.after(place, AT_ONCE)
            is_all = place >= self._store.printed.last()
            self._print(bounded(self._lines.take(self._meant(pieces, known), monotonic(), is_all=is_all), self._app.path))
            if is_all:
                self._lines.forget(piece.job for piece in pieces if piece.is_over)
            if place == before:
                return place

    # -- both ---------------------------------------------------------------------------------------------

    def _meant(self, pieces: Sequence[Piece], known: dict[int, bool]) -> list[Piece]:
        """Those of jobs that the search means, and that are not too old. ``known``: which it means, of those that were asked about in this look."""
        found = [piece for piece in pieces if self._since is None or piece.at >= self._since]
        if not self._query.terms or not found:
            return found
        new = sorted({piece.job for piece in found}.difference(known))
        for start in range(0, len(new), JOBS):
            ids = new[start : start + JOBS]
            query = Query((*self._query.terms, Term("id", tuple(Span(job, job) for job in ids))))
            meant = set(self._store.searching.find(query, self._app._client.clock.now(), limit=len(ids), seconds=None).ids)
            known |= {job: job in meant for job in ids}
        return [piece for piece in found if known[piece.job]]

    def _print(self, lines: Iterable[Line]) -> None:
        text = []
        for line in lines:
            if self._as_json:
                shown = {"at": checks.aware(line.at).isoformat(), "job": line.job, "task": line.label, "attempt": line.attempt, "stream": line.stream}
                text.append(json.dumps({**shown, "text": line.text}) + "\n")
            else:
                text.append(f"{self._prefix(line)} {checks.clean_lines(line.text)}\n")
        if text:
            self.printed_any = True
            put("".join(text))
            sys.stdout.flush()

    def _prefix(self, line: Line) -> str:
        prefix = f"#{line.job} {checks.clean(line.label)}:"
        return f"\x1b[{_COLOURS[line.job % len(_COLOURS)]}m{prefix}\x1b[0m" if self._coloured else prefix
