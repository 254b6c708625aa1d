"""What schedules and workflows will do, thought through instead of waited for.

Owns what a user says and gets. No task is run: how long each takes, and how often it fails, is said; but an app's own triggers and backoff functions
are asked, as workers ask them. The same said, with the same seed, comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ..app import LiteQueue
from ..base import checks
from ..base.errors import InvalidArgument, InvalidType
from ..options.kinds import GRAPH
from ..store.links.telling import JOIN
from ..workflow.compiling import Plan, client_of, graph_of, plan
from .simulated import given
from .simulated.given import Attempt, Dice, Fails, Of, Rules, Takes, Window
from .simulated.jobs import PAUSE, Job, Table, Wait, fitted
from .simulated.limits import Limits
from .simulated.links import wait
from .simulated.reading import Codes, Found
from .simulated.report import Simulation
from .simulated.schedules import Schedule, Schedules
from .simulated.world import World

if TYPE_CHECKING:
    from ..workflow.shapes import Shape

__all__ = ["Attempt", "Simulation", "simulate"]

_DAY = 86_400 * checks.MICROS


def simulate(
    app: LiteQueue,
    flow: Shape | None = None,
    *,
    start: datetime | None = None,
    days: float = 365,
    seed: int = 0,
    takes: Takes | Of = 0,
    fails: Fails | Of = 0,
    slots: int | Mapping[str, int] | None = None,
    down: Iterable[Window] = (),
    paused: Mapping[str, Iterable[Window]] | None = None,
) -> Simulation:
    """Think through what the schedules of an app will do, or a workflow that is enqueued at ``start``.

    The schedules are those that the app declares, and those of its file, if there is one. They begin at ``start`` (an aware datetime), as if they were
    new; left out, they go on from where they are now. Jobs that are in the file are not looked at, nor what tasks would enqueue, nor who is told of failures.

    ``takes``: how long an attempt takes, of all tasks or by task or schedule (themselves, or their names): a length of time, two between which it
    lies, or a function of the ``Attempt``; left out, no time. ``fails``: which share of them fails, likewise; a function may
    also return the exception that the task raises: then it is retried, snoozed or discarded as by that. ``slots``: of each pool, or by pool
    ("thread", "process", "async"); left out, as many as it takes. ``down``: when the host is off, from one moment to another: what runs
    then is interrupted, and each time it comes back it has booted. ``paused``: by schedule, when it is paused.

    Raises InvalidArgument or InvalidType for what cannot be.
    """
    if not isinstance(app, LiteQueue):
        raise InvalidType(f"simulate takes an app, made by LiteQueue(...), not {type(app).__name__}: {app!r:.100}")
    now = app._client.clock.now() if start is None else checks.moment(start, "start")
    until = now + _days(days)
    off = given.windows(down, "down")
    long, failing = Rules(takes, "takes", given.takes), Rules(fails, "fails", given.fails)
    if flow is not None and paused:
        raise InvalidArgument("paused is of schedules, and a workflow is simulated without them")
    found = Found(app, now, anew=start is not None)
    table = Table(now, Dice(checks.integer(seed, "seed", -(2**63), 2**63 - 1)), given.slots(slots), found.paused)
    all_of_them = [] if flow is not None else found.schedules()
    schedules = Schedules(table, all_of_them, off)
    end = None if flow is None else _enqueue(app, flow, table, found.codes)
    for rules in (long, failing):
        rules.refuse_unknown({*found.codes.names, *(job.new.task for job in table.jobs), *(schedule.row.name for schedule in all_of_them)})
    _pause(table, {schedule.row.name: schedule for schedule in all_of_them}, paused or {})
    World(table, schedules, Limits(table, found.limits()), found.codes, long, failing, off).run(until)
    state = None if flow is None else "succeeded" if end is None else end.state
    zone = None if start is None else start.tzinfo
    return Simulation(checks.aware(now).astimezone(zone), checks.aware(until).astimezone(zone), all_of_them, table.jobs, found.left_out, state)


def _days(days: object) -> int:
    if isinstance(days, bool) or not isinstance(days, (int, float)):
        raise InvalidType(f"days must be a number, not {type(days).__name__}: {days!r:.100}")
    if not 0 < days <= 36_600:
        raise InvalidArgument(f"days must be more than 0, and at most 36,600, not {days!r:.60}")
    return int(days * _DAY)


def _pause(table: Table, schedules: Mapping[str, Schedule], paused: Mapping[str, Iterable[Window]]) -> None:
    for name, times in paused.items():
        if name not in schedules:
            raise InvalidArgument(f"paused names {name!r:.100}, and no schedule here is called that; there are {', '.join(schedules) or 'none'}")
        for begin, end in given.windows(times, f"paused of {name}"):
            table.at(begin, PAUSE, (schedules[name], True))
            table.at(end, PAUSE, (schedules[name], False))


def _enqueue(app: LiteQueue, flow: Shape, table: Table, codes: Codes) -> Job | None:
    """All of its jobs; the one whose end is its own, if there is one."""
    if isinstance(flow, type) or not hasattr(type(flow), GRAPH):
        hint = "; write task.s(...)" if hasattr(flow, "delay") else ""
        raise InvalidType(f"a workflow must be a signature, a chain or a group, not {type(flow).__name__}: {flow!r:.100}{hint}")
    made: Plan = plan(flow)
    client = client_of(made)
    if client is not app._client:
        raise InvalidArgument(f"its tasks belong to {client.path}, and it is simulated for {app.path}")
    graph, _ = graph_of(made, client.on_paper(_Stopped(table.now)), {})
    waits = {said.child: said for said in graph.waits}
    jobs: list[Job] = []
    for place, new in enumerate(graph.jobs):
        code = codes.of(new.task)
        node = made.nodes[place]
        if node.takes is not None and code.template.limited is not None and new.columns.limit_key is None:
            raise InvalidArgument(f"{new.task} counts its limit by its arguments, of which one is a result that nobody knows here: write .si(...) for it")
        new = new if new.task == JOIN else fitted(new, code)
        job = table.add(f"step {place}", new._replace(state="blocked" if place in waits else new.state), code)
        jobs.append(job)
    for place, said in waits.items():
        jobs[place].wait = Wait(said.runs_when == "success", said.delay)
    for edge in sorted(graph.edges, key=lambda edge: edge.position):
        wait(jobs[edge.child], jobs[edge.parent])
    for place, when, text in graph.callbacks:
        jobs[place].callbacks[when] = text
        jobs[place].tells = True
    return None if made.end is None else jobs[made.end]


class _Stopped:
    """A clock that stands."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return 0.0
