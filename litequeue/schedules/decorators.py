"""Declaring schedules in code: ``@app.cron``, ``@app.every`` and ``@app.schedule``.

Owns entering what a decorator says into the app's memory; workers that have the code write it to the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..base.errors import InvalidArgument
from ..options import options_of, refuse_unknown
from ..options.schedules import ScheduleOptions, TimeOptions
from ..task import Task
from .declarations import MARK
from .definition import NewSchedule, trigger_of
from .face import Schedules

T = TypeVar("T")


def decorate(
    schedules: Schedules,
    to_task: Callable[[Any], Task[Any, Any]],
    declared: dict[str, NewSchedule],
    options: dict[str, Any],
) -> Callable[[T], T]:
    """The decorator; a plain function becomes a task. Enters the schedule in ``declared``."""
    name = options.pop("name", None)
    refuse_unknown(ScheduleOptions, options, "a schedule", also="name, ")
    # Made now: without its parentheses, a decorator is handed the function as its first option.
    trigger = trigger_of(**{key: options.pop(key) for key in options_of(TimeOptions) if key in options})

    def declare(function: T) -> T:
        task: Any = function if isinstance(function, Task) else to_task(function)
        origin = task.__litequeue_code__.origin
        if origin is None or not origin.is_loadable:
            raise InvalidArgument(f"{task.name} is not in a module that a worker could import, so it cannot be scheduled there")
        new = schedules.new(task.name if name is None else name, task, {**options, "trigger": trigger}, declared=True)
        known = declared.get(new.name)
        if known is not None and not _is_reloaded(known, new):
            raise InvalidArgument(f"there is already a schedule named {new.name}: give one of them another name=")
        declared[new.name] = new
        setattr(task, MARK, declared)  # so that a module shows it that does not hold the app itself
        result: T = task
        return result

    return declare


def _is_reloaded(known: NewSchedule, new: NewSchedule) -> bool:
    """Whether the module was executed again: the same task, but another object."""
    return known.origin == new.origin and known.origin is not new.origin
