"""The database file before SQLite opens it: that it is a file, and that it is made for its owner only.

Uses ``os.stat`` alone on files that exist: opening and closing one here would drop SQLite's locks on it.
"""

from __future__ import annotations

import os
import stat

from .. import errors


def ensure_file(path: str, given: str, *, create: bool) -> None:
    """Create ``path`` if it is missing and ``create`` says so; raise CannotOpen for what is no file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if not create:
            raise errors.CannotOpen(f"{given}: there is no such file") from None
        _create_file(path, given)
        return
    except OSError as error:
        raise errors.CannotOpen(f"{given}: {error.strerror}") from error
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
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        folder = os.path.dirname(path)
        why = f"the folder {folder} does not exist" if not os.path.isdir(folder) else error.strerror
        raise errors.CannotOpen(f"cannot create {given}: {why}") from error


def uri_if_read_only(path: str) -> str | None:
    """How to open a file on a read-only disk, where SQLite cannot make what it keeps beside it; else None.

    Nobody writes there, so it need not be locked; but what a log still holds is part of the file, and then
    SQLite must be let to say that it cannot read it.
    """
    try:
        if not os.statvfs(path).f_flag & os.ST_RDONLY:
            return None
        logged = os.path.exists(path + "-wal") and os.stat(path + "-wal").st_size > 0
    except (AttributeError, OSError):  # Windows has no statvfs
        return None
    from urllib.parse import quote  # 4 ms that hardly anybody needs

    return f"file:{quote(path)}?mode=ro" + ("" if logged else "&immutable=1")
