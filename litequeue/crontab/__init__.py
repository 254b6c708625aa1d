"""Crontab files as values: read, and written back.

Read ``file`` first, what lines mean together; ``lines`` has the syntax of one (settings and ``%`` too), ``names`` guesses
what to call a job. What the time fields mean is the room ``cron``'s. Reads no file and runs nothing. May import ``base``.
"""

from .file import (
    MAX_DELAY,
    SHELL,
    Crontab,
    Entry,
    beyond_debian,
    parse,
    render,
)

__all__ = ["MAX_DELAY", "SHELL", "Crontab", "Entry", "beyond_debian", "parse", "render"]
