"""A lock on a file of its own that the kernel drops when its process dies, however it dies.

Owns the difference between ``fcntl.lockf`` and ``msvcrt.locking``, and that what was opened is a file of ours alone. The lock is one
byte; another, far behind all that is written, is the *front*: the place of whoever is the next to have it, if those who wait keep to that.
``lockf`` and not ``flock``: a forked child inherits a flock and would keep its dead parent "alive". A POSIX lock belongs
to the whole process and is lost when *any* descriptor of the file is closed there, so one ``FileLock``
per file and process, and never on a file that SQLite has open.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import sys
from typing import Final

from .denied import denied, is_a_link
from .errors import CannotOpen
from .trust import give, why_shared

_LOCK: Final = 0
_FRONT: Final = 1 << 30

if sys.platform == "win32":  # pragma: no cover - Linux is what can be tested here
    import msvcrt

    def _try_lock(fd: int, byte: int) -> bool:
        os.lseek(fd, byte, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(fd: int, byte: int) -> None:
        os.lseek(fd, byte, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

    def _holder(fd: int, byte: int) -> int | None:
        return None

    # The locked byte, which is the first, cannot even be read by others.
    def _read(fd: int, size: int) -> bytes:
        os.lseek(fd, 1, os.SEEK_SET)
        return os.read(fd, size)

    def _write(fd: int, data: bytes) -> None:
        os.lseek(fd, 1, os.SEEK_SET)
        os.write(fd, data)

else:
    import errno
    import fcntl

    _BUSY: Final = (errno.EACCES, errno.EAGAIN)

    def _try_lock(fd: int, byte: int) -> bool:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
        return True

    def _unlock(fd: int, byte: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, byte)

    def _holder(fd: int, byte: int) -> int | None:
        if not sys.platform.startswith("linux"):
            return None
        # struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid
        query = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        try:
            answer = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, query))
        except (OSError, struct.error):
            return None
        return answer[4] if answer[0] != fcntl.F_UNLCK and answer[4] > 0 else None

    def _read(fd: int, size: int) -> bytes:
        return os.pread(fd, size, 0)

    def _write(fd: int, data: bytes) -> None:
        os.pwrite(fd, data, 0)


class FileLock:
    """An exclusive lock on ``path``, which is created owner-only if it is missing, and refused where others share the file."""

    __slots__ = ("_fd", "path")

    def __init__(
        self, path: str, *, create: bool = True, folder: int | None = None, owner: os.stat_result | None = None
    ) -> None:
        """Open, do not lock. Raises FileNotFoundError if it is missing and not to be created, else CannotOpen.

        ``folder``: the descriptor of its folder, in which it is opened whatever the path leads to by now. ``owner``: of the
        database, who may have made it, and to whom it is given if root makes it.
        """
        self.path = path
        try:
            self._fd = _open(path, create, folder, owner)
        except (FileNotFoundError, CannotOpen):
            raise
        except OSError as error:
            why = f"{error.strerror}: {denied(path)}" if isinstance(error, PermissionError) else error.strerror
            raise CannotOpen(f"cannot open the lock file {path}: {why}") from error

    def try_acquire(self, byte: int = _LOCK) -> bool:
        """``byte``: of a file of many locks, which one."""
        return _try_lock(self._fd, byte)

    def is_there(self) -> bool:
        """Whether its path still leads to it; else the file was deleted, and others may have made another."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except OSError:
            return False

    def release(self, byte: int = _LOCK) -> None:
        _unlock(self._fd, byte)

    def try_front(self) -> bool:
        """Take the place of the next. It goes with its process too, and keeps nobody from taking the lock."""
        return _try_lock(self._fd, _FRONT)

    def leave_front(self) -> None:
        _unlock(self._fd, _FRONT)

    def holder(self, byte: int = _LOCK) -> int | None:
        """The pid that holds the lock, where the system can tell; None for nobody or unknown."""
        return _holder(self._fd, byte)

    def read(self, size: int) -> bytes:
        """The first bytes of what was written here; whoever holds the lock, or nobody."""
        return _read(self._fd, size)

    def write(self, data: bytes) -> None:
        """Write over the beginning. Through the one descriptor: closing another would drop the lock."""
        _write(self._fd, data)

    def lengthen(self) -> None:
        """Make the file a byte longer, for those who look at its length. Raises OSError."""
        os.ftruncate(self._fd, os.fstat(self._fd).st_size + 1)

    def close(self) -> None:
        """Close the file, which also drops the lock."""
        os.close(self._fd)


def _open(path: str, create: bool, folder: int | None, owner: os.stat_result | None) -> int:
    name = path if folder is None else os.path.basename(path)
    # Windows would read and write it as text, and the mark in it is none.
    flags = os.O_RDWR | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if not create:
            raise
        with contextlib.suppress(FileExistsError):
            fd = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
            give(fd, owner)
            return fd
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)  # another process was quicker
    # Before it is opened too: if it is another name of a file that this process has locked, closing it would drop that lock.
    _refuse(path, found, owner)
    fd = os.open(name, flags, dir_fd=folder)
    try:
        _refuse(path, os.fstat(fd), owner)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _refuse(path: str, found: os.stat_result, owner: os.stat_result | None) -> None:
    """Raise for what is no lock file, or not ours alone: others could hold it, or have us write over what is theirs."""
    if stat.S_ISLNK(found.st_mode):
        raise CannotOpen(f"the lock file {is_a_link(path)}")
    if not stat.S_ISREG(found.st_mode):
        raise CannotOpen(f"the lock file {path} is not a regular file; move it away")
    why = why_shared(path, found, owner)
    if why is not None:
        raise CannotOpen(f"the lock file {why}: others could hold it; it was left as it is. Stop what uses it, and move it away")
