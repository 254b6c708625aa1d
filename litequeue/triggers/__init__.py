"""When a schedule fires: ``Cron``, ``Every``, ``At``, or a user's own object with ``next_after``.

Read ``kinds`` first; ``specs`` has their stored text and their words, ``ticks`` what schedulers ask of any of them,
``firing`` decides which ticks are fired and which are past. Pure: no clock, no file. May import ``cron`` and ``base``.
"""

from .kinds import At, Cron, Every, Trigger, name_of
from .specs import describe, from_spec, spec_of
from .ticks import check, last_ticks, next_tick

__all__ = [
    "At", "Cron", "Every", "Trigger", "check", "describe", "from_spec", "last_ticks", "name_of", "next_tick", "spec_of",
]  # fmt: skip
