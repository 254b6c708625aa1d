"""Crontab files as values: read, and written back.

Read ``file`` first, what lines mean together; ``lines`` has the syntax of one (settings and ``%`` too), ``names`` guesses
what to call a job, ``debian`` knows which times Debian's cron reads otherwise. What the time fields mean is the room
``cron``'s. Reads no file and runs nothing. May import ``base``.
"""

from .debian import verdict
from .file import (
    MAX_DELAY,
    SHELL,
    Crontab,
    Entry,
    beyond_debian,
    for_debian,
    parse,
    render,
)

__all__ = ["MAX_DELAY", "SHELL", "Crontab", "Entry", "beyond_debian", "for_debian", "parse", "render", "verdict"]
