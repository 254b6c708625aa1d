"""The database file before SQLite opens it: that nobody else could put something beside it, that it is a file, and that it is
made for its owner only.

Uses ``os.stat`` alone on files that exist: opening and closing one here would drop SQLite's locks on it.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from ...base import errors
from ...base.as_owner import User, user_at
from ...base.denied import denied
from ...base.trust import (
    VARIABLE,
    cure,
    is_anyone,
    why_not_its_own,
    why_open_folder,
)
from . import mark

_SAY_SO: Final = (
    "; or, if whoever can write there may have workers run what he likes as you, say so: "
    f'LiteQueue(path, trust="anyone"), or {VARIABLE}=anyone for a command'
)


def refuse_unsafe(given: str, trust: str | None, *, create: bool) -> User | None:
    """Raise CannotOpen where others than we and root can write beside the database, and for root its owner, unless ``trust`` is
    "anyone": then who can write there is trusted with what is in the queue.

    Returns whom root is to act as when it opens and makes files there. What was judged can be another thing a moment later.
    """
    meant = is_anyone(trust)
    try:
        user = user_at(given)
        folder, beside = None if meant else why_open_folder(given), why_not_its_own(given, anyone=meant)
    except FileNotFoundError as error:
        if not create:
            raise _missing(given) from error
        folder = os.path.dirname(os.path.abspath(given))
        raise errors.CannotOpen(f"cannot create {given}: the folder {folder} does not exist") from error
    except OSError as error:  # links that lead in a circle, say
        raise errors.CannotOpen(f"{given}: {_strerror(error, given)}") from error
    if folder is not None and not create and not os.path.lexists(given):
        raise _missing(given)  # a name that was mistyped, and nothing is opened or made there
    if folder is not None:
        raise errors.CannotOpen(
            f"{given} is not opened, since {folder}: a log that somebody puts beside a database is taken for its own. To mend that, "
            f"{cure(folder)}{_SAY_SO}"
        )
    if beside is not None:
        raise errors.CannotOpen(
            f"{given} is not opened, since {beside}: SQLite would take it for a part of the database: {cure(beside)}"
        )
    if user is None or not (meant or user.is_shut_out):
        return user
    if meant:
        # What that user could not open: a container has a user's folder mounted in its root's home, or a file of root's in a volume.
        return None if user.is_shut_out or _owner(given) not in (None, user.uid) else user
    raise errors.CannotOpen(
        f"{given} is not opened, since a folder of root's on the way to it is closed to uid {user.uid}, as whom root opens files there: "
        f"let all pass it (chmod o+x), or work as that user, in a container with --user {user.uid}{_SAY_SO}"
    )


def _missing(given: str) -> errors.CannotOpen:
    folder = os.path.dirname(os.path.abspath(given))
    why = "; `litequeue init` makes an empty queue" if os.path.isdir(folder) else f", since the folder {folder} does not exist"
    return errors.CannotOpen(f"{given}: there is no such file{why}")


def _owner(path: str) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def ensure_file(path: str, given: str, *, create: bool) -> None:
    """Create ``path`` if it is missing and ``create`` says so; raise CannotOpen for what is no file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if not create:
            raise _missing(given) from None
        _create_file(path, given)
        return
    except OSError as error:
        raise errors.CannotOpen(f"{given}: {_strerror(error, path)}") from error
    if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
        # Under each name SQLite keeps a log and we a lock of their own: acknowledged jobs vanished.
        raise errors.CannotOpen(
            f"{given} has {found.st_nlink} hard links, and would lose jobs when used under two of its names; "
            "remove the others, or make a copy"
        )
    if not stat.S_ISREG(found.st_mode):
        kind = "a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise errors.CannotOpen(f"{given} is {kind}; name a SQLite file")


def _create_file(path: str, given: str) -> None:
    # Owner-only from its first instant; SQLite gives -wal and -shm the same mode. Nobody can hold a
    # lock on a file that O_EXCL has just made, so closing this descriptor harms none.
    mark.forget(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        folder = os.path.dirname(path)
        why = f"the folder {folder} does not exist" if not os.path.isdir(folder) else _strerror(error, path)
        raise errors.CannotOpen(f"cannot create {given}: {why}") from error


def _strerror(error: OSError, path: str) -> str:
    return f"{error.strerror}: {denied(path)}" if isinstance(error, PermissionError) else str(error.strerror)


def why_not_writable(path: str) -> str | None:
    """Whose permissions keep SQLite from a file, from those that it makes beside it, or from their folder; else None."""
    for name in (path, path + "-wal", path + "-shm"):
        if os.path.lexists(name) and not _may(name, os.R_OK | os.W_OK):
            return denied(name)
    folder = os.path.dirname(path)
    if not _may(folder, os.W_OK | os.X_OK):
        return f"files are made beside it, but the folder {denied(folder)}"
    return None


def _may(name: str, mode: int) -> bool:
    return os.access(name, mode, effective_ids=os.access in os.supports_effective_ids)


def size(path: str) -> int:
    """Bytes; 0 where that cannot be told."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def log_size(path: str) -> int:
    """Bytes of the file's write-ahead log."""
    return size(path + "-wal")


def uri_if_read_only(path: str) -> str | None:
    """How to open a file on a read-only disk, where SQLite cannot make what it keeps beside it; else None.

    Nobody writes there, so it need not be locked; but what a log still holds is part of the file, and then
    SQLite must be let to say that it cannot read it.
    """
    try:
        if not os.statvfs(path).f_flag & os.ST_RDONLY:
            return None
    except (AttributeError, OSError):  # Windows has no statvfs
        return None
    from urllib.parse import quote  # 4 ms that hardly anybody needs

    return f"file:{quote(path)}?mode=ro" + ("" if log_size(path) else "&immutable=1")
