"""Which files were last written together: a line in ``DB-lock``, and what is refused before SQLite opens anything.

SQLite deletes a log that it finds beside an empty or missing file, and applies one that it finds beside a file
which was put in the place of another: measured, every job that a killed worker's log held was gone, and a
restored backup was corrupt. It has no way to tell; so each process writes the device and inode of the file and of
its log into the lock file, at its first transaction and before that stores anything (4 us; 12 to read it). It is
asked for when a file is opened that is empty, or that came after its log was written; 3 us for any other.

The line is a witness and no more: missing, unreadable or garbled it says nothing, and nobody is refused. Inodes
are used again, so a file that was deleted on purpose is forgotten before the next is made in its place. Only
``os.stat`` for the file and its log; the lock file only by the descriptor that the gate has open.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

from ...base.errors import DatabaseCorrupt, DatabaseReplaced
from . import gate

_LINE: Final = re.compile(rb"file (\d+):(\d+) log (\d+):(\d+) *\n")
_SIZE: Final = 128  # always the whole of it is written, so that no longer line shows behind a shorter one

# A transaction that was on its way when the file was replaced may write its log this much later.
_LATE: Final = 5_000_000_000  # nanoseconds

_Place = tuple[int, int]  # device and inode


class _Mark(NamedTuple):
    file: _Place
    log: _Place


def set_mark(held: gate.WriteGate) -> bool:
    """Note which file and log this transaction writes; whether that could be done. The caller holds the gate."""
    file, log = _stat(held.database), _log(held.database)
    if file is None or log is None:
        return False
    (a, b), (c, d) = _place(file), _place(log)
    line = _padded(b"file %d:%d log %d:%d" % (a, b, c, d))
    try:
        if held.noted(_SIZE) != line:
            held.note(line)
    except OSError:  # a full disk, say: the next transaction tries again
        return False
    return True


def forget(path: str) -> None:
    """Before a file is made where none is: an inode that is used again must not look like the old file."""
    with contextlib.suppress(OSError), _lock_file(path) as held:
        if _LINE.match(held.noted(_SIZE)):
            held.note(_padded(b""))


def was_set_up(path: str) -> bool:
    """Whether this very file has held our tables."""
    mark, file = _read(path), _stat(path)
    return mark is not None and file is not None and mark.file == _place(file)


def refuse_strays(path: str) -> None:
    """Raise for a file and a log that do not belong together, and for a file that was emptied."""
    # The log first: it has content only after the file has, also while another process makes both.
    log, file = _log(path), _stat(path)
    logged = log is not None and log.st_size > 0
    if file is None:
        if log is not None and logged and not os.path.lexists(path):
            raise DatabaseReplaced(
                f"{path} is gone, but {path}-wal ({log.st_size:,} bytes) holds what was committed last: put the file "
                f"back, or, to begin anew, delete {path}-wal and {path}-shm"
            )
    elif file.st_size == 0 and stat.S_ISREG(file.st_mode):
        # Looked at again, since it may just have been made and marked.
        if logged or was_set_up(path) and os.path.exists(path) and os.stat(path).st_size == 0:
            raise DatabaseCorrupt(
                f"{path} is empty although it was in use: somebody cut it off. It was left as it is, and so was its "
                f"log. Restore a backup (python -m litequeue help backups), or, to begin anew, delete {path}, {path}-wal and {path}-shm"
            )
    elif log is not None and logged and _was_replaced(path, file, log):
        raise DatabaseReplaced(
            f"{path} was replaced, but {path}-wal still belongs to the file that was there before, and would damage "
            f"this one: if you restored a backup, delete {path}-wal and {path}-shm, then start again; otherwise put "
            "the former file back"
        )


def _was_replaced(path: str, file: os.stat_result, log: os.stat_result) -> bool:
    # A log that is written long after the file came is the file's own, under a number that is used again: of a
    # file that was restored when all was stopped, and that another program wrote to before any of ours did.
    if log.st_mtime_ns > file.st_ctime_ns + _LATE:
        return False
    mark = _read(path)
    return mark is not None and mark.file != _place(file) and mark.log == _place(log)


def _read(path: str) -> _Mark | None:
    try:
        with _lock_file(path) as held:
            found = _LINE.match(held.noted(_SIZE))
    except OSError:  # of ours too: every StoreError is one
        return None
    if found is None:
        return None
    a, b, c, d = map(int, found.groups())
    return _Mark((a, b), (c, d))


@contextlib.contextmanager
def _lock_file(path: str) -> Iterator[gate.WriteGate]:
    held = gate.borrow(path, create=False)
    try:
        yield held
    finally:
        gate.give_back(held)


def _padded(text: bytes) -> bytes:
    return text.ljust(_SIZE - 1) + b"\n"


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _log(path: str) -> os.stat_result | None:
    """The log, but no link that somebody planted in its place: SQLite follows none."""
    with contextlib.suppress(OSError):
        found = os.lstat(path + "-wal")
        return found if stat.S_ISREG(found.st_mode) else None
    return None


def _place(found: os.stat_result) -> _Place:
    return found.st_dev, found.st_ino
