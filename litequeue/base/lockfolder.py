"""``DB-workers/``: the folder in which each process that works on a database holds a lock on a small file of its own.

Owns the folder, and which of its files are locks. It is judged as it is opened, and then used by its descriptor alone: a path
may lead elsewhere a moment later (measured: a link put in the folder's place made a worker delete other programs' lock
files, and somebody who had made the folder first swapped a live worker's lock, so that its job ran twice at once). Only
names of our own form are opened or deleted, whatever a row or the folder says.

A process never opens the locks that it holds itself: a POSIX lock belongs to the process, so a probe would succeed, and closing
the probe's descriptor would drop it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Final, NamedTuple

from .as_owner import User, acting_as
from .denied import denied, is_a_link
from .errors import CannotOpen
from .filelock import FileLock
from .trust import give, why_shared

SUFFIX: Final = "-workers"  # of the folder's name, after the database's
LOCK: Final = ".lock"  # how the name of a lock file ends
_NAME: Final = r"[0-9a-f]{16}(-[0-9]+)?\.lock"  # a worker's, or one of its processes'

# Windows has none of them, and goes by paths.
_BY_DESCRIPTOR: Final = {os.open, os.stat, os.unlink} <= os.supports_dir_fd and os.listdir in os.supports_fd

# The names of the locks that this process holds: each is unique, and a folder may be named in several ways.
_ours: set[str] = set()
_ours_pid = os.getpid()


def is_ours(name: str) -> bool:
    """Whether a lock is held by this process, which must not so much as open its file."""
    global _ours_pid
    if _ours_pid != os.getpid():  # a fork has the names and not the locks
        _ours.clear()
        _ours_pid = os.getpid()
    return name in _ours


class Locks(NamedTuple):
    """Of a worker's processes: how the paths begin, and whom root is to act as there."""

    start: str
    user: User | None = None


def hold_for_life(locks: Locks) -> FileLock:
    """A lock of this process, one of a worker's; it is dropped as the process ends."""
    folder, stem = os.path.split(locks.start)
    return LockFolder(folder, user=locks.user).hold(f"{stem}-{os.getpid()}{LOCK}")


class LockFolder:
    """The folder, open. Its methods take names of locks; any other is FileNotFoundError, and no file of a worker's."""

    def __init__(self, path: str, *, create: bool = False, user: User | None = None) -> None:
        """Raises FileNotFoundError if it is missing and not to be created, CannotOpen for one that others could change.
        ``user``: whom root is to act as here."""
        self.path = path
        self.user = user
        self._fd: int | None = None
        with acting_as(user):
            try:
                self._database = os.stat(path.removesuffix(SUFFIX))
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(path, 0o700)
                self._folder = self._judged(os.lstat(path))
                if _BY_DESCRIPTOR:
                    self._fd = self._open(create)
            except (FileNotFoundError, CannotOpen):
                raise
            except OSError as error:
                raise CannotOpen(f"cannot open the folder {path}: {error.strerror}: {denied(path)}") from error

    def _open(self, create: bool) -> int:
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            self._judged(os.fstat(fd))
            os.stat(".", dir_fd=fd)  # only who may enter it gets at a lock
            # An empty one hands nobody anything else; and only who has the folder that it is in had this one made.
            if create and not os.listdir(fd) and os.stat("..", dir_fd=fd).st_uid == self._database.st_uid:
                give(fd, self._database)
            self._folder = os.fstat(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def __del__(self) -> None:
        try:  # not suppress(): as the program ends, the names of this module may be gone already
            # Who becomes a daemon closes every number, and another file may have got this one since.
            if self._fd is not None and os.path.samestat(os.fstat(self._fd), self._folder):
                os.close(self._fd)
        except Exception:  # noqa: BLE001, S110 - it is closed
            pass

    def _judged(self, found: os.stat_result) -> os.stat_result:
        if stat.S_ISLNK(found.st_mode):
            raise CannotOpen(is_a_link(self.path))
        if not stat.S_ISDIR(found.st_mode):
            raise CannotOpen(f"{self.path} is not a folder; move it away")
        why = why_shared(self.path, found, self._database)
        if why is not None:
            raise CannotOpen(
                f"{why}: others could make live workers look dead. Stop the workers, and move it away; the next one makes its own"
            )
        return found

    def is_good(self) -> bool:
        """Whether the path still names this folder, and others still cannot change it."""
        try:
            found = self._judged(os.lstat(self.path))
            return self._fd is None or os.path.samestat(found, os.fstat(self._fd))
        except OSError:
            return False

    def hold(self, name: str) -> FileLock:
        """Make a lock of this process, and take it."""
        is_ours(name)  # forgets what a parent's were
        _ours.add(name)
        lock = self.open(name, create=True)
        lock.try_acquire()
        return lock

    def let_go(self, name: str, lock: FileLock) -> None:
        """Delete a lock that ``hold`` gave, and drop it."""
        self.remove(name)
        lock.close()
        _ours.discard(name)

    def open(self, name: str, *, create: bool = False) -> FileLock:
        """A lock's file, not locked. Raises FileNotFoundError, or CannotOpen for what is no lock."""
        with acting_as(self.user):
            return FileLock(self.path_of(name), create=create, folder=self._fd, owner=self._folder)

    def remove(self, *names: str) -> None:
        """Delete locks, as far as they are there."""
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(self._at(name), dir_fd=self._fd)

    def changed(self, name: str) -> float:
        """When a lock's file was written, or made."""
        return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False).st_mtime

    def names(self) -> list[str]:
        """Of what may be a lock here."""
        return [name for name in self._listed() if re.fullmatch(_NAME, name)]

    def _listed(self) -> list[str]:
        if self._fd is None:
            return os.listdir(self.path)
        # Not by the kept one: how far it was read is shared by all threads, and each would miss what another was told.
        own = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._fd)
        try:
            return os.listdir(own)
        finally:
            os.close(own)

    def of_children(self, name: str) -> list[str] | None:
        """The names of the locks of the pool processes of the worker whose own lock that is; None if that cannot be told."""
        stem = f"{name.removesuffix(LOCK)}-"
        try:
            return [found for found in self.names() if found.startswith(stem)]
        except OSError:  # no more descriptors, say
            return None

    def is_free(self, name: str) -> bool:
        """Whether nobody holds a lock. One that is gone holds nobody up; of one that cannot be opened it is not known."""
        if is_ours(name):
            return False
        try:
            lock = self.open(name)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            return lock.try_acquire()
        finally:
            lock.close()

    def path_of(self, name: str) -> str:
        if not re.fullmatch(_NAME, name):
            raise FileNotFoundError(f"{name!r} is not the name of a worker's lock")
        return os.path.join(self.path, name)

    def _at(self, name: str) -> str:
        path = self.path_of(name)
        return path if self._fd is None else name
