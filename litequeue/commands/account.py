"""The account that a command runs as, and what cron would set for it.

Owns the looking up, what cron sets, and who may become him. Becoming him is ``become``'s.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ..base.errors import InvalidArgument

if TYPE_CHECKING:
    import pwd

PATH: Final = "/usr/bin:/bin"  # what cron gives a command
SHELL: Final = "/bin/sh"


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
