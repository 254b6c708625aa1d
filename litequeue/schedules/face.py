"""``app.schedules``: the schedules of the file, from any process.

Owns turning what users write into a ``NewSchedule``, the rules of what may be changed where, and ``Batch``, many changes in one
transaction. The firing is the worker's; the decorators are in ``decorators``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Unpack

from .. import triggers
from ..base import checks
from ..base.bell import TIMES
from ..base.clock import boot_id
from ..base.errors import InvalidArgument, ScheduleNotFound
from ..base.exact import UniqueKey
from ..base.models import NewJob
from ..base.records import ScheduleInfo, TickInfo
from ..client import Client
from ..given import call
from ..job import Job
from ..options import checked, complete, refuse_unknown
from ..options.schedules import RuleOptions, ScheduleOptions, TickOptions, TimeOptions
from ..store.schedules import KEPT_OVER_A_RESTART, Change, Stored
from ..store.schedules.shown import shown, shown_tick
from ..task import Task, code_of
from ..tasks import TaskCode
from ..triggers import firing
from .changes import (
    changed_job,
    changed_rules,
    changed_trigger,
    given_of,
    refuse_foreign,
)
from .declarations import GONE
from .definition import NewSchedule, define, trigger_of


class Schedules:
    """The schedules of an app's file. Every change is on disk when the call returns, and wakes the workers."""

    def __init__(self, client: Client, tasks: dict[str, TaskCode]) -> None:
        self._client = client
        self._tasks = tasks

    # -- changing ------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        task: Task[Any, Any] | str,
        *,
        paused: bool = False,
        replace: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """Add a schedule at run time; the options are those of ``litequeue.options.schedules.ScheduleOptions``.

        When: one of ``cron`` (an expression, in ``timezone``, default the host's; with ``seconds=True`` six fields,
        seconds first), ``every`` ("15m", seconds or a timedelta), ``at`` (an aware datetime), or ``trigger``: a
        ``Cron``, ``Every`` or ``At``. What: ``task`` with ``args`` and ``kwargs``, and the options of its jobs. Durations
        are text such as "1h30m", seconds, or timedeltas.

        Raises InvalidArgument for what cannot be (an expression that never fires, an unknown zone), and if the name is
        taken, unless ``replace``: then the options are as given now, a schedule with the same time keeps its next tick,
        and a paused one stays so. Raises InvalidType for an option that there is not.
        """
        one = Batch(self)
        one.add(name, task, paused=paused, replace=replace, **options)
        one.write()
        return self.get(name)

    def _put(self, new: NewSchedule, paused: bool, replace: bool) -> Change:
        now = self._client.clock.now()
        values = _values(new, now)
        known = self._client.store.schedules.stored(new.name)
        if known is None:
            return Change(values, now, None, new.origin, paused=paused)
        if not replace:
            raise InvalidArgument(f"there is already a schedule named {new.name}: give another name, or replace=True")
        self._refuse_declared(known, "replaced")
        same = all(values[key] == known.values[key] for key in ("trigger", "jitter"))
        return Change(values, now, known, new.origin, not same or _is_over(known), paused)

    def update(self, name: str, **changes: Unpack[ScheduleOptions]) -> ScheduleInfo:
        """Change options of ``add`` for a schedule that was added at run time; None takes one away.

        With a new time it starts from now; else its next tick stays. Raises ScheduleNotFound.
        """
        one = Batch(self)
        one.update(name, **changes)
        one.write()
        return self.get(name)

    def _amend(self, known: Stored, changes: Mapping[str, Any]) -> Change:
        self._refuse_declared(known, "changed")
        old, now = known.values, self._client.clock.now()
        trigger = changed_trigger(old["trigger"], changes)
        code = self._tasks.get(old["task"]) or self._client.builtin(old["task"])
        job = changed_job(old, changes, self._client.template(code or old["task"]), self._texts(code, old, changes), now)
        new = define(old["name"], trigger, job, changed_rules(old, changes), None, self._key(code or old["task"], job))
        fresh = new.row(now)
        retime = any(fresh[key] != old[key] for key in ("trigger", "jitter"))
        if retime or _is_over(known) and given_of(TimeOptions, changes):
            retime, fresh = True, _values(new, now)
        else:
            fresh |= {key: old[key] for key in ("trigger", *KEPT_OVER_A_RESTART)}
        return Change(fresh, now, known, retime=retime)

    def _key(self, code: TaskCode | str, job: NewJob) -> UniqueKey | None:
        template = self._client.template(code)
        if template.unique is None:
            return None
        key, _ = self._client.key_of(template, self._client.codec.decode(job.args), self._client.codec.decode(job.kwargs), None)
        return key

    def _texts(self, code: TaskCode | None, old: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[str, str]:
        if not changes.keys() & {"args", "kwargs"}:
            return old["args"], old["kwargs"]
        args, kwargs = (changes[k] if k in changes else self._client.codec.decode(old[k]) for k in ("args", "kwargs"))
        positional, named = call(() if args is None else args, kwargs)
        if code is not None:
            code.check_call(positional, named)
        return (self._client if code is None else code).codec.encode_ahead(old["name"], positional, named)

    def remove(self, name: str) -> None:
        """Remove a schedule and its history; its jobs stay. Raises ScheduleNotFound.

        One that is declared in code would come back with the next worker: that is refused, unless it is disabled.
        """
        one = Batch(self)
        one.remove(name)
        one.write()

    def pause(self, name: str) -> None:
        """Let no tick fire until ``resume``. Ticks in between are not made up for. Raises ScheduleNotFound."""
        self._stored(name)
        self._client.store.schedules.pause(name, self._client.clock.now())

    def resume(self, name: str) -> None:
        """Undo ``pause``: the next tick is the next one from now. Also for one that was disabled for an error.

        Raises ScheduleNotFound, and InvalidArgument for one whose declaration is gone.
        """
        addresses = None
        while addresses is None:
            known = self._stored(name)
            if known.paused_at is None and known.disabled_at is None:
                return
            why = self.get(name).why or ""
            if why.endswith(GONE):
                raise InvalidArgument(f"the schedule {name} is disabled, since {why}: declare it there again, or remove it")
            now = self._client.clock.now()
            tick = fires_at = None  # of a trigger of the user's own: the worker with its code works them out
            if not firing.is_foreign(known.values["trigger"]):
                trigger = firing.trigger_of(known.values["trigger"], known.values["anchor_at"])
                tick, fires_at = firing.first(trigger, name, known.values["jitter"], now)
            addresses = self._client.store.schedules.resume(known, tick, fires_at, now)
        self._client.ring(addresses, TIMES)

    def run_now(self, name: str) -> Job[Any]:
        """Make a job of it now, whatever the time and whatever runs; or find the one that has its key, if its task is unique. Its ticks stay. Raises
        ScheduleNotFound."""
        checks.name(name, "the schedule's name")
        made = self._client.store.schedules.run_now(name, self._client.clock.now())
        if made is None:
            raise self._unknown(name)
        found, addresses = made
        self._client.ring(addresses)
        return Job(self._client, *found)

    # -- looking -------------------------------------------------------------------------------------

    def get(self, name: str) -> ScheduleInfo:
        """One schedule. Raises ScheduleNotFound."""
        rows = self._client.store.schedules.rows(checks.name(name, "the schedule's name"))
        if not rows:
            raise self._unknown(name)
        return shown(rows[0])

    def ticks(self, name: str, *, before: datetime | None = None, limit: int = 50) -> list[TickInfo]:
        """What became of the ticks of a schedule, newest first; the next page is the one ``before`` the last of this.

        Kept for 90 days, at most 10,000 for each. Raises ScheduleNotFound.
        """
        self._stored(name)
        stamp = None if before is None else checks.moment(before, "before")
        limit = checks.integer(limit, "limit", 1, 10_000)
        return [shown_tick(row) for row in self._client.store.schedules.ticks(name, stamp, limit)]

    def list(self) -> list[ScheduleInfo]:
        """All schedules, by name."""
        return [shown(row) for row in self._client.store.schedules.rows()]

    # -- what is written -----------------------------------------------------------------------------

    def new(
        self, name: str, task: Task[Any, Any] | str, options: Mapping[str, Any], *, declared: bool = False
    ) -> NewSchedule:
        """A schedule of these options, checked and not stored; ``declared`` in code, or added at run time."""
        code = code_of(task, self._tasks, self._client)
        refuse_unknown(ScheduleOptions, options, "a schedule")
        trigger = trigger_of(**given_of(TimeOptions, options))
        if not declared:
            refuse_foreign(trigger)
        rules = complete(RuleOptions, given_of(RuleOptions, options), "a schedule")
        given = given_of(TickOptions, options)
        checked(TickOptions, given, "a schedule")
        args, kwargs = options.get("args"), options.get("kwargs")
        positional, named = call(() if args is None else args, kwargs)
        if isinstance(code, TaskCode):
            code.check_call(positional, named)
        texts = (code if isinstance(code, TaskCode) else self._client).codec.encode_ahead(name, positional, named)
        job = self._client.new_job(self._client.template(code), texts, given, (positional, named))
        origin = code.origin if isinstance(code, TaskCode) else None
        return define(name, trigger, job, rules, origin, self._key(code, job), declared=declared, path=self._client.bound if declared else None)

    def _stored(self, name: str) -> Stored:
        known = self._client.store.schedules.stored(checks.name(name, "the schedule's name"))
        if known is None:
            raise self._unknown(name)
        return known

    def _unknown(self, name: str) -> ScheduleNotFound:
        import difflib  # where somebody may have mistyped

        near = difflib.get_close_matches(name, [info.name for info in self.list()], 2, 0.6)
        return ScheduleNotFound(f"there is no schedule named {name}{f'; did you mean {near[0]}?' if near else ''}")

    @staticmethod
    def _refuse_declared(known: Stored, done: str) -> None:
        module = known.values["module"]
        if module is not None:
            raise InvalidArgument(
                f"the schedule {known.values['name']} is declared in {module}, and is {done} there; here it can be "
                "paused, resumed and run now"
            )


class Batch:
    """Schedules that are added, changed and removed in one transaction: all of them, or none. Each call raises what the same of
    ``Schedules`` raises, and asks for nothing then."""

    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules
        self._asked: list[Callable[[], Change]] = []
        self._changes: list[Change] = []
        self._removed: list[str] = []

    def add(
        self, name: str, task: Task[Any, Any] | str, *, paused: bool = False, replace: bool = False, **options: Unpack[ScheduleOptions]
    ) -> None:
        checks.flag(paused, "paused")
        checks.flag(replace, "replace")
        new = self._schedules.new(name, task, options)
        self._ask(lambda: self._schedules._put(new, paused, replace))

    def update(self, name: str, **changes: Unpack[ScheduleOptions]) -> None:
        refuse_unknown(ScheduleOptions, changes, "update")
        self._ask(lambda: self._schedules._amend(self._schedules._stored(name), changes))

    def remove(self, name: str) -> None:
        known = self._schedules._stored(name)
        if known.disabled_at is None:
            self._schedules._refuse_declared(known, "removed")
        self._removed.append(name)

    def _ask(self, change: Callable[[], Change]) -> None:
        self._changes.append(change())
        self._asked.append(change)

    def write(self) -> None:
        client = self._schedules._client
        while True:
            void, addresses = client.store.schedules.write(self._changes, self._removed)
            if not void:
                break
            for number in void:  # somebody else was faster
                self._changes[number] = self._asked[number]()
        if self._changes:
            client.ring(addresses, TIMES)


def _values(new: NewSchedule, now: int) -> dict[str, Any]:
    """The row of one that begins now, which must have a tick to come."""
    values = new.values(now, boot_id())
    if values["next_tick_at"] is None and values["boot"] is None:
        raise InvalidArgument(f"the schedule {new.name} would never fire: {triggers.describe(new.trigger)} is over")
    return values


def _is_over(known: Stored) -> bool:
    """Whether it has no tick to come, unless it begins anew."""
    return known.disabled_at is not None or not (
        known.awaiting or known.values["next_tick_at"] is not None or known.values["boot"] is not None
    )
