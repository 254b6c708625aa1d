"""Whether the files are still the ones that this process opened, and whether newer code has migrated them since.

SQLite goes on with a file that was deleted or replaced: a COMMIT into an unlinked ``-wal`` reports success, and
the row is nowhere (measured). So every write first asks for the folder's time of change, which a deletion or a
rename in it moves, and where that has moved, for device and inode of each file. 3 us a write, 11 in a folder
that changes all the time. Only ``os.stat``: opening and closing one of them would drop SQLite's locks.

Code that migrates the file to what older code cannot work on says so in the same way: it makes ``DB-lock`` a byte longer,
and then moves the folder's time. So the look that is made anyway finds it, and a write that does not look pays nothing.
"""

from __future__ import annotations

import os
from typing import Final

from ...base.clock import monotonic
from ...base.errors import DatabaseReplaced

LOCK: Final = "-lock"
SUFFIXES: Final = ("", "-wal", "-shm", LOCK)
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
        self._length = -1  # of the lock's file
        self.news = object()  # another one each time that it has changed
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
        now = monotonic()
        if changed != self._changed:
            self._since = now
        self._settled = False  # no other thread believes the time before this one has looked at the files
        self._look(SUFFIXES)
        self._changed, self._settled = changed, now - self._since > SETTLED

    def verify_file(self) -> None:
        """The same of the file alone: those beside it are not ours before our first connection has them open."""
        self._look(("",))

    def announce(self) -> None:
        """Let each process that has the file open look at the files before its next write. Raises OSError."""
        os.utime(self._folder)

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
            if suffix == LOCK and found.st_size != self._length:
                self.news = object()  # first, so that no other thread finds the new length with the old news
                self._length = found.st_size

    def _message(self, name: str, what: str) -> str:
        return (
            f"{name} {what}: it was deleted or replaced while it was in use, and nothing more is written. Stop every "
            f"program that uses it. If you restored a backup, delete {self._path}-wal and {self._path}-shm then; if you "
            "moved the file, move -wal along; and start them again"
        )
