"""Finding the code of the tasks that jobs name.

Owns the rule of who may name code: registered tasks always; modules that producers recorded in the file,
only if nobody but this user (or root) can write the file; and what was looked for in vain, which is tried
again after a while. Imports user modules, through ``tasks.locate`` alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from ..checks import is_name
from ..errors import UnknownTask
from ..models import TaskOrigin
from ..tasks import TaskCode, locate, source_files
from ..trust import why_untrusted

RETRY_SECONDS = 30.0


class Catalogue:
    """The tasks that this worker can run."""

    def __init__(
        self,
        registered: Mapping[str, TaskCode],
        *,
        path: str,
        origin: Callable[[str], TaskOrigin | None] | None,
        monotonic: Callable[[], float],
    ) -> None:
        """``origin`` asks the file where a task is; None switches discovery off."""
        self._registered = registered
        self._found: dict[str, TaskCode] = {}
        self._path = path
        self._origin = origin
        self._monotonic = monotonic
        self._unknown: dict[str, tuple[str, float]] = {}  # name -> (why, when it was tried)

    def known(self, task: str) -> TaskCode | None:
        """The code of a task, if it is here already."""
        return self._registered.get(task) or self._found.get(task)

    def find(self, task: str) -> TaskCode:
        """The code of a task, looked for if need be; raises UnknownTask saying why there is none."""
        code = self.known(task)
        if code is not None:
            return code
        known = self._unknown.get(task)
        if known is not None:
            raise UnknownTask(known[0])
        try:
            code = self._found[task] = self._discover(task)
        except UnknownTask as error:
            self._unknown[task] = (str(error), self._monotonic())
            raise
        code.bind(self._path)
        return code

    def _discover(self, task: str) -> TaskCode:
        if not is_name(task):
            raise UnknownTask(f"{task!r:.220} cannot be the name of a task")
        if self._origin is None:
            raise UnknownTask(f"this worker was given its code, and that has no task {task}")
        try:
            why = why_untrusted(self._path)
        except OSError as error:
            raise UnknownTask(f"{self._path} cannot be looked at: {error}") from error
        if why is not None:
            raise UnknownTask(
                f"the code that {self._path} names is not imported, since {why}; "
                "mend that, or name the code yourself with --import MODULE"
            )
        origin = self._origin(task)
        if origin is None:
            raise UnknownTask(
                f"no producer said where the task {task} is; start the worker with --import MODULE"
            )
        for file in source_files(origin):
            why = why_untrusted(file)
            if why is not None:
                raise UnknownTask(
                    f"the code of {task} is not imported, since {why}; mend that, or name the code yourself "
                    "with --import MODULE"
                )
        return locate(origin)

    def unknown(self) -> dict[str, str]:
        """The tasks that cannot run here, and why."""
        return {task: why for task, (why, _) in self._unknown.items()}

    def unknown_json(self) -> str | None:
        """The same as the claim's parameter: these are left for a worker that knows them."""
        return json.dumps(list(self._unknown)) if self._unknown else None

    @property
    def has_failures(self) -> bool:
        return bool(self._unknown)

    def forget_old_failures(self) -> bool:
        """Allow another try at what failed a while ago: the code may have been mended."""
        limit = self._monotonic() - RETRY_SECONDS
        old = [task for task, (_, at) in self._unknown.items() if at < limit]
        for task in old:
            del self._unknown[task]
        return bool(old)
