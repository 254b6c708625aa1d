"""``app.schedules``: the schedules of the file, from any process; and the declaring of them in code.

Owns turning what users write into a ``NewSchedule``, and the rules of what may be changed where. The firing is the
worker's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from .. import triggers
from ..base import checks
from ..base.bell import TIMES
from ..base.clock import boot_id
from ..base.errors import InvalidArgument, InvalidType, ScheduleNotFound
from ..base.records import ScheduleInfo, TickInfo
from ..client import Client, EnqueueOptions, call
from ..job import Job
from ..store.schedules import KEPT_OVER_A_RESTART, Stored
from ..store.schedules.shown import shown, shown_tick
from ..task import Task
from ..tasks import TaskCode
from ..triggers import firing
from .declarations import GONE, MARK
from .definition import NewSchedule, Span, check, default_grace, span, trigger_of

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

T = TypeVar("T")

_TRIGGER = ("cron", "every", "at", "trigger", "timezone", "seconds")
_RULES = ("catch_up", "grace", "overlap", "jitter", "on_failure", "mail_to")
_JOB = ("queue", "priority", "retries", "timeout", "soft_timeout", "expires")
_CHANGEABLE = ("args", "kwargs", *_TRIGGER, *_RULES, *_JOB)
_SPANS = ("timeout", "soft_timeout", "expires")


class Schedules:
    """The schedules of an app's file. Every change is on disk when the call returns, and wakes the workers."""

    def __init__(
        self, client: Client, tasks: Mapping[str, TaskCode], declared: dict[str, NewSchedule]
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._declared = declared

    # -- changing ------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        task: Task[Any, Any] | str,
        *,
        cron: str | None = None,
        every: Span | None = None,
        at: datetime | None = None,
        trigger: triggers.Trigger | None = None,
        timezone: str | ZoneInfo | None = None,
        seconds: bool = False,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        catch_up: str = "latest",
        grace: Span | None = None,
        overlap: str = "skip",
        jitter: Span = 0,
        on_failure: str | None = None,
        mail_to: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        retries: int | None = None,
        timeout: Span | None = None,
        soft_timeout: Span | None = None,
        expires: Span | None = None,
        paused: bool = False,
        replace: bool = False,
    ) -> ScheduleInfo:
        """Add a schedule at run time.

        When: one of ``cron`` (an expression, in ``timezone``, default the host's; with ``seconds=True`` six fields,
        seconds first), ``every`` ("15m", seconds or a timedelta), ``at`` (an aware datetime), or ``trigger``: a
        ``Cron``, ``Every`` or ``At``. What: ``task`` with ``args`` and ``kwargs``, and the options of an enqueue.

        ``catch_up``: what becomes of ticks that passed while no worker ran: ``"latest"`` fires the last of them,
        ``"all"`` each (at most 100), ``"skip"`` none that is more than a minute late; within ``grace``, by default an
        hour, or one period of an interval. ``overlap``: while the job of an earlier tick has not ended, ``"skip"`` leaves a tick out,
        ``"queue"`` lets its job wait for that one, ``"allow"`` does not care. ``jitter``: each tick fires up to so
        much later, always as much for one tick. ``on_failure``: a command for the shell, and ``mail_to``: an address,
        that are told when a job of the schedule is discarded, or a tick missed.

        Durations are text such as "1h30m", seconds, or timedeltas. Raises InvalidArgument for what cannot be
        (an expression that never fires, an unknown zone), and if the name is taken, unless ``replace``: then
        the options are as given now, a schedule with the same time keeps its next tick, and a paused one stays so.
        """
        options = {key: value for key, value in locals().items() if key in (*_TRIGGER, *_RULES, *_JOB)}
        checks.flag(paused, "paused")
        checks.flag(replace, "replace")
        new = self._new(name, task, args, kwargs, options)
        ports = None
        while ports is None:
            ports = self._put(new, paused, replace)
        self._client.ring(ports, TIMES)
        return self.get(new.name)

    def _put(self, new: NewSchedule, paused: bool, replace: bool) -> list[int] | None:
        """Whom to wake; None if somebody else was faster."""
        now, store = self._client.clock.now(), self._client.store.schedules
        values = _values(new, now)
        known = store.stored(new.name)
        if known is None:
            return store.add(values, new.origin, paused, now)
        if not replace:
            raise InvalidArgument(f"there is already a schedule named {new.name}: give another name, or replace=True")
        self._refuse_declared(known, "replaced")
        if paused and known.paused_at is None:
            store.pause(new.name, now)
            return None  # to look at it anew
        same = all(values[key] == known.values[key] for key in ("trigger", "jitter"))
        return store.change(known, values, new.origin, now, retime=not same or _is_over(known))

    def update(self, name: str, **changes: Any) -> ScheduleInfo:
        """Change options of ``add`` for a schedule that was added at run time.

        With a new time it starts from now; else its next tick stays. Raises ScheduleNotFound.
        """
        known = self._stored(name)
        self._refuse_declared(known, "changed")
        for key in changes:
            if key not in _CHANGEABLE:
                raise InvalidType(f"update has no option {key!r}; it has {', '.join(_CHANGEABLE)}")
        ports = None
        while ports is None:
            ports = self._amend(self._stored(name), changes)
        self._client.ring(ports, TIMES)
        return self.get(name)

    def _amend(self, known: Stored, changes: Mapping[str, Any]) -> list[int] | None:
        """Whom to wake; None if somebody else was faster."""
        self._refuse_declared(known, "changed")
        old, name, now = known.values, known.values["name"], self._client.clock.now()
        trigger = _new_trigger(old["trigger"], changes)
        code = self._tasks.get(old["task"]) or self._client.builtin(old["task"])
        given = EnqueueOptions(**{key: _seconds(changes[key], key) if key in changes else _option(old, key) for key in _JOB})
        job = self._client.template(code or old["task"], self._texts(code, old, changes), given)
        rules = {key: changes.get(key, _shown(key, old[key])) for key in _RULES}
        if "grace" not in changes and old["grace"] == _usual_grace(old["trigger"]):
            rules["grace"] = None  # what is usual for the new time
        new = check(name=name, trigger=trigger, job=job, origin=None, **rules)
        fresh = new.row(now)
        taken = {"max_attempts" if key == "retries" else key for key in changes if key not in _TRIGGER} | {"grace"}
        retime = any(fresh[key] != old[key] for key in ("trigger", "jitter"))
        if retime or _is_over(known) and changes.keys() & {*_TRIGGER}:
            retime, fresh = True, _values(new, now)
            taken |= {"trigger", *KEPT_OVER_A_RESTART}
        values = {**old, **{key: fresh[key] for key in taken}}
        return self._client.store.schedules.change(known, values, None, now, retime=retime)

    def _texts(self, code: TaskCode | None, old: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[str, str]:
        if not changes.keys() & {"args", "kwargs"}:
            return old["args"], old["kwargs"]
        args, kwargs = (changes[k] if k in changes else self._client.codec.decode(old[k]) for k in ("args", "kwargs"))
        positional, named = call(args, kwargs)
        if code is not None:
            code.check_call(positional, named)
        return self._client.encode_call(old["name"], positional, named)

    def remove(self, name: str) -> None:
        """Remove a schedule and its history; its jobs stay. Raises ScheduleNotFound.

        One that is declared in code would come back with the next worker: that is refused, unless it is disabled.
        """
        known = self._stored(name)
        if known.disabled_at is None:
            self._refuse_declared(known, "removed")
        self._client.store.schedules.remove(name)

    def pause(self, name: str) -> None:
        """Let no tick fire until ``resume``. Ticks in between are not made up for. Raises ScheduleNotFound."""
        self._stored(name)
        self._client.store.schedules.pause(name, self._client.clock.now())

    def resume(self, name: str) -> None:
        """Undo ``pause``: the next tick is the next one from now. Also for one that was disabled for an error.

        Raises ScheduleNotFound, and InvalidArgument for one whose declaration is gone.
        """
        ports = None
        while ports is None:
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
            ports = self._client.store.schedules.resume(known, tick, fires_at, now)
        self._client.ring(ports, TIMES)

    def run_now(self, name: str) -> Job[Any]:
        """Make a job of it now, whatever the time and whatever runs. Its ticks stay. Raises ScheduleNotFound."""
        checks.name(name, "the schedule's name")
        made = self._client.store.schedules.run_now(name, self._client.clock.now())
        if made is None:
            raise ScheduleNotFound(_unknown(name))
        job_id, ports = made
        self._client.ring(ports)
        return Job(self._client, job_id)

    # -- looking -------------------------------------------------------------------------------------

    def get(self, name: str) -> ScheduleInfo:
        """One schedule. Raises ScheduleNotFound."""
        rows = self._client.store.schedules.rows(checks.name(name, "the schedule's name"))
        if not rows:
            raise ScheduleNotFound(_unknown(name))
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

    # -- declaring -----------------------------------------------------------------------------------

    def declare(self, task: Task[Any, Any], name: str | None, options: dict[str, Any]) -> None:
        """Enter what a decorator says into the app's memory; workers write it to the file."""
        args, kwargs = options.pop("args", ()), options.pop("kwargs", None)
        code = task.__litequeue_code__
        if code.origin is None:
            raise InvalidArgument(f"{task.name} is not in a module that a worker could import, so it cannot be scheduled there")
        new = self._new(task.name if name is None else name, task, args, kwargs, options, declared=True)
        known = self._declared.get(new.name)
        if known is not None and not _is_reloaded(known, new):
            raise InvalidArgument(f"there is already a schedule named {new.name}: give one of them another name=")
        self._declared[new.name] = new
        setattr(task, MARK, self._declared)  # so that a module shows it that does not hold the app itself

    def _new(
        self,
        name: str,
        task: Task[Any, Any] | str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
        *,
        declared: bool = False,
    ) -> NewSchedule:
        if not isinstance(task, (Task, str)):
            raise InvalidType(
                f"task must be a task, made by @app.task, or the name of one, not {type(task).__name__}: {task!r:.100}"
            )
        trigger = trigger_of(**{key: options[key] for key in _TRIGGER if key in options})
        if not declared:
            _refuse_foreign(trigger)
        given = EnqueueOptions(**{key: _seconds(options.get(key), key) for key in _JOB})
        positional, named = call(args, kwargs)
        code = task.__litequeue_code__ if isinstance(task, Task) else self._tasks.get(task) or self._client.builtin(task)
        if code is not None:
            code.check_call(positional, named)
        texts = self._client.encode_call(name, positional, named)
        job = self._client.template(code or checks.name(task, "the task's name"), texts, given)
        origin = None if code is None else code.origin
        rules = {key: options[key] for key in _RULES if key in options}
        path = self._client.path if declared else None
        return check(name=name, trigger=trigger, job=job, origin=origin, declared_for=path, **rules)

    def _stored(self, name: str) -> Stored:
        known = self._client.store.schedules.stored(checks.name(name, "the schedule's name"))
        if known is None:
            raise ScheduleNotFound(_unknown(name))
        return known

    @staticmethod
    def _refuse_declared(known: Stored, done: str) -> None:
        module = known.values["module"]
        if module is not None:
            raise InvalidArgument(
                f"the schedule {known.values['name']} is declared in {module}, and is {done} there; here it can be "
                "paused, resumed and run now"
            )


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


def _is_reloaded(known: NewSchedule, new: NewSchedule) -> bool:
    """Whether the module was executed again: the same task, but another object."""
    return known.origin == new.origin and known.origin is not new.origin


def _refuse_foreign(trigger: triggers.Trigger) -> None:
    if firing.is_foreign(triggers.spec_of(trigger)):
        raise InvalidArgument(
            f"{type(trigger).__name__} exists only in code, so a schedule with it is declared there: @app.schedule(trigger)"
        )


def _usual_grace(spec: str) -> int | None:
    try:
        return default_grace(triggers.from_spec(spec))
    except InvalidArgument:  # it is about to be replaced
        return None


def _unknown(name: str) -> str:
    return f"there is no schedule named {name}"


def _seconds(value: Any, what: str) -> Any:
    """An option of a job: durations as seconds, also where they are text."""
    if isinstance(value, datetime):
        raise InvalidType(f"{what} of a schedule must be a length of time, counted from each tick, not a datetime: {value}")
    return span(value, what) / checks.MICROS if isinstance(value, str) and what in _SPANS else value


def _option(values: Mapping[str, Any], key: str) -> Any:
    """An option of a job as it is stored, the way ``_seconds`` gives it."""
    if key == "retries":
        return None if values["max_attempts"] is None else values["max_attempts"] - 1
    value = values[key]
    return value / checks.MICROS if key in _SPANS and value is not None else value


def _shown(key: str, value: Any) -> Any:
    return value / checks.MICROS if key in ("grace", "jitter") else value


def _new_trigger(spec: str, changes: Mapping[str, Any]) -> triggers.Trigger:
    """The trigger after an update."""
    if changes.keys() & {"cron", "every", "at", "trigger"}:
        given = {key: changes[key] for key in changes if key in _TRIGGER}
        if "cron" in given:  # another expression is in the same zone
            given.setdefault("timezone", json.loads(spec).get("timezone"))
        trigger = trigger_of(**given)
        _refuse_foreign(trigger)
        return trigger
    trigger = triggers.from_spec(spec)
    if not changes.keys() & {"timezone", "seconds"}:
        return trigger
    if not isinstance(trigger, triggers.Cron):
        raise InvalidArgument("timezone= and seconds= go with cron=")
    zone, seconds = changes.get("timezone", trigger.timezone), changes.get("seconds", trigger.seconds)
    return triggers.Cron(trigger.expr, zone, seconds=seconds)


def decorate(
    schedules: Schedules, to_task: Callable[[Any], Task[Any, Any]], options: dict[str, Any]
) -> Callable[[T], T]:
    """The decorator behind ``@app.cron``, ``@app.every`` and ``@app.schedule``; a plain function becomes a task."""
    name = options.pop("name", None)
    for key in options:
        if key not in _CHANGEABLE:
            raise InvalidType(f"a schedule has no option {key!r}; it has name, {', '.join(_CHANGEABLE)}")
    # Made now: without its parentheses, a decorator is handed the function as its first option.
    trigger = trigger_of(**{key: options.pop(key) for key in _TRIGGER if key in options})

    def declare(function: T) -> T:
        task: Any = function if isinstance(function, Task) else to_task(function)
        schedules.declare(task, name, {**options, "trigger": trigger})
        result: T = task
        return result

    return declare
