"""``signing-key``: makes the key by which what a task has pickled is signed. Looks at no queue, and changes no file that there is."""

from __future__ import annotations

import argparse

from ..payload.signing import make
from .printing import say


def signing_key(arguments: argparse.Namespace) -> int:
    say(f"{make(arguments.file)} is a key now: keep a copy of it, but none with the database")
    return 0
