"""Whose a file is: whether it can be believed when it names code to import, and why it cannot be used.

The first is a crontab's trust model. As sshd and cron check theirs: the file must belong to the user who runs the worker, or to root, and nobody
else may be able to write it or to replace it in its directory. A group of the owner's own name with no other
member is nobody else: where those are the rule, the umask is 002 (Debian's sshd judges alike). Only
``os.stat`` and the group database; opens none of the files.
"""

from __future__ import annotations

import os
import stat


def why_untrusted(path: str) -> str | None:
    """What lets others decide this file's content; None if nothing does."""
    if not hasattr(os, "geteuid"):  # pragma: no cover - Windows: permissions are not modes
        return None
    for name in (path, os.path.dirname(path) or "."):
        found = os.stat(name)
        if found.st_uid not in (os.geteuid(), 0):
            return f"{name} belongs to another user (uid {found.st_uid})"
        loose = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if loose == stat.S_IWGRP and _is_own_group(found.st_uid, found.st_gid):
            continue
        # In a sticky directory such as /tmp others cannot rename or remove our file.
        if loose and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
            return f"{name} can be written by others (mode {stat.S_IMODE(found.st_mode):o})"
    return None


def _is_own_group(uid: int, gid: int) -> bool:
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(uid).pw_name, grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == user and set(group.gr_mem) <= {user}


def denied(path: str) -> str:
    """Whose permissions are in the way: the path's own, or those of the nearest folder above that can be seen."""
    name, kind = os.path.abspath(path), ""
    while True:
        try:
            found = os.stat(name)
            break
        except OSError:
            if name == os.path.dirname(name):
                return f"{name} cannot be seen"
            name, kind = os.path.dirname(name), "the folder "
    you = f", and you are uid {os.geteuid()}" if hasattr(os, "geteuid") else ""
    return f"{kind}{name} belongs to uid {found.st_uid} with mode {stat.S_IMODE(found.st_mode):o}{you}"
