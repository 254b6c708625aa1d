"""What an app has called around its jobs: functions before, after and at their ends, and hooks for observers.

Owns the registering. A part of ``LiteQueue``; the calls are in ``tasks/hooks`` and ``tasks/observers``, which who has none does not import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .client import Client

F = TypeVar("F", bound=Callable[..., Any])
H = TypeVar("H")


class HooksOfApp:
    """A base of the app."""

    _client: Client

    def before_run(self, function: F) -> F:
        """Have ``function(job)`` called before each execution of this app's tasks, where the task is called. What it raises is as if the
        task had."""
        from .tasks.hooks import plain_function

        self._client.hooks.before.append(plain_function(function, "app.before_run", "job"))
        self._client.hooks.around = True
        return function

    def after_run(self, function: F) -> F:
        """Have ``function(job, error)`` called after each, the last declared first; what that raises is logged. ``error``: or None."""
        from .tasks.hooks import plain_function

        self._client.hooks.after.append(plain_function(function, "app.after_run", "job", "error"))
        self._client.hooks.around = True
        return function

    def on(self, event: str) -> Callable[[F], F]:
        """Have ``function(job)`` called in a thread of the worker that has written that a job has ``"succeeded"``, was ``"discarded"`` or
        ``"cancelled"``, or is ``"retrying"``: at most once. What must not be lost is a callback, or ``on_discarded``."""
        from .tasks.hooks import ends

        found: Callable[[F], F] = ends(self._client.hooks, event, self.job)  # type: ignore[attr-defined]
        return found

    def use(self, hooks: H) -> H:
        """Have an observer's object around this app's jobs. It has any of these, and several objects nest in the order of ``use``:

        - ``enqueue(sent)``, a context manager around each enqueue of this program: ``sent.task``, ``.queue``, ``.count``, ``.headers``, a dict to be filled, and
          after it ``.id``;
        - ``run(job)``, a context manager around each execution, in the job's own thread, process or coroutine and context: ``job`` is ``current_job()``.
          It sees what the task raises as it is, ``Retry``, ``Snooze`` and their like too (``litequeue.is_failure``);
        - ``ended(job, outcome)``, after that: ``outcome.state``, ``.error_type``, ``.will_retry``, ``.seconds``;
        - ``stopping()``, in the worker and in each process of its pool, before it ends.

        What they raise is logged, and changes nothing. Gives the object back. Raises InvalidType or InvalidArgument for one that is none.
        """
        from .tasks.observers import checked

        self._client.hooks.observers.append(checked(hooks))
        self._client.hooks.around = True
        return hooks
