"""What keeps a job from starting, or one that runs from ending, asked of the file.

Owns what is asked, and in which order. What the answers come to is ``waiting``'s.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ..base.checks import aware
from . import waiting
from .file import Database
from .flows import Flows
from .inspection import Inspection
from .limits import Limits
from .reports import Reports
from .steps import Steps

if TYPE_CHECKING:
    from ..base.records import JobInfo


def why(database: Database, info: JobInfo, now: int) -> str | None:
    """In one clause; None if nothing does. ``now`` in microseconds."""
    inspection, reports, limits = Inspection(database), Reports(database), Limits(database)
    runs, condition = inspection.holder(info.id)
    if runs:
        return waiting.held_up(info, condition, aware(now), database.path)
    workers, conditions = reports.workers(now), inspection.conditions(now)
    if info.state == "blocked" and (held := limits.holdup(info.id, now)) is not None:
        text = waiting.limited(*held, info.queue in reports.paused())
        if text is not None:
            return text
        info = dataclasses.replace(info, state="available")  # a worker's turn, and it would be
    waits = None if info.state not in ("blocked", "scheduled") else waiting.waits_for(
        Flows(database).awaited(info.id, waiting.MOST_COUNTED + 2), Steps(database).awaited(info.id)
    )  # fmt: skip
    return waits or waiting.why(info, workers, conditions, aware(now), reports.paused(), database.path)
