"""Where this process is: its working directory, which may have been deleted meanwhile (a deploy, a clean-up of /tmp)."""

from __future__ import annotations

import os
from typing import Final

from .errors import CannotOpen

GONE: Final = "the directory that you are in is gone"


def here() -> str | None:
    """The working directory; None if it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def absolute(path: str) -> str:
    """``os.path.abspath``. Raises CannotOpen for a relative path where nobody knows what it begins at."""
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        raise CannotOpen(f"{path}: {GONE}, so it is nowhere: go to one that is there, or give the whole path") from None
