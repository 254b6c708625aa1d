"""What jobs print as lines, each with whose it is.

Owns how pieces come together: a line is whole before it is shown, or has waited long enough; what is missing is said; of records of logging those below a level are
left out, with the lines that belong to them. Pure: from pieces to lines.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from ..base.checks import counted
from ..store.printed import Piece

PATIENCE: Final = 2.0  # seconds for the rest of a line
LONGEST: Final = 64 << 10  # characters of a line that is waited for
MOST: Final = 1_000  # lines of one job that are shown at a time, where others wait for theirs
KNOWN: Final = 4_096  # jobs' attempts that are remembered: that one has ended is not seen where its last piece was read before
LEFT_OUT: Final = "[... more than can be kept was left out here ...]"
_RECORD: Final = re.compile(r"\S+ \S+,\d{3} (\S+) \S*: ")  # as ``tasks/kept`` writes it


class Line(NamedTuple):
    """One, as it was written."""

    job: int
    label: str
    attempt: int
    stream: str
    at: int  # when it was written down, microseconds
    text: str


class _Rest(NamedTuple):
    """A line of which the end has not come."""

    line: Line
    since: float


_Place = tuple[int, int]  # job and attempt
_Which = Callable[[tuple[int, int, str], _Rest], bool]


class Lines:
    """What comes piece by piece, of many jobs, put together. ``least``: of records of logging only those of this level, and above."""

    def __init__(self, least: int = logging.NOTSET) -> None:
        self._least = least
        self._rests: dict[tuple[int, int, str], _Rest] = {}
        self._numbers: dict[_Place, int] = {}
        self._shows: dict[_Place, bool] = {}  # the record that came last

    def take(self, pieces: Sequence[Piece], now: float, *, is_all: bool = True) -> list[Line]:
        """The lines that are whole by now. ``now``: monotonic. ``is_all``: there are no more pieces yet, and what has ended says no more."""
        found: list[Line] = []
        last = {piece.job: number for number, piece in enumerate(pieces) if piece.is_over and is_all}
        for number, piece in enumerate(pieces):
            found += self._of(piece, now)
            if last.get(piece.job) == number:
                found += self._flushed(lambda key, rest, job=piece.job: key[0] == job)  # type: ignore[misc]
        if len(self._numbers) > KNOWN:
            self._forget_oldest()
        return found

    def late(self, now: float) -> list[Line]:
        """What has waited for its end long enough."""
        return self._flushed(lambda key, rest: now - rest.since >= PATIENCE)

    def rest(self) -> list[Line]:
        """All that waits."""
        return self._flushed(lambda key, rest: True)

    def _of(self, piece: Piece, now: float) -> list[Line]:
        place, key = (piece.job, piece.attempt), (piece.job, piece.attempt, piece.stream)
        made = Line(piece.job, piece.label, piece.attempt, piece.stream, piece.at, "")
        before = self._numbers.pop(place, None)  # what was heard of last comes last
        self._numbers[place] = piece.number
        found: list[Line] = []
        if before is not None and piece.number > before + 1:
            found = [*self._flushed(lambda other, rest: other[:2] == place), made._replace(text=LEFT_OUT)]
        rest = self._rests.pop(key, None)
        text = piece.text if rest is None else rest.line.text + piece.text
        *whole, last = text.split("\n")
        found += [line for each in whole for line in self._shown(made._replace(text=each))]
        if len(last) > LONGEST:
            found += self._shown(made._replace(text=last))
        elif last:
            self._rests[key] = _Rest(made._replace(text=last), now)
        return found

    def _shown(self, line: Line) -> list[Line]:
        """The line, if it is to be, as it is shown."""
        if line.stream == "log" and self._least > logging.NOTSET:
            record = _RECORD.match(line.text)
            if record is not None:
                level = logging.getLevelNamesMapping().get(record[1])
                self._shows[line.job, line.attempt] = level is None or level >= self._least  # of a level that only its program knows nobody can tell
            if not self._shows.get((line.job, line.attempt), True):
                return []
        return [line._replace(text=line.text.removesuffix("\r"))]

    def _flushed(self, which: _Which) -> list[Line]:
        found = []
        for key in [key for key, rest in self._rests.items() if which(key, rest)]:
            found += self._shown(self._rests.pop(key).line)
        return found

    def _forget_oldest(self) -> None:
        """Those that were heard of longest ago, but for those of which a line waits. Half, so that this is done seldom."""
        waiting = {key[:2] for key in self._rests}
        for place in [place for place in self._numbers if place not in waiting][: -(KNOWN // 2)]:
            del self._numbers[place]
            self._shows.pop(place, None)

    def forget(self, jobs: Iterable[int]) -> None:
        """Nothing more will come of these."""
        gone = set(jobs)
        for of_place in (self._numbers, self._shows):
            for place in [place for place in of_place if place[0] in gone]:
                del of_place[place]


def bounded(lines: Sequence[Line], database: str) -> list[Line]:
    """Of a job with very many lines the first and the last, so that others are seen beside it."""
    counts = Counter(line.job for line in lines)
    if all(count <= MOST for count in counts.values()):
        return list(lines)
    found: list[Line] = []
    numbers = Counter[int]()
    for line in lines:
        numbers[line.job] += 1
        number, count = numbers[line.job], counts[line.job]
        if count <= MOST or number <= MOST // 2 or number > count - MOST // 2:
            found.append(line)
        elif number == MOST // 2 + 1:
            found.append(line._replace(text=f"[... {counted(count - MOST, 'line')} left out here: job {database} {line.job} --log has what is kept ...]"))
    return found
