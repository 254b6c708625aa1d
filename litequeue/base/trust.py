"""Whose a file is: who else could have put there what is read from it. The only module that decides what is trusted.

Owns the judgement of a path by each of its components, of what lies beside a database, and of what was opened. As
sshd (``safe_path``) and cron judge: each belongs to the one who asks, or to root, and nobody else may write it. A directory
that anybody may write and that is sticky, as /tmp, is good enough above another one of ours, which nobody can rename
there; not for the last one, where others can put files beside ours. A link is followed by hand, since who can
write where it lies, or owns it in a sticky directory, says where it leads. So a path that is found good leads, for as long as
nobody changes the modes, where only the owner and root can make it lead.

A group that has no other member (``accounts``) is nobody else: where each user has one of his own, the umask is 002 (Debian's
sshd judges alike). An ACL that lets somebody write shows as the group's permission, and only then is asked for.

That root is in a container says nothing of whether the owner of a mounted folder is to run what he likes as root there: it is
refused as on any host, and a program may say that it is meant (``is_anyone``).

Windows keeps permissions elsewhere, and is not judged. Opens nothing but what is to be ``read``. A path of four components
takes 18 us.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Iterator
from typing import Final, Self

from .accounts import is_unknown, others_in, stranger
from .checks import one_of

TRUSTED: Final = ("owner", "anyone")  # with a queue, and so with what its workers run, as a program says it
VARIABLE: Final = "LITEQUEUE_TRUST"  # in the environment, where the program does not say
SAY_SO: Final = f"{VARIABLE}=anyone, if whoever can write there may run what he likes as you"
JOURNAL: Final = "-journal"
BESIDE: Final = (JOURNAL, "-wal", "-shm")  # of a database, what SQLite keeps there
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_OWN: Final = "keep it in a folder of your own, such as below the home directory"
_LINKS: Final = 40  # as the kernel's limit


class Untrusted(PermissionError):
    """What is to be read could be written by others."""


class _Fault(str):
    """What lets others decide, in words, and what to do about it."""

    cure: str
    at: str  # the path that goes after it

    def __new__(cls, said: str, cure: str, at: str = "") -> Self:
        fault = super().__new__(cls, said)
        fault.cure, fault.at = cure, at
        return fault


def cure(why: object) -> str:
    """What to do about what was found here, to be said after it: to the letter, since root does as he is told to /tmp, too."""
    if not isinstance(why, _Fault):
        return "mend that"
    if not why.at:
        return why.cure
    import shlex  # not where paths are judged: an import would have more judged

    return f"{why.cure} {shlex.quote(why.at)}"


def is_anyone(said: str | None) -> bool:
    """Whether whoever can write is trusted, as a program says it or else its environment. Raises InvalidArgument."""
    return one_of(said or os.environ.get(VARIABLE) or TRUSTED[0], VARIABLE if said is None else "trust", TRUSTED) == "anyone"


def why_untrusted(path: str, user: int | None = None) -> str | None:
    """What lets others than ``user`` (left out: who asks) decide a file's or a directory's content; None if nothing does. Raises
    FileNotFoundError or another OSError."""
    if not hasattr(os, "geteuid"):  # pragma: no cover - Windows: permissions are not modes
        return None
    return _why_of_any(list(_steps(path)), _us() if user is None else {user, 0})


def why_open_folder(path: str) -> str | None:
    """What lets others put something beside a database; None if nothing does. Raises an OSError, also where its folder is not
    there: somebody may put it back.

    The file itself need not be there. Who can write it decides what is in it, and not what SQLite takes for a part of it. Its owner's
    folder is good enough for root alone, who acts as that user there. His journal may name any file of ours, which SQLite deletes
    at the first look, and his folder lead to a log of ours as the last one is deleted (measured: both, at the first try).
    """
    if not hasattr(os, "geteuid"):  # pragma: no cover
        return None
    steps, owners = list(_steps(path, to_be_made=True)), _us()
    if not stat.S_ISDIR(steps[-1][1].st_mode):
        _, file = steps.pop()
        owners = _us_at(file)
    return _why_of_any(steps, owners)


def first_not_roots(path: str) -> tuple[str, os.stat_result] | None:
    """The first directory or link on the way to a path that is not root's. Who may exchange things on the way owns this one, or
    what is below it, and cannot change the answer. Raises an OSError where the way does not lead to a folder, which he may have
    moved away for a moment."""
    for name, found in _steps(path, to_be_made=True):
        if found.st_uid != 0 and (stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            return name, found
    return None


def whose(path: str) -> tuple[int | None, dict[int, str]]:
    """Whose the file at the end of a path is, None if it is yet to be made; and whose the directories and links on the way are that are
    not root's, each with the first of them. Who owns one of those says which file it is: only where all are the file's owner's is
    that owner a true answer. Of one walk, since another look may find another file. Raises an OSError."""
    file: int | None = None
    way: dict[int, str] = {}
    for name, found in _steps(path, to_be_made=True):
        if not (stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            file = found.st_uid
        elif found.st_uid != 0:
            way.setdefault(found.st_uid, name)
    return file, way


def why_not_its_own(path: str, *, anyone: bool = False) -> str | None:
    """Which of the files beside a database is not what a program of its owner's, or root's, leaves there; None if all are. ``anyone`` is
    trusted: then somebody else may have made the log and its index, but as files that nothing else is, since SQLite writes over them.
    A journal is never one of ours, and SQLite deletes any file that it names."""
    if not hasattr(os, "geteuid"):  # pragma: no cover
        return None
    try:
        database = os.stat(path)
    except FileNotFoundError:
        database = None  # it is about to be made
    look = "look at it, and move it away if it is not yours"
    for suffix in BESIDE:
        name = os.path.realpath(path) + suffix
        try:
            found = os.lstat(name)
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode) or not stat.S_ISREG(found.st_mode):
            return _Fault(f"{name} is {'a symbolic link' if stat.S_ISLNK(found.st_mode) else 'no regular file'}", look)
        if found.st_nlink > 1:  # none: it was deleted as we looked
            return _Fault(f"{name} has {found.st_nlink} names", look)
        if database is None or anyone and suffix != JOURNAL:
            continue
        if (why := _why(name, found, _us_at(database), database)) is not None:
            return _Fault(why, look)
    return None


def read(path: str, *, private: bool = False) -> bytes:
    """A file's bytes, judged on the descriptor that they are read from, its directory and those above before. ``private``: nobody else
    may read it, either. Raises Untrusted or another OSError."""
    if (why := why_untrusted(path)) is not None:  # the link, too, that its last part may be
        raise Untrusted(why)
    with open(path, "rb", opener=without_waiting) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Untrusted(f"{path} is no regular file")
        if hasattr(os, "geteuid") and (why := _why(path, found, _us())) is not None:
            raise Untrusted(why)
        if private and hasattr(os, "geteuid") and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Untrusted(_Fault(f"{path} can be read by others (mode {stat.S_IMODE(found.st_mode):o})", "chmod 600", path))
        return file.read()


def without_waiting(path: str, flags: int) -> int:
    """Open what is to be judged before it is read: a pipe would hold us up until somebody writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _us() -> set[int]:
    return {os.geteuid(), 0}


def _us_at(database: os.stat_result) -> set[int]:
    """Root acts as the owner there."""
    return {*_us(), database.st_uid} if os.geteuid() == 0 else _us()


def _why_of_any(steps: list[tuple[str, os.stat_result]], owners: Collection[int]) -> str | None:
    # Of a file the directory is the last one in which nobody may put anything; a directory is that itself.
    directories = [number for number, (_, found) in enumerate(steps) if stat.S_ISDIR(found.st_mode)]
    for number, (name, found) in enumerate(steps):
        why = _why(name, found, owners, sticky_is_enough=number < directories[-1])
        if why is not None:
            return why
    return None


def _steps(path: str, *, to_be_made: bool = False) -> Iterator[tuple[str, os.stat_result]]:
    """Each directory and link on the way to a path, and what is there, as the system goes: ``..`` leads up from where a link has
    led, and not back to before it (``abspath`` takes both away). ``to_be_made``: the last one need not be there."""
    path = path if os.path.isabs(path) else os.path.join(os.getcwd(), path)
    at, rest, links = "/", [part for part in reversed(path.split("/")) if part], 0
    yield at, os.lstat(at)
    while rest:
        part = rest.pop()
        if part == ".":
            continue
        if part == "..":
            at = os.path.dirname(at)
            yield at, os.lstat(at)  # again: it may be the last one now
            continue
        name = os.path.join(at, part)
        try:
            found = os.lstat(name)
        except FileNotFoundError:
            if to_be_made and not rest:
                return
            raise
        yield name, found
        if not stat.S_ISLNK(found.st_mode):
            at = name
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(name)
        if target.startswith("/"):
            at = "/"
            yield at, os.lstat(at)
        rest += [part for part in reversed(target.split("/")) if part]


def _why(
    name: str,
    found: os.stat_result,
    owners: Collection[int],
    database: os.stat_result | None = None,
    *,
    sticky_is_enough: bool = False,
) -> str | None:
    """``database``: of what lies beside one, or what counts as that; who can write it needs nothing that lies beside."""
    if found.st_uid not in owners or is_unknown(found.st_uid):
        become = "" if os.geteuid() == 0 or is_unknown(found.st_uid) else "work as that one, or "  # which stranger says
        return _Fault(f"{name} belongs to {stranger(found.st_uid, found.st_gid)}", f"{become}{_OWN}")
    if name.startswith("/proc/"):  # a process decides what its files there say, and may have them be root's
        return _Fault(f"{name} is no file on a disk", "keep it on one")
    if stat.S_ISLNK(found.st_mode):  # a link's own mode means nothing
        return None
    loose = found.st_mode & _OTHERS
    if not loose or sticky_is_enough and found.st_mode & stat.S_ISVTX:
        return None
    others = "" if database is not None and _lets_write(database, found) else f"mode {stat.S_IMODE(found.st_mode):o}"
    if others and loose == stat.S_IWGRP:
        who = others_in(found.st_uid, found.st_gid)
        others = f"{others}, and {who}" if who else ""
    if not others and loose & stat.S_IWGRP and has_acl(name):
        others = "it has an access control list, see getfacl"
    if not others:
        return None
    said = f"{name} can be written by others ({others})"
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:  # which is meant for all
        return _Fault(said, "keep it in a folder of your own there, made with mkdir -m 700", os.path.join(name, "NAME"))
    if os.geteuid() in (0, found.st_uid):
        return _Fault(said, "let nobody else write there: chmod go-w", name)
    return _Fault(said, _OWN)


def _lets_write(database: os.stat_result, found: os.stat_result) -> bool:
    """Whether all whom a file's mode lets write it can write the database as well: SQLite gives what it makes the same mode,
    and in a volume of Kubernetes' all that is there is made writable for one group."""
    more = found.st_mode & _OTHERS & ~database.st_mode
    same = found.st_gid == database.st_gid and not is_unknown(found.st_gid, "gid")
    return not more and (same or database.st_mode & _OTHERS == _OTHERS)


def has_acl(name: str) -> bool:
    """Whether a file has a list of accounts that its mode does not tell."""
    try:
        return bool(os.getxattr(name, "system.posix_acl_access"))
    except (AttributeError, OSError):  # not on this system, not on this file system, or there is none
        return False


def why_not_roots_word(found: os.stat_result) -> str | None:
    """What lets others decide the content of a file that is open, to be said after its name; None if only root does, or who asks.
    As cron judges /etc/crontab: nobody's group is an exception, and a second name may be one that somebody else has made."""
    if not hasattr(os, "geteuid"):  # pragma: no cover
        return None
    if found.st_uid not in (0, os.geteuid()):
        return f"belongs to another user (uid {found.st_uid}): give it to root"
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file"
    if found.st_nlink != 1:
        return f"has {found.st_nlink} names (hard links): copy it to one of its own"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"can be written by others (mode {stat.S_IMODE(found.st_mode):o}): chmod go-w"
    return None


def why_shared(name: str, found: os.stat_result, database: os.stat_result | None = None) -> str | None:
    """What lets others decide what becomes of something of ours beside a database, as it was found when it was opened; None if
    nothing does. Who owns or can write the ``database`` is trusted with it.
    """
    if not hasattr(os, "geteuid"):  # pragma: no cover
        return None
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        return f"{name} is the same file as another ({found.st_nlink} hard links)"
    return _why(name, found, _us() if database is None else {*_us(), database.st_uid}, database)


def give(descriptor: int, owner: os.stat_result | None) -> None:
    """Let what root has just made beside a user's database be that user's, as SQLite does with its log: it would lock him out."""
    if owner is not None and owner.st_uid != 0 and hasattr(os, "geteuid") and os.geteuid() == 0:
        with contextlib.suppress(OSError):  # in a container that does not know him, or may not: it is used all the same
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
