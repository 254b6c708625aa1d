"""What one attempt of a task may take of the machine.

Owns the values, and which tasks can have them. How they are kept is ``pools/bounded``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..base.errors import InvalidArgument


class Bounds(NamedTuple):
    """None: any amount; of ``nice``: not at all."""

    memory: int | None  # bytes
    cpu_time: int | None  # microseconds
    nice: int | None  # as of nice(1), beside the worker's own


def bounds_of(task: str, clean: Mapping[str, Any]) -> Bounds:
    """Of a task's options, which have one at least."""
    bounds = Bounds(clean["memory"], clean["cpu_time"], clean["nice"])
    if clean["pool"] != "process":
        given = " and ".join(name for name, value in bounds._asdict().items() if value is not None)
        where = "a coroutine shares its process with all others" if clean["pool"] == "async" else "a thread shares its process with all others"
        raise InvalidArgument(f'{given} of the task {task}: {where}, so that goes with pool="process" alone')
    return bounds
