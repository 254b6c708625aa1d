"""Jobs that wait for each other, in memory: what ``store/links/telling`` does in SQL.

Owns who is let go or cancelled once others have ended, and the callbacks that are made then. What jobs come to is not known here, so none is too large
to be handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ...store.links.following import job_of
from ...store.links.telling import JOIN
from ...tasks import TaskCode
from .jobs import PROMOTE, Job, Table, fitted

_WHEN: Final = {"succeeded": "success", "discarded": "failed"}  # by state: the callbacks that are due


def wait(child: Job, parent: Job) -> None:
    """Let a job wait for one more."""
    assert child.wait is not None
    child.wait.parents.append(parent)
    child.wait.pending += 1
    parent.children.append(child)
    parent.tells = True


def tell(table: Table, code_of: Callable[[str], TaskCode]) -> None:
    """Tell of all that has ended. Who is cancelled by that is told of in the next pass, and slots of limits are given in between."""
    told, table.inbox = sorted(table.inbox, key=_id), []
    waiting: dict[int, Job] = {}
    for job in told:
        _call_back(table, job, code_of)
        for child in job.children:
            if child.wait is not None and _waits(child):
                child.wait.pending -= 1
                child.wait.upset += job.state != "succeeded"
                waiting[child.id] = child
    _judge(table, waiting.values())


def _id(job: Job) -> int:
    return job.id


def _waits(job: Job) -> bool:
    return job.state == "blocked" and not job.stands


def _call_back(table: Table, parent: Job, code_of: Callable[[str], TaskCode]) -> None:
    when = _WHEN.get(parent.state)
    texts = [text for at, text in parent.callbacks.items() if at == when] or [each.job for each in parent.code.callbacks if each.runs_when == when]
    for text in texts:
        found = job_of(text, table.now)
        if found is not None:
            new, code = found[1], code_of(found[1].task)
            table.add(f"{parent.name} > {new.task}", fitted(new, code), code)


def _judge(table: Table, jobs: Iterable[Job]) -> None:
    """Cancel or let go those for whom that is decided now."""
    jobs = list(jobs)
    for job, cause in _doomed(jobs).items():
        assert job.wait is not None
        job.wait.cause = cause
        ended = "has expired" if cause.state == "expired" else f"was {cause.state}"
        table.finish(job, "cancelled", f"job {cause.id} ({cause.new.task}), which it needed, {ended}")
    for job in jobs:
        if job.wait is not None and not job.wait.pending and _waits(job):
            _release(table, job)


def _doomed(jobs: Iterable[Job]) -> dict[Job, Job]:
    """Who wants successes and will not have them, and on and on; each with the job that is the reason."""
    causes: dict[Job, Job] = {}
    stack: list[tuple[Job, Job]] = []
    for job in jobs:
        wait = job.wait
        if wait is not None and wait.upset and wait.needs:
            first = next(parent for parent in wait.parents if parent.is_final and parent.state != "succeeded")
            stack.append((job, (first.wait.cause if first.wait is not None else None) or first))
    while stack:
        job, cause = stack.pop()
        if job.wait is None or not job.wait.needs or not _waits(job):
            continue
        if job not in causes or cause.id < causes[job].id:
            causes[job] = cause
            stack += [(child, cause) for child in job.children]
    return dict(sorted(causes.items(), key=lambda item: item[0].id))


def _release(table: Table, job: Job) -> None:
    assert job.wait is not None
    if job.new.task == JOIN:
        table.finish(job, "succeeded", None)
    elif job.run_at > table.now or job.wait.delay:
        job.state, job.run_at = "scheduled", max(job.run_at, table.now + job.wait.delay)
        table.at(job.run_at, PROMOTE, job)
    else:
        table.let_go(job)
