"""What is said of a task's code before its first job is enqueued: that another program calls one the same, or that nobody has declared its limit.

Owns these two judgements. The records are ``store/origins``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base.errors import InvalidArgument
from .base.homes import same_directory
from .base.log import Log
from .base.models import TaskOrigin

if TYPE_CHECKING:
    from .store import Store

log = Log("litequeue.tasks")


def compare(new: TaskOrigin, known: TaskOrigin | None) -> None:
    """Say so where two programs call two tasks the same: x/main.py and y/main.py both have main.run, and a worker loads
    the one of which a job was enqueued last.

    Said and not refused, since nothing tells them from two releases of one program, which is unpacked beside its
    predecessor and goes on with the jobs of that.
    """
    if known is None or not known.is_loadable or same_directory(known.directory, new.directory):
        return
    if new.module.partition(".")[0] == __package__:  # a command: each worker runs it with its own litequeue
        return
    from .tasks.modules import source_files

    if source_files(known.module, known.directory):
        log.warning(
            "task %s was recorded from %s before, which is still there, and is now from %s: a worker runs all its jobs with "
            "the code there. If those are two programs, and not two releases of one, give one's task another name=",
            new.task, known.directory, new.directory,
        )  # fmt: skip


def refuse_undeclared(task: str, limit: str, store: Store, path: str) -> None:
    """Raise InvalidArgument for a limit that the code of its task does not declare, and that is not in the file either."""
    if store.limits.find(limit) is None:
        raise InvalidArgument(
            f"{task} asks the limit {limit!r}, which nobody has declared: app.limit({limit!r}, max_running=...), "
            f"or python -m litequeue limit {path} {limit} --max N"
        )
