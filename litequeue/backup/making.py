"""One copy of a file at work: judged where it goes, made there, and the older ones that are too many deleted.

Owns what a copy may take the place of: a copy, which says so itself and which nobody has open. So no slip of the hand writes over a queue at work, or a
photograph. The pages and the rows are the store's.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import NamedTuple

from ..base import errors
from ..base.as_owner import acting_as, user_at
from ..base.here import absolute
from ..base.trust import cure, why_untrusted
from ..store import Store
from ..store.copies import make_own
from ..store.file.draft import Draft
from ..store.file.lock_holder import users
from ..store.file.swap import alone, refuse_beside, refuse_users
from ..store.marks import Copy, marks_of
from . import names


class Made(NamedTuple):
    """A copy that is there."""

    path: str
    size: int  # bytes
    deleted: tuple[str, ...]  # older ones


def make(store: Store, to: str | os.PathLike[str], now: int, *, paused: bool = False, keep: int | None = None) -> Made:
    """Copy a store's file to the file or into the folder ``to``; ``keep`` so many copies of it in that folder.

    Raises InvalidArgument or CannotOpen where it cannot go, StorageFull where there is no room for it, and the store's errors.
    """
    to = _checked(to)
    refuse_beside(os.path.realpath(to))
    folder = _folder(to, store)
    if keep is not None and folder is None:
        raise errors.InvalidArgument(f"keep goes with a folder, in which the older copies are deleted: {to!r} is a file, which each copy replaces")
    where = os.path.realpath(to) if folder is None else os.path.join(folder, names.name_of(store.path, now))
    _refuse_folder(where, to, store)
    if folder is None:
        refuse_to_replace(where, store.path)
    with Draft(where, user_at(where)) as draft:
        store.copies.fill(draft)
        with draft.open() as connection:
            make_own(connection, Copy(now, store.path), paused=paused)
        draft.sync()
        size = os.stat(draft.path).st_size
        if folder is None:
            with alone(where, draft.user) as place:  # an older copy whose log is left, of a worker that was killed on it, say
                place.open()
                place.replace(draft)
        else:
            while not draft.put_new(names.name_of(store.path, now, _listed(folder))):
                pass  # another one has just taken it
        where = draft.target
    deleted = () if folder is None or keep is None else _thin(folder, store.path, where, keep)
    return Made(where, size, deleted)


def _checked(to: object) -> str:
    text = os.fspath(to) if isinstance(to, (str, os.PathLike)) else to
    if not isinstance(text, str):
        raise errors.InvalidType(f"the copy must be a path, not {type(to).__name__}: {to!r:.100}")
    if not text or "\0" in text or text.startswith("file:") or "://" in text:
        raise errors.InvalidArgument(f"the copy must be the path of a file or folder of this system, not {text!r:.100}")
    return absolute(text) + (os.sep if text.endswith(os.sep) else "")


def _folder(to: str, store: Store) -> str | None:
    """The folder that is meant, made if need be; None where it is a file."""
    if os.path.isdir(to):
        return os.path.realpath(to)
    if not to.endswith(os.sep):
        return None
    path = os.path.realpath(to)
    _refuse_folder(path, to, store)
    try:
        with acting_as(user_at(path)):
            os.mkdir(path, 0o700)
    except OSError as error:
        raise errors.CannotOpen(f"the folder {to} cannot be made: {error.strerror}") from error
    return path


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise errors.CannotOpen(f"the folder {folder} cannot be read: {error.strerror}") from error


def _refuse_folder(where: str, given: str, store: Store) -> None:
    """Raise CannotOpen where others could put something beside the copy, or exchange it: who opens it runs what they like. Whose the original is may,
    where root makes the copy."""
    try:
        owner = os.stat(store.path).st_uid if hasattr(os, "geteuid") and os.geteuid() == 0 and os.path.exists(store.path) else None
        why = None if store.trusts_anyone else why_untrusted(os.path.dirname(where), owner)
    except FileNotFoundError as error:
        raise errors.CannotOpen(f"{given} cannot be made: the folder {os.path.dirname(where)} does not exist") from error
    except OSError as error:
        raise errors.CannotOpen(f"{given} cannot be made: {error.strerror}") from error
    if why is not None:
        raise errors.CannotOpen(f"{given} is not made, since {why}, and would then say what is run where it is restored: {cure(why)}")


def refuse_to_replace(where: str, original: str) -> None:
    """Raise CannotOpen for what is there and is no copy, and for one that somebody works on."""
    try:
        found = os.lstat(where)
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.CannotOpen(f"{where}: {error.strerror}") from error
    if os.path.exists(original) and os.path.samestat(found, os.stat(original)):
        raise errors.InvalidArgument(f"{where} is the file itself: name another, or a folder")
    if not stat.S_ISREG(found.st_mode):
        raise errors.CannotOpen(f"{where} is no regular file, and was left as it is")
    mark = marks_of(where)
    if mark is None or mark.copy is None:
        raise errors.CannotOpen(f"{where} is there, and is no copy that litequeue has made: it was left as it is. Name another file, or delete it")
    refuse_users(where)


def _thin(folder: str, original: str, newest: str, keep: int) -> tuple[str, ...]:
    """Delete the oldest copies of this very file, whatever else has such a name; one that cannot be read is left."""
    made: dict[str, int] = {}
    for name in filter(lambda name: names.is_name_of(original, name), _listed(folder)):
        path = os.path.join(folder, name)
        mark = marks_of(path) if not os.path.islink(path) else None
        if mark is not None and mark.copy is not None and mark.copy.of == original:
            made[name] = mark.copy.at
    deleted = []
    with acting_as(user_at(newest)):
        for name in names.surplus(made, keep):
            path = os.path.join(folder, name)
            if path == newest or users(path):
                continue
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue  # another backup, at the same time
            except OSError as error:
                raise errors.CannotOpen(f"the copy {newest} is made, and the older {path} cannot be deleted: {error.strerror}") from error
            deleted.append(path)
            for suffix in ("-wal", "-shm", "-lock"):  # of who looked at it
                with contextlib.suppress(OSError):
                    os.unlink(path + suffix)
    return tuple(deleted)
