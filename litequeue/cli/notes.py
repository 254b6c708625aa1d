"""What may be wrong, and is noted on stderr without being refused: it may be right when its time has come.

Owns those notes. Nothing here fails a command or changes its exit code.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..base.accounts import groups_of
from ..base.as_owner import User, acting_as, user_at
from ..base.models import TaskOrigin
from ..base.trust import has_acl
from ..given import database_path
from .printing import complain, say


def note_command(db: str, command: Mapping[str, Any]) -> None:
    """Of the arguments of a command job."""
    for doubt in _of_command(command):
        complain(f"note: {doubt}")
    note_closed(db, [command["cwd"]] if "cwd" in command else [])


def note_closed(db: str, directories: Iterable[str]) -> None:
    """Once, of directories of commands that root, or a member of a group, leaves in somebody's queue, and that are closed to him."""
    path, user, owner = database_path(db), None, None
    with contextlib.suppress(OSError):  # it is not there, or its way leads to no folder, which is told when it is opened
        user = user_at(path)
        owner = os.stat(path).st_uid
    for directory in dict.fromkeys(directories):
        with contextlib.suppress(OSError):  # it is not there, which is another note
            if user is not None and _cannot_enter(directory, user):
                whose = f"{path} is uid {user.uid}'s, whose worker can neither enter {directory} nor use root's environment"
                complain(f"note: {whose}: do this as that user")
                return
            if user is None and owner is not None and _is_closed_by_modes(directory, owner):
                whose = f"{path} is uid {owner}'s, whose worker cannot enter {directory}"
                complain(f"note: {whose}: name a directory that it can enter with --cwd, or do this in one")
                return


def _cannot_enter(directory: str, user: User) -> bool:
    """Tried out as that user."""
    try:
        with acting_as(user):
            os.stat(os.path.join(directory, "."))
    except PermissionError:
        return True
    return False


def _is_closed_by_modes(directory: str, uid: int) -> bool:
    """By the modes of all directories on the way: who is not root cannot try it out for somebody else."""
    if uid == 0 or not hasattr(os, "geteuid") or uid == os.geteuid():
        return False
    at, groups = os.path.realpath(directory), groups_of(uid)
    while True:
        found = os.stat(at)
        shift = 6 if found.st_uid == uid else 3 if found.st_gid in groups else 0
        if not found.st_mode >> shift & stat.S_IXOTH and not has_acl(at):
            return True
        if at == os.path.dirname(at):
            return False
        at = os.path.dirname(at)


def _of_command(command: Mapping[str, Any]) -> Iterator[str]:
    cwd = command.get("cwd")
    if cwd is not None and not os.path.isdir(cwd):
        yield f"there is no directory {cwd}: a command cannot run there"
        return
    words = command.get("argv")
    if words is None or command.get("user_env"):
        return  # a shell's own affair
    path = command.get("env", {}).get("PATH", os.environ.get("PATH"))
    name = os.path.join(cwd or "", words[0]) if os.sep in words[0] else words[0]
    if shutil.which(name, path=path) is None:
        hint = "; for the shell to read it as one line, give --shell" if " " in name else ""
        yield f"{words[0]!r} is no command that can be found here{hint}"


def note_unknown_task(task: str, origins: Callable[[], Iterable[tuple[TaskOrigin, int]]]) -> None:
    """Of a name that no producer has recorded and that is much like one: only a worker's ``--import`` may know it."""
    if task.startswith("litequeue."):
        return
    known = [origin.task for origin, _ in origins()]
    if known and task not in known:
        import difflib  # where somebody may have mistyped

        near = difflib.get_close_matches(task, known, 2, 0.8) or [name for name in known if name.rpartition(".")[2] == task][:3]
        if near:
            meant = f"nobody has enqueued a task named {task} from code; did you mean {' or '.join(near)}?"
            complain(f"note: {meant}")


def note_mail(mail_to: str | None) -> None:
    """Of an address, where the host cannot send mail."""
    if mail_to is not None:
        from ..commands.notices import NO_MAIL, sendmail  # most workers mail nobody

        if sendmail() is None:
            say(NO_MAIL, to=sys.stderr)
