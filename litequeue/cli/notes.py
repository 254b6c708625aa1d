"""What may be wrong, and is noted on stderr without being refused: it may be right when its time has come.

Owns those notes. Nothing here fails a command or changes its exit code.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..base.checks import clean


def note_command(command: Mapping[str, Any]) -> None:
    """Of the arguments of a command job."""
    for doubt in _of_command(command):
        print(f"litequeue: note: {clean(doubt)}", file=sys.stderr)


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


def note_mail(mail_to: str | None) -> None:
    """Of an address, where the host cannot send mail."""
    if mail_to is not None:
        from ..commands.notices import NO_MAIL, sendmail  # most workers mail nobody

        if sendmail() is None:
            print(NO_MAIL, file=sys.stderr)
