"""The grammar of the command line: which commands there are, and their arguments.

Read ``commands`` first, the list; ``jobs`` has the arguments of those about jobs, ``schedules`` those of schedules and crontabs, ``alerts`` those of alerts, ``parser`` what all share, ``habits`` what people
type who come from elsewhere. What a command does is imported when it is chosen. May import ``options`` and ``base``.
"""

from .commands import build
from .parser import flag_of

__all__ = ["build", "flag_of"]
