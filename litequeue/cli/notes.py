"""What may be wrong, and is noted on stderr without being refused: it may be right when its time has come.

Owns those notes. Nothing here fails a command or changes its exit code.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..base.as_owner import acting_as, user_at
from ..base.models import TaskOrigin
from ..client import database_path
from .printing import complain, say


def note_command(db: str, command: Mapping[str, Any]) -> None:
    """Of the arguments of a command job."""
    for doubt in _of_command(command):
        complain(f"note: {doubt}")
    note_closed(db, [command["cwd"]] if "cwd" in command else [])


def note_closed(db: str, directories: Iterable[str]) -> None:
    """Once, of directories of commands that root leaves in a user's queue, and that are closed to that user."""
    path, user = database_path(db), None
    with contextlib.suppress(OSError):  # its way leads to no folder, which is told when it is opened
        user = user_at(path)
    if user is None:
        return
    for directory in dict.fromkeys(directories):
        try:
            with acting_as(user):
                os.stat(os.path.join(directory, "."))
        except PermissionError:
            whose = f"{path} is uid {user.uid}'s, whose worker can neither enter {directory} nor use root's environment"
            complain(f"note: {whose}: do this as that user")
            return
        except OSError:  # it is not there, which is another note
            continue


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
