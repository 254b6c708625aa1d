"""What a program gives, checked before anything is done with it: the file's path, a call's arguments, when a job is to run.

Owns these checks, which are of no option alone, and the name of the variable that may say the path. Opens nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from .base import checks
from .base.errors import InvalidArgument, InvalidType
from .base.here import absolute
from .base.log import Log

log = Log("litequeue.tasks")

DATABASE: Final = "LITEQUEUE_DB"  # in the environment


class _Later:
    """In the place of a path that nobody has said; no None, which an option that is missing somewhere comes to."""

    def __repr__(self) -> str:
        return "said later"


LATER: Final[Any] = _Later()


def database_path(path: object) -> str:
    """The absolute path; made absolute now, so that a later chdir changes nothing."""
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidType(f"the database must be a path, not {type(path).__name__}: {path!r:.100}")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise InvalidType(f"the database's path must be a string, not bytes: {text!r:.100}")
    if not text or text == ":memory:" or "\0" in text or text.startswith("file:") or "://" in text:
        raise InvalidArgument(
            f"the database must be the path of a file on disk, since worker processes open it too; not {text!r}"
        )
    return absolute(text)


def call(args: object, kwargs: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The ``args`` and ``kwargs`` of an enqueue, checked: a list or tuple, and a dict with names."""
    if isinstance(args, (str, bytes)) or not isinstance(args, Iterable):
        raise InvalidType(
            f"args must be a tuple or list of arguments, not {type(args).__name__}: {args!r:.100}; "
            "for one argument write (x,)"
        )
    if kwargs is None:
        return tuple(args), {}
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        raise InvalidType(
            f"kwargs must be a dict of keyword arguments, not {type(kwargs).__name__}: {kwargs!r:.100}"
        )
    return tuple(args), dict(kwargs)


def run_at_of(given: Mapping[str, Any], now: int) -> int:
    if "countdown" in given and "eta" in given:
        raise InvalidArgument("give countdown or eta, not both")
    if "eta" in given:
        return max(checks.moment(given["eta"], "eta"), 0)
    return now + int(given.get("countdown", 0))


def expires_at_of(given: Mapping[str, Any], default: int | None, now: int, run_at: int) -> int | None:
    expires = given.get("expires", default)
    if expires is None:
        return None
    expires_at = checks.moment(expires, "expires") if isinstance(expires, datetime) else now + int(expires)
    if now < expires_at <= run_at:
        raise InvalidArgument(
            f"the job would expire {(run_at - expires_at) / checks.MICROS:g} s before it is due: expires "
            "counts from the enqueue, not from countdown or eta"
        )
    return expires_at


def say_whose(path: str) -> None:
    """Say so where the file is another user's: he reads what is enqueued there, and what a program waits for is of his making.
    Said and not refused, since he may be meant: root at a user's file, or whoever is let in. Root's own is nobody else's."""
    with contextlib.suppress(OSError, AttributeError):  # it is yet to be made; Windows has no uids
        owner, me = os.stat(path).st_uid, os.geteuid()
        if owner not in (me, 0):
            log.warning(
                "%s belongs to another user (uid %d, and this program runs as uid %d), who can read what is enqueued there, and "
                "decides what becomes of it", path, owner, me,
            )  # fmt: skip
