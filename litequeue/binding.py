"""What an app has of its file, as a thing that is bound and closed, and of tasks that were made without an app.

Owns nothing: a part of ``LiteQueue``. Where a path comes from that is not said as the app is made is in ``late``, whose a shared task is in ``shared``.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from . import known
from .client import Client
from .given import LATER

if TYPE_CHECKING:
    from .task import Task
    from .tasks import TaskCode


class Binding:
    """A base of the app."""

    _client: Client
    _tasks: dict[str, TaskCode]

    def bind(self, path: str | os.PathLike[str]) -> None:
        """Say which file an app works on that was made as ``LiteQueue()``: in a factory, ``app.bind(config["QUEUE"])``. Where it is said again the
        last counts, until the app's first use; after that once it is closed. In a worker, and in a test, it is for afterwards. Raises
        InvalidArgument."""
        self._client.rebind(path)

    def adopt(self, *tasks: Task[..., Any] | ModuleType) -> None:
        """Make shared tasks this app's, those of ``@shared_task``, by themselves or by their modules; of several apps the last counts. Where a process
        has one app, that is done by itself. Raises InvalidType for what is none, InvalidArgument for a name that is taken here."""
        from .shared import adopt

        adopt(self, tasks)

    def _take_what_is_free(self) -> None:
        """A worker is about to run the app's tasks: of a process's only app these are also the shared ones that nobody has adopted."""
        if known.shared:
            from .shared import offer

            offer(self)

    def close(self) -> None:
        """Close this process's connections to the file; the next use opens it again."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LiteQueue {self._client.bound or 'without a path yet'}>"


def client_for(path: Any, **options: Any) -> Client:
    """The client of an app that is made with this path, or what is to say it later."""
    if path is not LATER and (isinstance(path, (str, os.PathLike)) or not callable(path)):
        return Client(path, **options)
    from .late import LateClient

    return LateClient(None if path is LATER else path, **options)
