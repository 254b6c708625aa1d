"""What the doctor says in one line, and how bad it is.

Owns the levels and the exit code of each. The worst level there is decides the doctor's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ...base.errors import LitequeueError, StorageFailed, StorageFull
from .. import exits

OK, NOTE, WRONG = "ok", "note", "wrong"
BUSY, FAILING, FULL, UNUSABLE, DAMAGED = "busy", "failing", "full", "unusable", "damaged"

# From bad to worst.
_CODES: Final = {
    OK: exits.OK, NOTE: exits.OK, WRONG: exits.NOT_AS_ASKED, BUSY: exits.TRY_LATER, FULL: exits.TRY_LATER,
    FAILING: exits.TRY_LATER, UNUSABLE: exits.CANNOT_OPEN, DAMAGED: exits.DAMAGED,
}  # fmt: skip


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and in words."""

    check: str
    level: str
    text: str


def refused(check: str, error: LitequeueError) -> Finding:
    """A check that the file refused: as bad as the error is for any other command."""
    if isinstance(error, (StorageFull, StorageFailed)):
        level = FULL if isinstance(error, StorageFull) else FAILING
    else:
        codes = {exits.TRY_LATER: BUSY, exits.DAMAGED: DAMAGED, exits.CANNOT_OPEN: UNUSABLE}
        level = codes.get(exits.code_of(error), WRONG)
    return Finding(check, level, str(error))


def exit_code(findings: Iterable[Finding]) -> int:
    badness = list(_CODES)
    return _CODES[max((finding.level for finding in findings), key=badness.index, default=OK)]
