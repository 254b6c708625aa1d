"""The file of a test's database as Django can copy it: ``manage.py test --parallel`` makes a clone for each process, of the file without its log.

Owns what is done for that where the tables have been made. Touches nothing but databases of tests.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
from typing import Any

from ..store.file import wal


def make_whole(connection: Any, path: str) -> None:
    """Put into the file what its log holds, at once and with each commit on Django's connection: other apps write their first rows after us, and then it is copied.
    And clear away the logs of former clones, whose processes were ended with the file open: SQLite would apply one to the next copy."""
    if os.fspath(connection.settings_dict["TEST"]["NAME"] or "") != os.fspath(connection.settings_dict["NAME"]):
        return
    connection.ensure_connection()
    wal.keep_whole(connection.connection)
    root, ext = os.path.splitext(path)
    name = re.compile(re.escape(root) + r"_\d+" + re.escape(ext) + "-wal")
    for log in glob.glob(f"{glob.escape(root)}_*{glob.escape(ext)}-wal"):
        if name.fullmatch(log):
            _put_away(log.removesuffix("-wal"))


def _put_away(clone: str) -> None:
    """The log of a clone: into its file, which may be kept (--keepdb), or away where that is gone."""
    if os.path.exists(clone):
        wal.put_back(clone)
        return
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(clone + end)
