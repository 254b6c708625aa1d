"""The command line: ``python -m litequeue COMMAND DB ...``.

``parser`` has the grammar, ``commands`` what each command does, ``serve`` the worker command, ``render`` tables
and JSON, ``exits`` the exit codes, ``doctor``, ``service``, ``bench`` and ``demo`` those of that name (the doctor's
lines are ``finding``, what it looks at also ``surroundings`` and ``serving``), ``doubts`` what is only noted. Here: the
way in. A user's mistake is one line on stderr, never a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from ..errors import LitequeueError
from . import exits, parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    _open_standard_streams()
    try:
        try:
            arguments = parser.build().parse_args(argv)
            code: int = arguments.run(arguments)
        finally:  # also after --help, which ends in a SystemExit
            sys.stdout.flush()
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except LitequeueError as error:
        return exits.report(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            raise
        print(f"litequeue: the output could not be written: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.INTERNAL
    return code


def _open_standard_streams() -> None:
    """Where a parent closed them: else SQLite would open its files under their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
