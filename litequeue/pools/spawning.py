"""Where a process of the pool looks for modules before it knows where its worker does.

Owns a word of the command line that multiprocessing starts it with. That is ``python -c``, which looks in the working directory
first, whoever can write there, and what it looks for is multiprocessing; so does the resource tracker, which comes with it.
After that it has the worker's sys.path, in which that directory is if somebody wants it to be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from multiprocessing import util

_flags: Callable[[], list[str]] | None = getattr(util, "_args_from_interpreter_flags", None)


def _flags_and_safe_path() -> list[str]:
    assert _flags is not None
    return [*_flags(), *([] if sys.flags.safe_path else ["-P"])]


def look_nowhere_but_there() -> None:
    """Have multiprocessing start Python with -P. For all of this process, since only there can it be said: a program's own pools
    have the same sys.path as without."""
    if _flags is not None:
        util._args_from_interpreter_flags = _flags_and_safe_path  # type: ignore[attr-defined]
