"""What is watched, how each alert stands, and what was told of it.

Owns both tables. A look is written only where the alert is as it was read: of several who look at once one writes, and he stores in the same transaction the jobs that
tell of it, so that each message is made once, and not lost with who made it. What was told is kept for ninety days.

Where there are no alerts, a look at whether one is due is all that a worker does, each ten seconds (``notices``): 7 us.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..base.alerting import Message, Rules, Standing
from ..base.bell import Address
from ..base.checks import MICROS, is_name
from ..base.models import NewJob, TaskOrigin
from .bells import everyone
from .file import Database
from .notices import LOOK_DUE, LOOK_PAUSE, insert_notices
from .origins import record_origin
from .rules import QUEUE_OF_ALERTS

MOST: Final = 500  # that one round looks at
KEPT: Final = 90 * 86_400 * MICROS

SAID: Final = ("condition", "hold", "keep", "remind", "run", "mail_to", "task", "job")
_STANDS: Final = Standing._fields
_READ: Final = ("name", *SAID, "created_at", "paused_at", "revision", "checked_at", "shown", *_STANDS)

NEXT: Final = "revision = (revision & 4611686018427387903) + 1"  # beyond 64 bits lies what no integer column takes
AFRESH: Final = "state = 'ok', since = NULL, good_since = NULL, told_at = NULL, over_at = NULL, times = 0, first_at = NULL, next_check_at = 0"
DUE: Final = f"SELECT {', '.join(_READ)} FROM litequeue_alerts WHERE {LOOK_DUE} ORDER BY next_check_at, name LIMIT :most"
ALL: Final = f"SELECT {', '.join(_READ)} FROM litequeue_alerts ORDER BY name"
ONE: Final = f"SELECT {', '.join(_READ)} FROM litequeue_alerts WHERE name = :name"
FIRING: Final = "SELECT name, condition, since, shown, good_since FROM litequeue_alerts WHERE state = 'firing' AND paused_at IS NULL ORDER BY since, name LIMIT :most"
STATES: Final = "SELECT name, CASE WHEN paused_at IS NULL THEN state ELSE 'paused' END FROM litequeue_alerts ORDER BY name LIMIT :most"
ADD: Final = f"""INSERT INTO litequeue_alerts (name, {", ".join(SAID)}, created_at)
VALUES (:name, {", ".join(f":{column}" for column in SAID)}, :now) ON CONFLICT DO NOTHING"""
# What watches something else now stands as one that is new.
BEGIN_ANEW: Final = f"UPDATE litequeue_alerts SET {AFRESH}, shown = NULL, checked_at = NULL WHERE name = :name AND condition <> :condition"
REPLACE: Final = f"""UPDATE litequeue_alerts SET {", ".join(f"{column} = :{column}" for column in SAID)}, {NEXT}, next_check_at = 0
WHERE name = :name"""
REMOVE: Final = "DELETE FROM litequeue_alerts WHERE name = :name"
SET_PAUSE: Final = f"UPDATE litequeue_alerts SET {AFRESH}, paused_at = :now, {NEXT} WHERE name = :name AND (paused_at IS NULL) = (:now IS NOT NULL)"
CONCLUDE: Final = f"""UPDATE litequeue_alerts SET {", ".join(f"{column} = :{column}" for column in _STANDS)}, shown = :shown, checked_at = :now,
    next_check_at = :now + {LOOK_PAUSE}, {NEXT}
WHERE name = :name AND revision = :revision"""
RECORD: Final = "INSERT INTO litequeue_alert_events (at, alert, event, text) VALUES (:now, :name, :event, :text)"
PRUNE: Final = "DELETE FROM litequeue_alert_events WHERE at < :before"
EVENTS: Final = "SELECT id, at, alert, event, text FROM litequeue_alert_events WHERE id < :before ORDER BY id DESC LIMIT :most"
EVENTS_OF: Final = "SELECT id, at, alert, event, text FROM litequeue_alert_events WHERE alert = :name AND id < :before ORDER BY id DESC LIMIT :most"

# What tells of alerts and nobody has taken; of what is tried again the first thousand are looked at.
UNDELIVERED: Final = """SELECT EXISTS (SELECT 1 FROM litequeue_jobs INDEXED BY litequeue_jobs_available WHERE state = 'available' AND queue = :queue)
OR EXISTS (SELECT 1 FROM (SELECT queue FROM litequeue_jobs INDEXED BY litequeue_jobs_retrying
    WHERE state = 'retrying' AND run_at <= :now ORDER BY run_at LIMIT 1000) WHERE queue = :queue)"""


class Alert(NamedTuple):
    """A row. Times in microseconds."""

    name: str
    condition: str
    rules: Rules
    run: str | None
    mail_to: str | None
    task: str | None
    job: str | None
    created_at: int
    paused_at: int | None
    revision: int
    checked_at: int | None
    shown: str | None
    standing: Standing


class Firing(NamedTuple):
    """One that fires."""

    name: str
    condition: str
    since: int
    shown: str
    good_since: int | None  # it is good since then, and not for long enough yet


class Concluded(NamedTuple):
    """What a look has come to."""

    alert: Alert  # as it was read
    standing: Standing
    shown: str
    message: Message | None = None
    text: str = ""  # of the message
    jobs: Sequence[NewJob] = ()  # that tell of it


class Event(NamedTuple):
    """What was told."""

    id: int
    at: int
    alert: str
    event: str
    text: str


class Alerts:
    """One file's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- what people do --------------------------------------------------------------------------------------

    def put(self, name: str, said: Mapping[str, Any], origin: TaskOrigin | None, now: int, *, replace: bool) -> bool:
        """Add one, or have it take the place of another: whether there was none, or it may. One that watches the same goes on as it stands."""
        with self._database.write(durable=True) as connection:
            asked = {"name": name, "now": now, **said}
            added = connection.execute(ADD, asked).rowcount > 0
            if not added and not replace:
                return False
            if not added:
                connection.execute(BEGIN_ANEW, asked)
                connection.execute(REPLACE, asked)
            if origin is not None:
                record_origin(connection, origin, now)
        return True

    def remove(self, name: str) -> bool:
        """What was told of it stays."""
        with self._database.write(durable=True) as connection:
            return connection.execute(REMOVE, {"name": name}).rowcount > 0

    def pause(self, name: str, now: int | None) -> bool:
        """``now``: None to end it; it stands as one that is new, either way. Whether it changed."""
        with self._database.write(durable=True) as connection:
            return connection.execute(SET_PAUSE, {"name": name, "now": now}).rowcount > 0

    def tell(self, name: str, event: str, text: str, jobs: Sequence[NewJob], now: int) -> list[Address]:
        """Tell of one as it is; whom to wake."""
        with self._database.write(durable=True) as connection:
            _record(connection, name, event, text, now)
            insert_notices(connection, jobs, now)
            return everyone(connection)

    # -- looking ---------------------------------------------------------------------------------------------

    def due(self, now: int) -> list[Alert]:
        """Without one whose name nobody can have given, but planted."""
        with self._database.read() as connection:
            rows = connection.execute(DUE, {"now": now, "late": 0, "most": MOST}).fetchall()
        return [alert for alert in map(_alert, rows) if is_name(alert.name)]

    def conclude(self, concluded: Collection[Concluded], now: int, on_told: Callable[[Concluded], None]) -> list[Address]:
        """Write down what looks have come to, of alerts that are as they were read, with the jobs that tell of it. Whom to wake; ``on_told`` is called
        for each message, once it is committed."""
        told: list[Concluded] = []
        is_news = any(each.message for each in concluded)
        with self._database.write(durable=is_news) as connection:
            for each in concluded:
                asked = {"name": each.alert.name, "revision": each.alert.revision, "shown": each.shown, "now": now, **each.standing._asdict()}
                if connection.execute(CONCLUDE, asked).rowcount and each.message is not None:
                    _record(connection, each.alert.name, each.message.event, each.text, now)
                    insert_notices(connection, each.jobs, now)
                    told.append(each)
            addresses = everyone(connection) if told else []
        for each in told:
            on_told(each)
        return addresses

    def is_undelivered(self, now: int) -> bool:
        """Whether jobs lie in the queue of alerts that could run."""
        return bool(self._database.one(UNDELIVERED, {"queue": QUEUE_OF_ALERTS, "now": now})[0])

    # -- reading -----------------------------------------------------------------------------------------------

    def all(self) -> list[Alert]:
        """By name."""
        with self._database.read() as connection:
            return [_alert(row) for row in connection.execute(ALL).fetchall()]

    def get(self, name: str) -> Alert | None:
        row = self._database.one(ONE, {"name": name})
        return None if row is None else _alert(row)

    def firing(self) -> list[Firing]:
        """Those that fire, the first first."""
        with self._database.read() as connection:
            return firing(connection)

    def states(self, most: int) -> list[tuple[str, str]]:
        """By name: ok, pending, firing or paused."""
        with self._database.read() as connection:
            return connection.execute(STATES, {"most": most}).fetchall()

    def events(self, name: str | None, before: int, most: int) -> list[Event]:
        """What was told, of one or of all, the newest first."""
        sql = EVENTS if name is None else EVENTS_OF
        with self._database.read() as connection:
            return [Event(*row) for row in connection.execute(sql, {"name": name, "before": before, "most": most}).fetchall()]


def firing(connection: sqlite3.Connection, most: int = MOST) -> list[Firing]:
    """Those that fire, the first first."""
    rows = connection.execute(FIRING, {"most": most}).fetchall()
    return [Firing(name, condition, since or 0, shown or "", good) for name, condition, since, shown, good in rows]


def _record(connection: sqlite3.Connection, name: str, event: str, text: str, now: int) -> None:
    connection.execute(RECORD, {"now": now, "name": name, "event": event, "text": text})
    connection.execute(PRUNE, {"before": now - KEPT})


def _alert(row: Sequence[Any]) -> Alert:
    found = dict(zip(_READ, row, strict=True))
    rules, standing = Rules(found["hold"], found["keep"], found["remind"]), Standing(*(found[column] for column in _STANDS))
    return Alert(rules=rules, standing=standing, **{name: found[name] for name in Alert._fields if name not in ("rules", "standing")})
