"""Why a job does not start: what a person who waits in vain wants to know.

A pure function from what the file says to one clause. Reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..base.records import JobInfo, WorkerInfo


def why(job: JobInfo, workers: Sequence[WorkerInfo], paused: Collection[str], path: str) -> str | None:
    """What keeps an available job from being claimed; None if nothing but work ahead of it does."""
    if job.state == "blocked":
        return f"a job of an earlier tick of {job.schedule} has not ended" if job.schedule else None
    if job.state != "available":
        return None
    if job.queue in paused:
        return f"its queue {job.queue} is paused"
    if not workers:
        return f"no worker serves this file: python -m litequeue worker {path}"
    workers = [w for w in workers if w.queues is None or job.queue in w.queues]
    if not workers:
        return f"no worker serves its queue {job.queue}"
    workers = [w for w in workers if w.slots.get(job.pool)]
    if not workers:
        return f"no worker of its queue has slots for the {job.pool} pool"
    able = [w for w in workers if job.task not in w.unknown_tasks]
    if not able:
        return f"worker {workers[0].name} has no code for it: {workers[0].unknown_tasks[job.task]}"
    if all(worker.is_stuck(job.pool) for worker in able):
        return (
            f"all {able[0].slots[job.pool]} {job.pool} slots of worker {able[0].name} are held by jobs that run on past their "
            "timeout, and a thread cannot be killed: restart that worker, and run such tasks with pool=\"process\""
        )
    return None
