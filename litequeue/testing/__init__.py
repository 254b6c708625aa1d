"""For the tests of programs that use litequeue: the real file, the worker's own code run by hand, and time that goes on when it is told to.

Read ``kit`` first, what a test holds: ``testing(app)``, and what it gives. ``fixture`` is the same for pytest, ``rebinding`` has the app on the test's file
meanwhile, which ``fresh`` makes, ``hand`` is the worker, which does one job at a time in the thread that asks it to, with its ``pools``, ``clock`` says what time it
is there, ``enqueued`` finds and words what waits, ``failures`` raises what went wrong, ``pretended`` is a job that a test is itself. ``simulator`` thinks through what schedules and
workflows will do, its parts are in ``simulated``. Nothing of the package imports this, and each name is imported when it is asked for: pytest by ``fixture`` alone.
May import all of the package but ``cli``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .enqueued import Enqueued
    from .fixture import queue
    from .kit import Kit, testing
    from .simulator import Attempt, Simulation, simulate

__all__ = ["Attempt", "Enqueued", "Kit", "Simulation", "queue", "simulate", "testing"]

_LATER = {
    "Attempt": "simulator", "Enqueued": "enqueued", "Kit": "kit", "Simulation": "simulator", "queue": "fixture", "simulate": "simulator", "testing": "kit",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _LATER:
        value: object = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
