"""The doctor's look at workflows: whether all that waits for jobs or events can end, and batches that nobody closes.

Owns what to do about it. What should hold is in ``store/links/invariants``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from ..base.checks import MICROS
from ..base.durations import about
from ..store.inspection import Inspection
from ..store.rules import DAY
from .finding import OK, WRONG, Finding

_LONG: Final = DAY  # that a block is open
_LOST: Final = ("waits, and nobody knows how", "waits for a job that is gone")  # what it is to be given is not known any more


def workflows(inspection: Inspection, path: str, now: int, full: bool) -> Iterator[Finding]:
    odd, batches = inspection.waits_oddly(full=full), inspection.open_batches(now - _LONG)
    for job, rule in odd or ():
        command, what = ("cancel", "end it") if rule in _LOST else ("retry", "have it counted anew")
        cure = f"{what}: python -m litequeue {command} {shlex.quote(path)} {job}"
        yield Finding("workflows", WRONG, f"job {job} {rule}: somebody has changed its rows, or litequeue did wrong; {cure}")
    for batch, since in batches:
        age = about((now - since) / MICROS)
        why = "nothing that is to follow it is called; if the program in whose block it is open is gone"
        yield Finding("workflows", WRONG, f"batch {batch} has been open for {age}, and as long as it is, {why}, close it: app.batch({batch}).close()")
    if odd is None:
        yield Finding("workflows", OK, "there are many jobs (--full checks what those that wait wait for)")
    elif not odd and not batches:
        yield Finding("workflows", OK, "all that waits for jobs or events will be told of them")
