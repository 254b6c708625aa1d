"""Django's tasks in a queue of litequeue: ``"BACKEND": "litequeue.django.LiteQueueBackend"``, for ``django.tasks`` and the ``django_tasks`` of PyPI.

Read ``backend`` first, which Django asks. ``api`` is whichever of the two there is. ``places`` knows in which file the queue lies, and joins Django's own
transaction there; ``codes`` makes a task of Django's one of ours, ``running`` is what surrounds its function in a worker, and ``results`` what Django is shown of a
job. ``apps`` and ``models`` are what Django wants of an app in INSTALLED_APPS, which makes the tables, ``clones`` keeps a test's database whole for Django to copy, ``checks`` what it says of settings. The worker: ``working`` finds the code by
Django's ways, ``schedules`` has what the settings declare, and ``declared`` is where that is at home in the file; the command is in ``management``. May import Django, and everything of litequeue; nothing imports it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["LiteQueueBackend"]


def __getattr__(name: str) -> Any:
    """Django imports this package before its settings and apps are there; the backend needs them."""
    if name == "LiteQueueBackend":
        from .backend import LiteQueueBackend

        return LiteQueueBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
