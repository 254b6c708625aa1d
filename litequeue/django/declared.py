"""The home, in the file, of the schedules that Django's settings declare.

Owns them in a worker of Django's. Any other that loads this module, to see what is declared here now, is told that it cannot judge; so it leaves them as they are
in the file, and fires them, but runs none of their jobs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..base.errors import UnknownTask
from ..tasks import Marked

if TYPE_CHECKING:
    from ..schedules.definition import NewSchedule

if f"{__package__}.working" not in sys.modules:
    raise UnknownTask("they are declared in Django's settings (TASKS), which python manage.py litequeue worker reads")


class Settings(Marked):
    """Shows them to who looks through this module."""

    def __init__(self) -> None:
        self.__litequeue_schedules__: dict[str, NewSchedule] = {}
        self.__litequeue_tasks__: dict[str, Any] = {}


SETTINGS = Settings()
