"""The file that a task's code was read from, as that was when its module was executed.

Owns that note, one for each file and execution of it: a module that is executed anew is newer code, a function in it that makes
its task later is not. By it a worker tells whether the file was changed since (``worker/staleness``).
"""

from __future__ import annotations

import os
import stat
import sys
from types import CodeType
from typing import NamedTuple

Signature = tuple[int, int, int, int]


class Source(NamedTuple):
    """A file at one moment; ``signature``: None where there was no file to be read."""

    file: str
    signature: Signature | None


_executed: dict[str, tuple[CodeType | None, Source]] = {}  # by file: what was executed last


def source_of(module: str | None, made_by: CodeType | None) -> Source | None:
    """Of a task that is being made; ``made_by`` is the code of the module, or cell, that is being executed."""
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if not isinstance(file, str):
        return None
    file = os.path.abspath(file)
    known = _executed.get(file)
    if known is None or made_by is not None and made_by is not known[0] and os.path.abspath(made_by.co_filename) == file:
        known = _executed[file] = made_by, Source(file, signature_of(file))
    return known[1]


def signature_of(file: str) -> Signature | None:
    """By which a file that was written is told from what it was; None if it cannot be read."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return signature(found) if stat.S_ISREG(found.st_mode) else None


def written_at(signature: Signature) -> int:
    """When it was written, or put in its place, last; microseconds since the epoch."""
    return max(signature[:2]) // 1000


def signature(found: os.stat_result) -> Signature:
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
