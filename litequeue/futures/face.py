"""What an app has of executors. Owns nothing: a part of ``LiteQueue`` that its programs pay for when they use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Unpack

from ..client import Client
from ..tasks import TaskCode

if TYPE_CHECKING:
    from ..options.workers import EmbeddedOptions
    from .executor import Executor


class Executors:
    """A base of the app."""

    _client: Client
    _tasks: dict[str, TaskCode]

    def executor(
        self, max_workers: int | None = None, *, queue: str | None = None, tasks: Iterable[Callable[..., Any]] = (), **options: Unpack[EmbeddedOptions]
    ) -> Executor:
        """A ``concurrent.futures.Executor`` whose calls are jobs: ``with app.executor(threads=4, queue="thumbs") as pool:``.

        ``pool.submit(f, x)`` takes a task, or a function at the top level of a module, which becomes one in memory, without retries. The ``Future`` that it
        gives has the ``job``. The calls run in a worker of the executor's own, which serves its queue alone ("executor"); with ``threads=0``, and no other
        slots, other workers run them, from the queues of their tasks. ``max_workers`` is ``threads``. Plain functions run in threads; where ``processes``
        is given and ``threads`` is not, in processes. What is not done when the program dies is still in the queue: an executor with
        ``tasks=[f]`` goes on with it, and has its futures in ``pool.resumed``.

        The other options are those of ``app.worker``. Raises InvalidArgument or InvalidType for what it cannot take, WouldDeadlock in a coroutine
        or a process task, which may not wait for its end.
        """
        from .executor import Executor

        return Executor(self._client, self._tasks, self.worker, max_workers, queue, tasks, options)  # type: ignore[attr-defined]
