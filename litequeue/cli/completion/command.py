"""``completion``: prints what a shell is to read, so that Tab knows commands, options and the names that are in a file."""

from __future__ import annotations

import argparse

from ..printing import put
from .scripts import script
from .tree import tree


def run(arguments: argparse.Namespace) -> int:
    put(script(arguments.shell, tree()))
    return 0
