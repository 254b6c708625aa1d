"""What is done to jobs, queues and schedules: as the other commands do it, with a row of who did it.

Owns the words of what came of it.
"""

from __future__ import annotations

from ...acting import DONE, Acting, ids_meant
from ...app import LiteQueue
from ...base.accounts import own_name
from ...base.checks import counted
from ...base.errors import LitequeueError
from .state import Deed


def do(app: LiteQueue, deed: Deed) -> str:
    """What came of it, in words; why nothing did, where that is it."""
    actor = Acting(app._client, f"{own_name()} (top)")
    try:
        return _jobs(actor, deed) if deed.kind == "jobs" else _queue(app, actor, deed) if deed.kind == "queue" else _schedule(app, actor, deed)
    except LitequeueError as error:
        return str(error)


def _jobs(actor: Acting, deed: Deed) -> str:
    changed, stopped = 0, ""
    for progress in actor.act(deed.what, ids_meant(deed.what, map(int, deed.names))):
        changed, stopped = progress.changed, progress.stopped
    which = f"job {deed.names[0]}" if len(deed.names) == 1 else counted(len(deed.names), "job")
    if not changed:
        return f"{which} was not changed" if len(deed.names) == 1 else f"none of {which} was changed"
    return f"{which if changed == len(deed.names) else counted(changed, 'job')} {DONE[deed.what]}" + (f"; it stopped, since {stopped}" if stopped else "")


def _queue(app: LiteQueue, actor: Acting, deed: Deed) -> str:
    name = str(deed.names[0])
    (app.pause if deed.what == "pause" else app.resume)(name)
    actor.note(deed.what, f"queue {name}", 0)
    return f"queue {name} is {'paused' if deed.what == 'pause' else 'not paused any more'}"


def _schedule(app: LiteQueue, actor: Acting, deed: Deed) -> str:
    name, schedules = str(deed.names[0]), app.schedules
    if deed.what == "run":
        job = schedules.run_now(name)
        actor.note("run", f"schedule {name}", 1)
        return f"schedule {name} runs now, as job {job.id}"
    (schedules.pause if deed.what == "pause" else schedules.resume)(name)
    actor.note(deed.what, f"schedule {name}", 0)
    return f"schedule {name} is {'paused' if deed.what == 'pause' else 'not paused any more'}"
