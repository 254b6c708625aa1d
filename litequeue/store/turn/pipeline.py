"""The steps of a turn, in their order.

Owns the order, and nothing else. A step is ``step(connection, turn)``, inside the turn's transaction: it reads what the
steps before it left in ``turn``, and costs next to nothing where it has nothing to do. What has ended comes before what is
waiting, so that what an end sets free can be claimed in the same turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from .adopt import adopt
from .cancels import cancel_requested
from .claim import claim
from .count import count
from .expire import expire
from .fill import fill
from .listen import listen
from .look import look
from .output import keep_output
from .progress import keep_progress
from .promote import promote
from .replace import replace
from .settle import settle_others, settle_succeeded
from .state import Turn
from .suspend import suspend
from .tell import tell
from .usage import keep_usage

Step = Callable[[sqlite3.Connection, Turn], None]

STEPS: Final[tuple[Step, ...]] = (
    settle_succeeded,
    settle_others,
    suspend,
    replace,
    keep_output,
    keep_progress,
    keep_usage,
    count,
    adopt,
    look,
    cancel_requested,
    expire,
    promote,
    tell,
    fill,
    claim,
    listen,
)
