"""Which schedules a loaded module declares.

Apart from ``definition``, so that a worker without schedules need not load what belongs to them (time zones, cron).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Final

from ..tasks import Marked

if TYPE_CHECKING:
    from .definition import NewSchedule

GONE: Final = " any more"  # how the reason ends for which a schedule is disabled that its module has not
MARK: Final = "__litequeue_schedules__"  # the attribute by which an app or a task shows what was declared


def declared_in(module: ModuleType, name: str, directory: str) -> list[NewSchedule]:
    """The schedules that a loaded module declares itself, not those of the modules that it imports."""
    found: dict[int, NewSchedule] = {}
    for value in list(vars(module).values()):
        declared = getattr(value, MARK, None) if issubclass(type(value), Marked) else None
        if isinstance(declared, Mapping):
            found.update((id(new), new) for new in list(declared.values()) if is_of(new, name, directory))
    return list(found.values())


def is_of(new: NewSchedule, module: str, directory: str) -> bool:
    """Whether it was declared in this module."""
    return (new.module, new.directory) == (module, directory)
