"""What the doctor says in one line, and how bad it is.

Owns the levels, from what is well to what is worst.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..base.errors import (
    DatabaseCorrupt,
    DatabaseReplaced,
    LitequeueError,
    QueueBusy,
    SchemaTooNew,
    StorageFailed,
    StorageFull,
    StoreError,
)

OK, NOTE, WRONG = "ok", "note", "wrong"
BUSY, FAILING, FULL, UNUSABLE, DAMAGED = "busy", "failing", "full", "unusable", "damaged"

class Finding(NamedTuple):
    """One line: what was looked at, how it is, and in words."""

    check: str
    level: str
    text: str


# The first that fits counts.
_LEVELS: Final[tuple[tuple[type[LitequeueError], str], ...]] = (
    (StorageFull, FULL), (StorageFailed, FAILING), (QueueBusy, BUSY), (DatabaseCorrupt, DAMAGED), (DatabaseReplaced, DAMAGED),
    (SchemaTooNew, DAMAGED), (StoreError, UNUSABLE),
)  # fmt: skip


def refused(check: str, error: LitequeueError) -> Finding:
    """A check that the file refused: as bad as the error is for any command."""
    return Finding(check, next((level for cls, level in _LEVELS if isinstance(error, cls)), WRONG), str(error))
