"""Writing to the file what the loaded code declares, and disabling what it does not declare any more.

Owns the comparison of declared and stored. A schedule that is as it was keeps its next tick over a restart; one with
another trigger starts from now; one that vanished from its module is disabled, and runs no old code. Only modules
that this process has loaded, or that are gone, are judged. Owns also the disabling of what cannot be worked out.
"""

from __future__ import annotations

from typing import Any

from ...base.clock import Clock
from ...base.errors import LitequeueError
from ...base.log import Log
from ...base.models import Planned, Step
from ...cron.zones import host_beside
from ...schedules.definition import NewSchedule
from ...store import Store
from ...store.schedules import KEPT_OVER_A_RESTART, Change, Stored
from ...triggers import Cron, Trigger, describe, spec_of
from ...triggers.firing import is_foreign
from ..discovery import Catalogue, Declared

log = Log("litequeue.worker")


class Declarer:
    """For the scheduler's thread."""

    def __init__(self, store: Store, catalogue: Catalogue, clock: Clock, boot: str | None) -> None:
        self._store = store
        self._catalogue = catalogue
        self._clock = clock
        self._boot = boot
        self._started = False
        self._homes: dict[str, tuple[str, str]] = {}  # by schedule: the module, with its directory, that has it
        self._own: dict[str, NewSchedule] = {}  # with a trigger of the user's own
        self._over: dict[str, int] = {}  # of those: its revision, if it has no tick left
        self.triggers: dict[str, Trigger] = {}  # by schedule: what the file cannot hold of them

    def declare(self) -> None:
        """Write down what was loaded since the last time. Raises what the store raises; then it is to be called again."""
        if not self._started:
            for module, directory in self._store.schedules.declaring():
                self._catalogue.load_declaring(module, directory)
            self._started = True
        self._catalogue.note_own()
        while self._catalogue.declared:
            self._write(self._catalogue.declared[0])
            self._catalogue.declared.popleft()
        for new in self._own.values():
            self._set_going(new)

    def _write(self, declared: Declared) -> None:
        home = (declared.module, declared.directory)
        for new in declared.schedules.values():
            other = self._homes.setdefault(new.name, home)
            if other != home:
                log.error(
                    "schedule %s is declared in %s and in %s, and is taken from the first: give one of them another name=",
                    new.name, other[0], new.module,
                )  # fmt: skip
            elif self._write_one(new):
                self.triggers[new.name] = new.trigger
                if is_foreign(spec_of(new.trigger)):
                    self._own[new.name] = new
        for name in self._store.schedules.withdraw(
            *home, declared.schedules, declared.why_gone, self._clock.now()
        ):
            self._forget(name)
            log.warning("schedule %s is disabled: %s", name, declared.why_gone)

    def _forget(self, name: str) -> None:
        for known in (self.triggers, self._own, self._homes, self._over):
            known.pop(name, None)

    def _write_one(self, new: NewSchedule) -> bool:
        """False if its name is another's."""
        while True:
            known = self._store.schedules.stored(new.name)
            if known is not None and known.values["module"] is None:
                log.error(
                    "schedule %s is declared in %s, but one of that name was added at run time: remove that, or rename one",
                    new.name, new.module,
                )  # fmt: skip
                return False
            if self._written(new, known):
                return True

    def _written(self, new: NewSchedule, known: Stored | None) -> bool:
        """Bring its row up to date. False if somebody else changed that meanwhile."""
        now = self._clock.now()
        values = new.row(now)
        changed = {
            key for key, value in values.items()
            if key not in KEPT_OVER_A_RESTART and known is not None and known.values[key] != value
        }  # fmt: skip
        retimed = known is None or bool(changed & {"trigger", "jitter"}) or known.disabled_at is not None
        if not changed and not retimed:
            return True
        why = self._plan(new, values, now) if retimed else None
        void, _ = self._store.schedules.write([Change(values, now, known, new.origin, retimed)])
        if not void:
            begins = "is new" if known is None else "has changed and starts anew"
            log.info("schedule %s %s", new.name, f"{begins}: {_shown(new.trigger)}" if retimed else "has changed")
            if why is not None:
                self._disable(new.name, why, now)
        return not void

    def _set_going(self, new: NewSchedule) -> None:
        """Work out the next tick of a schedule that was resumed elsewhere, where its trigger is not."""
        known = self._store.schedules.stored(new.name)
        if (
            known is None or known.values["module"] != new.module or known.values["next_tick_at"] is not None
            or known.paused_at is not None or known.disabled_at is not None or self._over.get(new.name) == known.revision
        ):  # fmt: skip
            return
        now = self._clock.now()
        values = dict(known.values)
        why = self._plan(new, values, now)
        if why is not None:
            self._disable(new.name, why, now)
        elif values["next_tick_at"] is None:
            self._over[new.name] = known.revision
        else:
            self._store.schedules.write([Change(values, now, known)])

    def _plan(self, new: NewSchedule, values: dict[str, Any], now: int) -> str | None:
        """Fill in the next tick; why there cannot be one, if a trigger of the user's own fails."""
        try:
            values.update(new.timing(now, self._boot))
        except Exception as error:  # noqa: BLE001 - a user's own trigger
            return reason(error)
        return None

    def _disable(self, name: str, why: str, now: int) -> None:
        known = self._store.schedules.stored(name)
        if known is not None:
            disable(self._store, known, name, why, now)


def _shown(trigger: Trigger) -> str:
    """With the zone that it has from now on, whoever may have chosen that."""
    said = describe(trigger)
    host = host_beside(trigger.timezone) if isinstance(trigger, Cron) and not trigger.is_reboot else None
    return said if host is None else f"{said}, which is what the variable TZ says, and the host's zone is {host}"


def reason(error: Exception) -> str:
    """Why a schedule cannot be worked out, as it is told."""
    return str(error) if isinstance(error, LitequeueError) else f"{type(error).__name__}: {error}"


def disable(store: Store, row: Planned | Step | Stored, name: str, why: str, now: int) -> None:
    """Take a schedule out of service, and say so."""
    log.error("schedule %s is disabled: %s", name, why)
    store.schedules.disable(row, why[:1_000], now)
