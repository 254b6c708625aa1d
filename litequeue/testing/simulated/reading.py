"""What an app has: its schedules, the code of their tasks, its limits and the queues that are paused.

Owns where each is looked for: what code declares, and the file, where there is one; none is made, and nothing is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ...base.errors import InvalidArgument
from ...base.exact import Limit, UniqueKey
from ...base.models import JobColumns, NewJob, Planned
from ...tasks import TaskCode
from ...triggers import Trigger
from ...triggers.firing import bound, first, is_foreign, trigger_of
from ...worker.services.declaring import reason
from .jobs import fitted
from .schedules import FIRST_BOOT, Schedule

if TYPE_CHECKING:
    from ...app import LiteQueue
    from ...schedules.definition import NewSchedule
    from ...store.schedules import Stored


class Codes:
    """The code of tasks, by name. Of one that is not here it is not known what it is retried on, nor after which time: as if it said nothing of that."""

    def __init__(self, app: LiteQueue) -> None:
        self._app = app
        self._strange: dict[str, TaskCode] = {}

    def of(self, task: str) -> TaskCode:
        found = self._app._tasks.get(task) or self._app._client.builtin(task) or self._strange.get(task)
        if found is None:
            found = self._strange[task] = TaskCode(_not_here, self._app._client.codec, _bind_nothing, {"name": task})
        return found

    @property
    def names(self) -> set[str]:
        return {*self._app._tasks, *self._strange}


def _not_here() -> None:
    """Stands for a task."""


def _bind_nothing(path: str) -> None:
    """For a task that never runs."""


class Found:
    """All of an app, at the moment from which on it is simulated. ``anew``: every schedule begins then; else those of the file go on from where they are."""

    def __init__(self, app: LiteQueue, now: int, *, anew: bool) -> None:
        self.codes = Codes(app)
        self.left_out: dict[str, str] = {}  # by schedule: why
        self._app = app
        self._now = now
        self._anew = anew
        self._has_file = os.path.exists(app.path)
        self.paused = app.stats().paused if self._has_file else ()

    def schedules(self) -> list[Schedule]:
        """In the order in which they were written down, and then those that are only declared yet."""
        store = self._app._client.store.schedules
        known = {row[0]: store.stored(row[0]) for row in store.rows()} if self._has_file else {}
        stored = {name: row for name, row in known.items() if row is not None}
        declared = {name: new for name, new in self._app._declared.items() if name not in stored or stored[name].values["module"] is not None}
        numbers = {name: row.id for name, row in stored.items()}
        for name in declared:
            numbers.setdefault(name, max(numbers.values(), default=0) + 1)
        found = []
        for name, number in sorted(numbers.items(), key=itemgetter(1)):
            row = stored.get(name)
            try:
                values, trigger = self._stored(stored[name]) if name not in declared else self._declared(declared[name], row)
            except Exception as error:  # noqa: BLE001 - a planted row, or a user's own trigger
                self.left_out[name] = reason(error)
                continue
            awaiting = row is not None and bool(row.awaiting) and values["next_tick_at"] is None
            found.append(self._schedule(number, values, trigger, paused=row is not None and row.paused_at is not None, awaiting=awaiting))
        return found

    def limits(self) -> Mapping[str, Limit]:
        """What code declares comes before what the file says."""
        stored = self._app._client.store.limits.all() if self._has_file else []
        origins = [code.origin for code in self._app._tasks.values()]
        own = [origin.limit for origin in origins if origin is not None and origin.limit is not None]
        return {limit.name: limit for limit in [*stored, *self._app._client.hooks.limits.values(), *own]}

    def _declared(self, new: NewSchedule, known: Stored | None) -> tuple[dict[str, Any], Trigger]:
        """As a worker writes it down that has this code."""
        values = new.values(self._now, FIRST_BOOT)
        if known is not None and not self._anew and known.disabled_at is None and all(known.values[k] == values[k] for k in ("trigger", "jitter")):
            values |= {column: known.values[column] for column in ("anchor_at", "next_tick_at", "fires_at")}
        return values, bound(new.trigger, values["anchor_at"])

    def _stored(self, row: Stored) -> tuple[dict[str, Any], Trigger]:
        """Raises InvalidArgument for one that does not fire, or of which nobody here knows when."""
        values = dict(row.values)
        if row.disabled_at is not None:
            raise InvalidArgument("it is disabled")
        if is_foreign(values["trigger"]):
            raise InvalidArgument(f"its trigger is in the code that declares it: import {values['module'] or 'that'} first")
        if self._anew:
            values["anchor_at"] = self._now
        trigger = trigger_of(values["trigger"], values["anchor_at"])
        if self._anew:
            values["next_tick_at"], values["fires_at"] = first(trigger, values["name"], values["jitter"], self._now)
        values["boot"] = None if values["boot"] is None else FIRST_BOOT
        return values, trigger

    def _schedule(self, number: int, values: dict[str, Any], trigger: Trigger, *, paused: bool, awaiting: bool) -> Schedule:
        code = self.codes.of(values["task"])
        columns = JobColumns._make(values[name] for name in JobColumns._fields)
        new = fitted(NewJob(values["task"], values["args"], values["kwargs"], "available", 0, 0, None, columns), code)
        row = Planned(number, 0, *(values[column] for column in Planned._fields[2:]))
        key = None if values["unique_key"] is None else UniqueKey(*json.loads(values["unique_key"]))
        return Schedule(row, trigger, values["overlap"], new, values["expires"], code, key, values["boot"], paused=paused, awaiting=awaiting)
