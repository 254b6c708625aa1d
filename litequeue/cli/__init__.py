"""The command line: ``python -m litequeue COMMAND DB ...``.

``parser`` has the grammar, ``commands`` what each command does, ``serve`` the worker command, ``render`` tables
and JSON, ``bench`` and ``demo`` the two of that name. Here: the way in, and the exit codes. A user's mistake
is one line on stderr, never a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import (
    CannotOpen,
    DatabaseCorrupt,
    LitequeueError,
    NotAQueue,
    QueueBusy,
    SchemaTooNew,
    StorageFull,
    StoreError,
    WorkerFailed,
)
from . import parser

OK = 0
INTERNAL = 1
USAGE = 2
DAMAGED = 3  # corrupt, or written by a newer litequeue
CANNOT_OPEN = 4
TRY_LATER = 75  # storage full, or busy; EX_TEMPFAIL of sysexits.h
INTERRUPTED = 130

# The first that fits counts.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (StorageFull, TRY_LATER),
    (QueueBusy, TRY_LATER),
    (DatabaseCorrupt, DAMAGED),
    (SchemaTooNew, DAMAGED),
    (CannotOpen, CANNOT_OPEN),
    (NotAQueue, CANNOT_OPEN),
    (StoreError, CANNOT_OPEN),
    (WorkerFailed, INTERNAL),
    (LitequeueError, USAGE),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    arguments = parser.build().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except LitequeueError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, tuple(c for c, _ in _CODES[:-2])):
            cause = cause.__cause__  # a worker that fell over a damaged file says so
        print(f"litequeue: {error}", file=sys.stderr)
        return next(code for cls, code in _CODES if isinstance(cause or error, cls))
    return code
