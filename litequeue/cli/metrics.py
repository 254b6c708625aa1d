"""The command ``metrics``: what a collector reads, on standard output or in a file for node_exporter.

Owns that the file is there whole or as it was: a collector may read it at any moment.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile

from ..base.clock import SystemClock
from ..base.errors import CannotOpen
from ..exposition import exposition
from ..given import database_path
from ..store import Store
from .printing import put


def run(arguments: argparse.Namespace) -> int:
    store = Store(database_path(arguments.db), create=False, adopt=False)
    try:
        text = exposition(store, SystemClock().now(), openmetrics=arguments.openmetrics)
    finally:
        store.close()
    if arguments.textfile is None:
        put(text)
    else:
        _write(arguments.textfile, text)
    return 0


def _write(path: str, text: str) -> None:
    """Readable by all, as node_exporter runs as somebody else; under a name that it does not read until it is whole."""
    path = os.path.realpath(path)  # a link leads on
    if os.path.exists(path) and not os.path.isfile(path):
        raise CannotOpen(f"--textfile {path} is no file, and would become one: leave it out, and metrics are printed")
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=os.path.dirname(os.path.abspath(path)), prefix=".litequeue-", delete=False) as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)
                os.replace(file.name, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(file.name)
                raise
    except OSError as error:
        raise CannotOpen(f"--textfile {path}: {error.strerror}") from error
