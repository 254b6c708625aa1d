"""Who there is on this host: who is in a group, and which users have numbers in a user namespace.

Owns what is asked of the lists of accounts and groups, and of Linux's map of numbers, above all for ``trust``, which judges files by it.
Members of a group are also those whose primary group it is, so that takes a look at all accounts. Root's group is nobody's own: a
container that is started with any number has the group 0. Where it cannot be told who is in a group, somebody may be.
"""

from __future__ import annotations

import functools
import os
from typing import Final

from .clock import monotonic

_MINUTE: Final = 60.0  # for which the accounts are believed to be the same
_NOBODY: Final = 65_534  # by which a user namespace shows all users, and groups, that it has no number for
_ALL: Final[list[tuple[int, ...]]] = [(0, 0, 2**32 - 1)]  # users have their numbers: this is no such namespace


def others_in(uid: int, gid: int) -> str | None:
    """Who else may be in the group of a user's file, in words; None if it is his own."""
    return _others_in(uid, gid, int(monotonic() / _MINUTE))


@functools.lru_cache(16)
def _others_in(uid: int, gid: int, minute: int) -> str | None:
    import grp
    import pwd

    if is_unknown(gid, "gid"):
        return f"its group {gid} stands for all that this user namespace has no number for"
    try:
        group = grp.getgrgid(gid)
        user = pwd.getpwuid(uid).pw_name
    except KeyError as error:
        return f"nothing is known here of {'its group' if 'gid' in str(error) else f'uid {uid}, or who is in its group'} {gid}"
    if uid == 0 or group.gr_name != user:
        return f"others may be in its group {group.gr_name}"
    if others := {*group.gr_mem} - {user}:
        return f"{min(others)} is in its group {group.gr_name}"
    accounts = pwd.getpwall()  # last: of 50,000 it takes 0.1 s
    if others := {account.pw_name for account in accounts if account.pw_gid == gid and account.pw_name != user}:
        return f"{min(others)} is in its group {group.gr_name}"
    if not any(account.pw_uid == uid for account in accounts):  # a directory of accounts tells of one, and does not list all
        return f"who else is in its group {group.gr_name} cannot be told, since the accounts of this host cannot be listed"
    return None


def own_name() -> str:
    """The account that this process runs as; its number where that has no name."""
    if not hasattr(os, "geteuid"):
        return os.environ.get("USERNAME", "somebody")
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def groups_of(uid: int) -> tuple[int, ...]:
    """The groups of an account; of one that is not known, none."""
    import pwd

    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        return ()
    return tuple(os.getgrouplist(account.pw_name, account.pw_gid))


def stranger(uid: int, gid: int) -> str:
    """Whose a file is that belongs neither to us nor to root, and who is to work on it."""
    if is_unknown(uid):
        return f"uid {uid}, which stands for all whom this user namespace has no number for (give it to one whom it has, or run outside of it)"
    become = f"; work as that one, in a container with --user {uid}:{gid}" if os.geteuid() == 0 else ""
    return f"another user (uid {uid}{become})"


def is_unknown(number: int, kind: str = "uid") -> bool:
    """Whether that number stands for more than one user, or group (``gid``): a namespace shows all so whom it has none for, us
    among them, also where it has one for a nobody of its own."""
    return number == _NOBODY and _numbers(kind) != _ALL


def _numbers(kind: str) -> list[tuple[int, ...]]:
    """Which users, or groups, have numbers in this user namespace: the first one's here and outside, and how many."""
    try:
        with open(f"/proc/self/{kind}_map", "rb") as file:  # a codec may be out of reach by now
            return [tuple(map(int, line.split())) for line in file]
    except OSError:  # there are no such namespaces here
        return _ALL
