"""The account that a command runs as, and what cron would set for it.

Owns the looking up, what cron sets, who may become him, and whether his account has run out. Becoming him is ``become``'s.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ..base.clock import SystemClock
from ..base.errors import InvalidArgument

if TYPE_CHECKING:
    import pwd

PATH: Final = "/usr/bin:/bin"  # what cron gives a command
SHELL: Final = "/bin/sh"
SHADOW: Final = "/etc/shadow"
DAY: Final = 86_400_000_000  # microseconds


def account_of(user: str) -> pwd.struct_passwd:
    """Raises InvalidArgument if there is none."""
    import pwd  # Unix only

    try:
        return pwd.getpwnam(user)
    except (KeyError, ValueError):  # ValueError: no name that could be encoded
        raise InvalidArgument(f"it runs as {user}, and there is no such user here") from None


def why_not_as(account: pwd.struct_passwd) -> str | None:
    """Why this process cannot run a command as that user; None if it can."""
    me = os.geteuid()
    if me in (0, account.pw_uid):
        return None
    return f"it runs as {account.pw_name}, and only root's worker can run commands as another user; this is uid {me}"


def environment_of(account: pwd.struct_passwd) -> dict[str, str]:
    """All that cron sets."""
    name = account.pw_name
    return {"HOME": account.pw_dir, "LOGNAME": name, "USER": name, "SHELL": SHELL, "PATH": PATH}


def why_expired(user: str) -> str | None:
    """Why cron would run nothing of this account's, as PAM tells it (pam_unix); None if it would, or if nothing is known here.

    Of the days in shadow(5): the account's last one, and how long a password counts that was set on a day. A password that
    is locked keeps nobody's commands from running.
    """
    try:
        with open(SHADOW, encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.rstrip("\n").split(":") for line in file]
    except OSError:  # only root may
        return None
    today = SystemClock().now() // DAY
    # As glibc takes a line: without the last field, which nobody uses, or in the old form, without the last four.
    rows = [[*row, "", "", "", ""][:8] for row in rows if len(row) == 5 or len(row) > 7]
    for name, _, set_on, _, counts_for, _, _, expires in rows:
        if name != user:
            continue
        if _days(expires, today + 1) <= today:
            return f"the account {user} has expired: chage -E says until when it counts"
        if _days(set_on, today) == 0 or _days(counts_for, today) < today - _days(set_on, today):
            return f"the password of {user} has expired, and with it the account: passwd, or chage -M, mends that"
    return None


def _days(field: str, unset: int) -> int:
    field = field.lstrip()
    return int(field) if field.isascii() and field.isdigit() else unset
