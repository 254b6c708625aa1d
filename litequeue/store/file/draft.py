"""A database file that is made beside others of its folder, and comes under its name when it is whole: for copies.

Owns its name until then, who may take it for left behind, and that it is on the device before it gets its own. Copies page by page, by SQLite's
backup in one step. Measured on a file of 217 MB beside a producer that syncs (2 cores, SQLite 3.40): 0.25 s for the pages, 0.1 for the sync, 0.2 to
0.3 for the check; the producer's worst enqueue 90 to 95 ms, as beside ``VACUUM INTO`` (58 to 101 ms, and 0.5 to 0.6 s), and 30 to 33 with neither. No
lock is held that it waits for: both want the disk. A whole ``backup`` of 265 to 314 MB beside a drain of 52,000 to 56,000 jobs a second took 1.2 to
1.4 s, in which that came to 36,000 to 46,000, and the worst enqueue 96 to 158 ms (21 without); to sync it bit by bit as it grows made none of
that better. Not ``VACUUM INTO``, although what it makes can be smaller: it reads rows, so that it fails on an app's index which calls a function of the app's, and leaves
a file then. Not in several steps: each commit of another connection begins them anew, and a busy file is never done.

Nobody else opens it, so SQLite takes no locks of it (which may not work where a backup is put, on a network), and a lock of ours on its descriptor says
that it is being made: one that can be had was left by a process that was killed. A ``flock``, which SQLite's own closing of the file does not drop.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import stat
import sys
from collections.abc import Iterator
from typing import Final, Self

from ...base.as_owner import User, acting_as
from ...base.errors import CannotOpen, DatabaseCorrupt, LitequeueError, StorageFull
from ...base.trust import BESIDE
from .sqlerrors import translate

_NAME: Final = re.compile(r"(\.litequeue-[0-9a-f]{16}\.part)(-wal|-shm|-journal)?")
_VFS: Final = "win32-none" if sys.platform == "win32" else "unix-none"
_CHECK: Final = "PRAGMA quick_check(1)"
_CHECK_TABLE: Final = 'PRAGMA quick_check("{}")'
_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"
_TRUNCATE: Final = "PRAGMA wal_checkpoint(TRUNCATE)"
_QUIET: Final = ("locking_mode = EXCLUSIVE", "synchronous = OFF", "trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0")

if sys.platform == "win32":  # pragma: no cover - Linux is what can be tested here

    def _try_lock(fd: int) -> bool:
        return True  # who has it open keeps others from deleting it

else:
    import fcntl

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Draft:
    """One that is being made for ``target``, as a block: deleted at its end, if it has not come under a name by then."""

    def __init__(self, target: str, user: User | None = None) -> None:
        """``target``: absolute, in a folder that is there. ``user``: whom root is to act as in it. Raises CannotOpen or StorageFull."""
        self.target, self.user = target, user
        self._source = target
        self._folder = os.path.dirname(target)
        with acting_as(user), _told(target):
            _sweep(self._folder)
            self.path, self._fd = _begin(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with acting_as(self.user):
                for suffix in (*BESIDE, ""):
                    with contextlib.suppress(OSError):
                        os.unlink(self.path + suffix)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def fill(self, source: sqlite3.Connection, path: str) -> None:
        """With all that ``source`` sees of its file, which is at ``path``: one moment of it, whoever writes meanwhile."""
        self._source = path
        with contextlib.closing(self._connect("journal_mode = OFF")) as target:
            try:
                source.backup(target, pages=-1)
            except sqlite3.Error as error:
                raise self._translated(error) from error

    @contextlib.contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """In one transaction, after which all is in the file itself, and it is sound. Raises DatabaseCorrupt where it is not."""
        with contextlib.closing(self._connect()) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
                busy, *_ = connection.execute(_TRUNCATE).fetchone()
                why = "its log could not be emptied" if busy else _why_unsound(connection)
            except sqlite3.Error as error:
                raise self._translated(error) from error
        if why is not None:
            raise DatabaseCorrupt(f"{self._source} is damaged ({why}): no copy of it was made")

    def uri(self) -> str:
        """To look at it beside another file, while it is not open."""
        return _uri(self.path, "&mode=ro&immutable=1")

    def sync(self, *, like: os.stat_result | None = None) -> None:
        """Have all of it on the device; with the owner and mode of another file."""
        with _told(self.target):
            if like is not None and hasattr(os, "fchown"):
                if os.geteuid() == 0:
                    os.fchown(self._fd, like.st_uid, like.st_gid)
                os.fchmod(self._fd, stat.S_IMODE(like.st_mode) & 0o660 | 0o600)
            sync(self._fd)

    def put(self) -> None:
        """Under its name, in the place of what is there."""
        with acting_as(self.user), _told(self.target):
            if sys.platform == "win32":  # pragma: no cover - Linux is what can be tested here
                self._let_go()  # nothing that is open is renamed there
            os.replace(self.path, self.target)
            sync_folder(self._folder)

    def put_new(self, name: str) -> bool:
        """Under another name in its folder; whether that was free."""
        target = os.path.join(self._folder, name)
        with acting_as(self.user), _told(target):
            try:
                os.link(self.path, target)
            except FileExistsError:
                return False
            except OSError:  # a file system without links
                if os.path.lexists(target):
                    return False
                os.rename(self.path, target)
            else:
                os.unlink(self.path)
            sync_folder(self._folder)
        self.target = target
        return True

    def _connect(self, *pragmas: str) -> sqlite3.Connection:
        with acting_as(self.user):
            connection = sqlite3.connect(_uri(self.path), uri=True, isolation_level=None, check_same_thread=False)
            connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")  # it may be planted
            try:
                for pragma in (*_QUIET, *pragmas):
                    connection.execute(f"PRAGMA {pragma}")
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # opens its log
            except sqlite3.Error as error:
                connection.close()
                raise self._translated(error) from error
        return connection

    def _translated(self, error: sqlite3.Error) -> LitequeueError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return _full(self.target)
        return translate(error, self.target if code == sqlite3.SQLITE_IOERR else self._source)


def _why_unsound(connection: sqlite3.Connection) -> str | None:
    """What SQLite's check finds; None for nothing. A table of the app's that calls functions of the app's cannot be checked here, and is left out."""
    try:
        (found,) = connection.execute(_CHECK).fetchone()
        return None if found == "ok" else str(found)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
    for (name,) in connection.execute(_TABLES).fetchall():
        try:
            (found,) = connection.execute(_CHECK_TABLE.format(name.replace('"', '""'))).fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR or name.startswith("litequeue_"):
                raise
            continue
        if found != "ok":
            return str(found)
    return None


def _begin(folder: str) -> tuple[str, int]:
    """A new one, and its descriptor, which has the lock."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
    while True:
        path = os.path.join(folder, f".litequeue-{os.urandom(8).hex()}.part")
        fd = os.open(path, flags, 0o600)
        try:
            with contextlib.suppress(OSError):  # a file system without such locks: it is there, or it is not
                if not _try_lock(fd):
                    os.close(fd)
                    continue  # somebody sweeps it away
            if os.path.samestat(os.stat(path), os.fstat(fd)):
                return path, fd
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _sweep(folder: str) -> None:
    """Delete what processes left here that were killed."""
    for name in os.listdir(folder):
        found = _NAME.fullmatch(name)
        if found is None:
            continue
        with contextlib.suppress(OSError):
            if found[2] is None:
                _sweep_one(os.path.join(folder, name))
            elif not os.path.lexists(os.path.join(folder, found[1])):
                os.unlink(os.path.join(folder, name))


def _sweep_one(path: str) -> None:
    flags = os.O_RDWR | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"))
    fd = os.open(path, flags)
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode) and _try_lock(fd):
            for suffix in (*BESIDE, ""):
                with contextlib.suppress(OSError):
                    os.unlink(path + suffix)
    finally:
        os.close(fd)


def sync(fd: int) -> None:
    """On the device, not merely on its way there."""
    if sys.platform == "darwin":  # pragma: no cover - Linux is what can be tested here
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def sync_folder(folder: str) -> None:
    """The names in it, where the system can do that."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _uri(path: str, more: str = "") -> str:
    from urllib.parse import quote  # 4 ms that hardly anybody needs

    return f"file:{quote(path)}?vfs={_VFS}{more}"


def _full(target: str) -> StorageFull:
    return StorageFull(f"{target}: no room left on the device for the copy. Nothing of it was left there")


@contextlib.contextmanager
def _told(target: str) -> Iterator[None]:
    """The system's errors as ours."""
    import errno

    try:
        yield
    except LitequeueError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(target) from error
        from ...base.denied import denied

        why = f"{error.strerror}: {denied(os.path.dirname(target))}" if isinstance(error, PermissionError) else error.strerror
        raise CannotOpen(f"{target} cannot be made: {why}") from error
