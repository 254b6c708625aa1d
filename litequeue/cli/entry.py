"""The way in: run one command, and turn whatever comes of it into an exit code and at most one line."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Callable, Sequence

from ..base.errors import LitequeueError
from . import exits
from .grammar import build
from .printing import complain, put_nowhere


def main(argv: Sequence[str] | None = None, *, parse: Callable[[], argparse.Namespace] | None = None) -> int:
    """Run one command; the process's exit code. ``parse``: in the place of the grammar, for another program whose command it is."""
    open_standard_streams()
    try:
        try:
            arguments = build().parse_args(argv) if parse is None else parse()
            code = _run(arguments)
        finally:  # also after --help, which ends in a SystemExit
            sys.stdout.flush()
    except BrokenPipeError:  # `... | head`
        put_nowhere(sys.stdout)
        return exits.OK
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except LitequeueError as error:
        return exits.report(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            raise
        put_nowhere(sys.stdout)
        try:
            complain(f"the output could not be written: {error}")
        except OSError:  # a terminal that is gone: nobody is there to be told
            put_nowhere(sys.stderr)
        return exits.INTERNAL
    return code


def _run(arguments: argparse.Namespace) -> int:
    try:
        return int(arguments.run(arguments))
    except Exception:
        if not hasattr(arguments, "db"):
            raise
        from ..given import database_path
        from ..store import Store
        from ..store.inspection import damage_told

        store = Store(database_path(arguments.db), create=False, adopt=False)
        with contextlib.closing(store), damage_told(store.database):
            raise


def open_standard_streams() -> None:
    """Where a parent closed them: else SQLite would open its files under their numbers; or a task, after which a command has something to say yet."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)  # what Python opens is not, and those that we start lack it again
        stream = getattr(sys, name)
        if stream is None or getattr(stream, "closed", False):
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
