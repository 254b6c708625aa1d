"""What a schedule is after an update: a pure decision, from its stored row and the options that are given.

Owns the rule that what is not given stays, and that None takes an option away. Whether it may be changed at all is
``face``'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import triggers
from ..base import stored as stored_json
from ..base.errors import InvalidArgument
from ..base.models import JobColumns, NewJob
from ..options import checked, complete, options_of, stored
from ..options.schedules import RuleOptions, TickOptions, TimeOptions
from ..store.schedules import RULES
from ..tasks import Template, columns_of
from ..triggers import firing
from .definition import default_grace, trigger_of


def given_of(fields: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that one list has."""
    return {key: options[key] for key in options_of(fields) if key in options}


def changed_job(
    old: Mapping[str, Any], changes: Mapping[str, Any], says: Template, texts: tuple[str, str], now: int
) -> NewJob:
    """The job of each tick after an update; ``says``: its task, ``texts``: its arguments."""
    given = given_of(TickOptions, changes)
    clean = checked(TickOptions, given, "update")
    away = {option.column for key, option in options_of(TickOptions).items() if key in given and given[key] is None}
    kept = {column: old[column] for column in JobColumns._fields if column not in away}
    columns = columns_of(says, stored(TickOptions, clean), kept)
    expires = clean.get("expires", says.expires) if "expires" in given else old["expires"]
    return NewJob(old["task"], *texts, "available", now, now, None if expires is None else now + expires, columns)

def changed_rules(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The rules after an update, clean."""
    given = given_of(RuleOptions, changes)
    defaults = complete(RuleOptions, given, "update")
    rules = {key: defaults[key] if key in given else old[key] for key in RULES}
    if "grace" not in given and old["grace"] == _usual_grace(old["trigger"]):
        rules["grace"] = None  # what is usual for the new time
    return rules


def _usual_grace(spec: str) -> int | None:
    try:
        return default_grace(triggers.from_spec(spec))
    except InvalidArgument:  # it is about to be replaced
        return None


def changed_trigger(spec: str, changes: Mapping[str, Any]) -> triggers.Trigger:
    """The trigger after an update."""
    if changes.keys() & {"cron", "every", "at", "trigger"}:
        given = given_of(TimeOptions, changes)
        if "cron" in given:  # another expression is in the same zone
            given.setdefault("timezone", _zone_of(spec))
        trigger = trigger_of(**given)
        refuse_foreign(trigger)
        return trigger
    trigger = triggers.from_spec(spec)
    if not changes.keys() & {"timezone", "seconds"}:
        return trigger
    if not isinstance(trigger, triggers.Cron):
        raise InvalidArgument("timezone= and seconds= go with cron=")
    zone, seconds = changes.get("timezone", trigger.timezone), changes.get("seconds", trigger.seconds)
    return triggers.Cron(trigger.expr, zone, seconds=False if seconds is None else seconds)


def _zone_of(spec: str) -> Any:
    """The zone of a stored expression; None where another kind, or nothing that can be read, is stored."""
    try:
        found = stored_json.loads(spec)
    except ValueError:
        return None
    return found.get("timezone") if isinstance(found, dict) else None


def refuse_foreign(trigger: triggers.Trigger) -> None:
    if firing.is_foreign(triggers.spec_of(trigger)):
        raise InvalidArgument(
            f"{type(trigger).__name__} exists only in code, so a schedule with it is declared there: @app.schedule(trigger)"
        )
