"""Whether the files are still the ones that this process opened.

SQLite goes on with a file that was deleted or replaced: a COMMIT into an unlinked ``-wal`` reports success, and
the row is nowhere (measured). So every write first asks for the folder's time of change, which a deletion or a
rename in it moves, and where that has moved, for device and inode of each file. 3 us a write, 11 in a folder
that changes all the time. Only ``os.stat``: opening and closing one of them would drop SQLite's locks.
"""

from __future__ import annotations

import os
import time
from typing import Final

from ...base.errors import DatabaseReplaced

SUFFIXES: Final = ("", "-wal", "-shm", "-lock")
# File systems keep time in ticks of up to 10 ms: a change in the same tick as the last one shows only in the
# files themselves, and so the folder's time is believed once it has been the same for this long.
SETTLED: Final = 0.05  # seconds


class Identity:
    """The files as they were at the first look."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder = os.path.dirname(path)
        self._files: dict[str, tuple[int, int]] = {}
        self._changed = -1  # the folder's time of change
        self._since = 0.0  # when it was first seen so
        self._settled = False
        # Only the file itself: the ones beside it are ours, and stay, from our first connection on.
        self._look(("",))

    def verify(self) -> None:
        """Raise DatabaseReplaced if one of the files is gone or another one."""
        try:
            changed = os.stat(self._folder).st_mtime_ns
        except OSError:
            changed = -1
        if changed == self._changed and self._settled:
            return
        now = time.monotonic()
        if changed != self._changed:
            self._changed, self._since = changed, now
        self._settled = now - self._since > SETTLED
        self._look(SUFFIXES)

    def _look(self, suffixes: tuple[str, ...]) -> None:
        for suffix in suffixes:
            name = self._path + suffix
            known = self._files.get(suffix)
            try:
                found = os.stat(name)
            except OSError as error:
                if known is not None:
                    raise DatabaseReplaced(self._message(name, f"is gone ({error.strerror})")) from None
                continue  # made at the first write
            if known is None:
                self._files[suffix] = found.st_dev, found.st_ino
            elif known != (found.st_dev, found.st_ino):
                raise DatabaseReplaced(self._message(name, "is another file now"))

    def _message(self, name: str, what: str) -> str:
        return (
            f"{name} {what}: it was deleted or replaced while it was in use, and nothing more is written. Stop every "
            f"program that uses it. If you restored a backup, delete {self._path}-wal and {self._path}-shm then; if you "
            "moved the file, move -wal along; and start them again"
        )
