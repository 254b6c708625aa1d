"""A copy in the place of a file: refused where that would harm, worked out, and only then done, in one step.

Owns the order: who might use either file is asked first, then the copy is made a queue of that place beside it, with what has come of its jobs since
counted, and the last look comes before anything of the former file is touched. The former file is kept. Nobody else can open it until the
block ends, so that the question whether it is to be done has an answer that stays true.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from ..base import errors
from ..base.as_owner import user_at
from ..base.denied import denied
from ..base.trust import cure, is_anyone, why_untrusted
from ..store import copies, marks
from ..store.copies import Since
from ..store.file import mark
from ..store.file.draft import Draft
from ..store.file.files import refuse_unsafe
from ..store.file.look import looking
from ..store.file.sqlerrors import translated
from ..store.file.swap import (
    Alone,
    alone,
    free_name,
    other_name,
    refuse_beside,
    refuse_users,
    refuse_workers,
)
from ..store.marks import Copy
from . import names

BEFORE = ".before-restore-"


class Prepared:
    """A restore that has been worked out, and not done."""

    def __init__(self, place: Alone, draft: Draft, now: int, copy: Copy | None, since: Since | None) -> None:
        self._place, self._draft, self._now = place, draft, now
        self.copy = copy  # what the copy says of itself; None of one that litequeue has not made
        self.waiting = self.lost = 0  # jobs that it will run, and at-most-once ones that are discarded instead
        self.since = since  # what the file has done since; None where that cannot be told
        self.replaces = place.found is not None
        self.paused = False

    def do(self) -> str | None:
        """Put it in its place: the name that the former file has now; None where there was none."""
        path = self._place.path
        before = other_name(path, path + BEFORE) or free_name(path + BEFORE + names.stamp(self._now))
        self._place.swap(self._draft, before)
        return before if self.replaces else None


@contextlib.contextmanager
def prepared(db: str, backup: str, now: int, who: str, *, paused: bool = False) -> Iterator[Prepared]:
    """Work it out; inside the block it can be done. ``who`` does it, as a row will say.

    Raises QueueBusy where a worker or program has one of the files open; NotAQueue, DatabaseCorrupt or SchemaTooNew for a copy that no worker could
    open; CannotOpen for a file of another user, or where others could exchange one.
    """
    user = refuse_unsafe(db, None, create=True)
    path, source = os.path.realpath(db), os.path.realpath(backup)
    refuse_beside(path)
    _refuse_owner(path)
    _refuse_source(source, backup, path)
    with alone(path, user) as place:
        readable = _open(place, db)
        place.shut()
        with Draft(path, user) as draft:
            with looking(source, user_at(source)) as connection:
                copies.refuse_unfit(connection, backup)
                copy = marks.mark(connection).copy
                draft.fill(connection, source)
            with draft.open() as connection:
                copies.make_own(connection, Copy(now, source), paused=paused)
            comparable = place.connection is not None and readable and (copy is None or copy.of == path)
            since = copies.since(place.connection, draft.uri()) if comparable and place.connection is not None else None
            with draft.open() as connection:
                lost, waiting = copies.make_live(connection, None if since is None else since.once, now, who, f"from {source}")
                is_paused = marks.mark(connection).paused_at is not None
            draft.sync(like=place.found)
            found = Prepared(place, draft, now, copy, since)
            found.lost, found.waiting = lost, waiting
            found.paused = is_paused
            yield found


def _open(place: Alone, given: str) -> bool:
    """Whether the former file can be read as a queue. A damaged or emptied one may be replaced; raises NotAQueue for one that never was one."""
    try:
        place.open()
    except (errors.DatabaseCorrupt, errors.DatabaseReplaced):
        return False
    except errors.NotAQueue:
        raise errors.NotAQueue(f"{given} is no SQLite database, and was left as it is: check the path, or move it away") from None
    if place.connection is None:
        return False
    try:
        with translated(place.path):
            copies.refuse_unfit(place.connection, given)
    except errors.DatabaseCorrupt:
        return False
    except errors.NotAQueue as error:
        if not mark.was_set_up(place.path):
            raise errors.NotAQueue(f"{error}, and was left as it is: check the path, or move it away") from None
        return False
    except errors.SchemaTooNew:  # it may be why an earlier state is wanted
        return False
    return True


def _refuse_owner(path: str) -> None:
    """Raise CannotOpen where the new file would be another's than the old one."""
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise errors.CannotOpen(f"{path} is no regular file, and was left as it is")
        if hasattr(os, "geteuid") and os.geteuid() not in (0, found.st_uid):
            raise errors.CannotOpen(f"{path} is not replaced, since the new file would be yours: {denied(path)}")


def _refuse_source(source: str, given: str, path: str) -> None:
    """Raise for a copy that is none, that others can write, or on which somebody works."""
    try:
        found = os.stat(source)
        if os.path.exists(path) and os.path.samefile(source, path):
            raise errors.InvalidArgument(f"{given} is the file itself: name the copy that is to come in its place")
        if not stat.S_ISREG(found.st_mode):
            raise errors.CannotOpen(f"{given} is {'a folder: name a copy in it' if stat.S_ISDIR(found.st_mode) else 'no regular file'}")
        why = None if is_anyone(None) else why_untrusted(source, _owner(path))
    except FileNotFoundError:
        raise errors.CannotOpen(f"{given}: there is no such file") from None
    except OSError as error:
        if isinstance(error, errors.LitequeueError):
            raise
        raise errors.CannotOpen(f"{given}: {error.strerror}") from error
    if why is not None:
        raise errors.CannotOpen(f"{given} is not restored, since {why}, and who can write it would say what is run: {cure(why)}")
    try:
        refuse_users(source)
        refuse_workers(source, user_at(source))
    except errors.QueueBusy as error:
        raise errors.QueueBusy(f"{error}. It is a queue at work: make a copy of it with `litequeue backup`") from None


def _owner(path: str) -> int | None:
    """Whose the queue is, who may put in its place what he likes; None for who asks."""
    with contextlib.suppress(OSError):
        return os.stat(path).st_uid
    return None
