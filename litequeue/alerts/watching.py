"""One round of looks at what is watched, by whoever makes it.

Owns what a round does: ask of each alert that is due what is so, decide, and write that down with what is told, all in one transaction, in which of several who look
at the same time one writes. Who dies before it has told nothing and changed nothing; who comes next sees the same.

Measured: where no alert is due 7 us, with ten that are due 2 ms on 1,000,000 jobs, once in 30 seconds.
"""

from __future__ import annotations

import logging
import socket
from typing import Final, NamedTuple

from ..base.alerting import Message, decide
from ..base.alertkinds import parse
from ..base.bell import Address
from ..base.checks import clean
from ..base.clock import Clock
from ..base.errors import InvalidArgument
from ..base.log import Log
from ..base.models import NewJob
from ..base.records import WorkerInfo
from ..store import Store
from ..store.alerts import Alert, Concluded
from ..store.watched import MOST_SHOWN, Look, Watched
from . import telling

log = Log("litequeue.alerts")

_LEVELS: Final = {"firing": logging.WARNING, "reminder": logging.WARNING, "over": logging.INFO}


class Round(NamedTuple):
    """What one has come to."""

    looked_at: int  # alerts
    told: list[str]  # a line each
    addresses: list[Address]  # whom to wake


class Watching:
    """One file's. For one thread."""

    def __init__(self, store: Store, clock: Clock, *, logs: bool = False) -> None:
        """``logs``: what is told is a line of the log too."""
        self._store = store
        self._clock = clock
        self._logs = logs
        self._watched = Watched(store.database)

    def look(self) -> Round:
        """At all that is due. Raises the store's errors that pass: then it is as if nobody had looked."""
        now = self._clock.now()
        due = self._store.alerts.due(now)
        if not due:
            return Round(0, [], [])
        looks: dict[str, Look] = {}
        for alert in due:
            if alert.condition not in looks:
                looks[alert.condition] = self._look(alert, now)
        workers: list[WorkerInfo] | None = None
        concluded = []
        for alert in due:
            look = looks[alert.condition]
            standing, message = decide(alert.standing, alert.rules, look.is_bad, now)
            if message is not None and workers is None:
                workers = self._watched.awake()
            concluded.append(Concluded(alert, standing, look.shown, message, *self._said(alert, message, look.shown, workers or [], now)))
        told: list[str] = []
        addresses = self._store.alerts.conclude(concluded, now, lambda each: told.append(self._log(each)))
        return Round(len(due), told, addresses)

    def _look(self, alert: Alert, now: int) -> Look:
        try:
            return self._watched.look(parse(alert.condition), now)
        except InvalidArgument as error:  # planted, or of a newer version
            return Look(None, clean(str(error))[:MOST_SHOWN])

    def _said(self, alert: Alert, message: Message | None, seen: str, workers: list[WorkerInfo], now: int) -> tuple[str, list[NewJob]]:
        if message is None:
            return "", []
        return telling.line(alert, message, seen), telling.jobs(alert, message, seen, workers, self._store.reports.paused(), socket.gethostname(), now, self._store.path)

    def _log(self, told: Concluded) -> str:
        if told.message is not None and self._logs:
            log.log(_LEVELS[told.message.event], "%s", told.text)
        return told.text
