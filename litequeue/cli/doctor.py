"""The command ``doctor``: what the checks find, a line each, and how bad it is.

Owns the exit code of each level; the worst there is decides.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterable
from typing import Final

from ..base.errors import InvalidArgument
from ..doctor.examining import alive, examine
from ..doctor.finding import (
    BUSY,
    DAMAGED,
    FAILING,
    FULL,
    NOTE,
    OK,
    UNUSABLE,
    WRONG,
    Finding,
)
from ..given import database_path
from . import exits, render
from .printing import say

# From bad to worst.
_CODES: Final = {
    OK: exits.OK, NOTE: exits.OK, WRONG: exits.NOT_AS_ASKED, BUSY: exits.TRY_LATER, FULL: exits.TRY_LATER,
    FAILING: exits.TRY_LATER, UNUSABLE: exits.CANNOT_OPEN, DAMAGED: exits.DAMAGED,
}  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    if arguments.quiet and arguments.json or arguments.alive and arguments.full:
        raise InvalidArgument("--json prints every finding, and --quiet few" if arguments.json else "--full looks at everything, and --alive at one thing")
    path = database_path(arguments.db)
    findings = list(alive(path, socket.gethostname()) if arguments.alive else examine(path, full=arguments.full))
    if arguments.json:
        render.print_json([finding._asdict() for finding in findings])
    else:
        for check, level, text in findings:
            if not arguments.quiet or _CODES[level] != exits.OK:
                say(f"{level:<8} {check:<12} {text}")
    return exit_code(findings)


def exit_code(findings: Iterable[Finding]) -> int:
    badness = list(_CODES)
    return _CODES[max((finding.level for finding in findings), key=badness.index, default=OK)]
