"""What the copies in a folder are called, and which of them go once there are more than are to be kept: pure.

A name has the file's, and when it was made, in UTC: by name they are in order, and no clock that is set back for the winter gives one twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from ..base.checks import MICROS

_ENDING: Final = re.compile(r"\.(sqlite3?|db)\Z")
_STAMP: Final = "%Y%m%dT%H%M%SZ"


def stamp(now: int) -> str:
    """A moment, in microseconds, as it stands in names."""
    return datetime.fromtimestamp(now // MICROS, UTC).strftime(_STAMP)


def name_of(path: str, now: int, taken: Iterable[str] = ()) -> str:
    """Of a copy of this file: ``db-20261128T030000Z.sqlite``, with a number where that is taken."""
    stem, ending = _parts(path)
    name, number, there = f"{stem}-{stamp(now)}{ending}", 1, set(taken)
    while name in there:
        number += 1
        name = f"{stem}-{stamp(now)}_{number}{ending}"
    return name


def is_name_of(path: str, name: str) -> bool:
    """Whether a copy of this file may be called so."""
    stem, ending = _parts(path)
    return re.fullmatch(rf"{re.escape(stem)}-\d{{8}}T\d{{6}}Z(_\d{{1,4}})?{re.escape(ending)}", name) is not None


def surplus(made: Mapping[str, int], keep: int) -> list[str]:
    """Those of some copies that are too many, the oldest first: all but the ``keep`` newest, by when they were made."""
    by_age = sorted(made, key=lambda name: (made[name], name))
    return by_age[: max(len(by_age) - keep, 0)]


def _parts(path: str) -> tuple[str, str]:
    name = os.path.basename(path)
    found = _ENDING.search(name)
    return (name[: found.start()], found[0]) if found and found.start() else (name, ".sqlite")
