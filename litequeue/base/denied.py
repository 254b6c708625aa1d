"""Whose permissions are in the way of what the system has refused, and what to do about it."""

from __future__ import annotations

import contextlib
import os
import stat


def denied(path: str) -> str:
    """In words: the path's own permissions, or those of the nearest folder above that can be seen."""
    name, kind = os.path.abspath(path), ""
    while True:
        try:
            found = os.stat(name)
            break
        except OSError:
            if name == os.path.dirname(name):
                return f"{name} cannot be seen"
            name, kind = os.path.dirname(name), "the folder "
    said = f"{kind}{name} belongs to uid {found.st_uid} with mode {stat.S_IMODE(found.st_mode):o}"
    if not hasattr(os, "geteuid"):  # pragma: no cover - Windows: permissions are not modes
        return said
    us, acts = os.geteuid(), _acts()
    acting = "" if acts == us else f", acting as uid {acts} here"
    return f"{said}, and you are uid {us}{acting}{_cure(name, found, acts)}"


def is_a_link(path: str) -> str:
    """What is said of a link where only what we have made ourselves is opened. Not chmod, which changes what it leads to."""
    import shlex  # for the few who have one

    return f"{path} is a symbolic link, which is refused: stop what uses the database, and remove it: rm {shlex.quote(path)}"


def _acts() -> int:
    """Whom this thread is as to the file system; a thread of root's may act as a user."""
    with contextlib.suppress(OSError, StopIteration), open("/proc/thread-self/status") as file:
        return int(next(line for line in file if line.startswith("Uid:")).split()[-1])
    return os.geteuid()


def _cure(name: str, found: os.stat_result, acts: int) -> str:
    folder = stat.S_ISDIR(found.st_mode)
    needs = stat.S_IRWXU if folder else stat.S_IRUSR | stat.S_IWUSR
    if acts == found.st_uid:
        if found.st_mode & needs == needs:
            return ""  # it is not the mode: a disk that is read-only, say
        import shlex  # for the few who have closed their own

        return f": chmod u+rw{'x' if folder else ''} {shlex.quote(name)}"
    # Root can work as anybody, and knows it.
    return ": work as that one, or see `litequeue help deploying` on several accounts" if os.geteuid() else ""
