"""Triggers as stored text and as words.

Owns the canonical JSON of a trigger, which must stay the same over versions and processes: a schedule is
unchanged if its text is. Must not compute ticks. What is not ours is named in the text, but never
imported by it.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from .. import cron
from ..base import checks, durations, stored
from ..base.errors import InvalidArgument, InvalidType
from .kinds import At, Cron, Every, Trigger, name_of

_MAX_TEXT = 4000
_MAX_REPR = 1000
_ADDRESS = re.compile(r"\bat 0x[0-9A-Fa-f]+")
# What each kind of text may hold: its name first, then the keys that are left out at their defaults.
_KEYS: dict[str, dict[str, type]] = {
    "cron": {"timezone": str, "seconds": bool},
    "every": {"anchor": str, "after": str, "run_immediately": bool, "started": str},
    "at": {},
}


def spec_of(trigger: Trigger) -> str:
    """The trigger as canonical JSON: keys in a fixed order, defaults left out."""
    spec: dict[str, object]
    if type(trigger) is Cron:
        spec = {"cron": trigger.expr}
        if not trigger.is_reboot:
            spec["timezone"] = trigger.timezone
        if trigger.seconds:
            spec["seconds"] = True
    elif type(trigger) is Every:
        spec = _every_spec(trigger)
    elif type(trigger) is At:
        spec = {"at": _iso(trigger.moment)}
    else:  # also a subclass of ours, which may compute other ticks
        spec = {"object": name_of(trigger)}
        text = _stable_repr(trigger)
        if text:
            spec["repr"] = text
    return json.dumps(spec)


def from_spec(text: str) -> Trigger:
    """The trigger of a text that ``spec_of`` wrote; InvalidArgument for any other text."""
    spec = _loaded(text)
    if "object" in spec:
        name = str(spec["object"])
        raise InvalidArgument(
            f"the trigger is an object of {name!r:.200}: only a worker with that code, which declares the schedule, "
            "can compute its ticks"
        )
    kind = next((key for key in _KEYS if key in spec), None)
    if kind is None:
        raise InvalidArgument(f"no trigger is stored in {text!r:.200}: it needs one of the keys {', '.join(_KEYS)}")
    allowed = {kind: str, **_KEYS[kind]}
    for key, value in spec.items():
        if type(value) is not allowed.get(key):
            raise InvalidArgument(
                f"no trigger is stored in {text!r:.200}: {key!r:.60} is not known, or has a wrong value"
            )
    try:
        return _made(kind, spec)
    except InvalidType as error:  # a wrong type in stored text is a wrong value to its reader
        raise InvalidArgument(str(error)) from None


def describe(trigger: Trigger) -> str:
    """For lists: "at 03:00 every day (Europe/Berlin)", "every 15 minutes", "once at 2026-11-22 03:00:00 UTC"."""
    if type(trigger) is Cron:
        said = cron.explain(trigger.expr, seconds=trigger.seconds)
        return said if trigger.is_reboot else f"{said} ({trigger.timezone})"
    if type(trigger) is Every:
        return _every_words(trigger)
    if type(trigger) is At:
        return f"once at {_readable(trigger.moment)}"
    return f"by {_stable_repr(trigger) or name_of(trigger)}"


def _every_spec(every: Every) -> dict[str, object]:
    spec: dict[str, object] = {"every": durations.render(every.micros)}
    if every.anchor != "start":
        spec["anchor"] = _iso(every.anchor) if isinstance(every.anchor, datetime) else every.anchor
    if every.after != "start":
        spec["after"] = every.after
    if every.run_immediately:
        spec["run_immediately"] = True
    if every.started is not None:
        spec["started"] = _iso(checks.aware(every.started))
    return spec


def _every_words(every: Every) -> str:
    said = f"every {durations.words(every.micros)}"
    if every.after == "finish":
        return f"{said}, counted from the end of the previous run"
    if every.anchor == "epoch":
        return f"{said}, in step with the clock in UTC"
    if isinstance(every.anchor, datetime):
        return f"{said} from {_readable(every.anchor)} on"
    return said


def _loaded(text: object) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise InvalidArgument(f"a stored trigger must be a string of at most {_MAX_TEXT} characters, not {text!r:.100}")
    try:
        spec = stored.loads(text)
    except ValueError:
        spec = None
    if not isinstance(spec, dict):
        raise InvalidArgument(f"no trigger is stored in {text!r:.200}: it must be a JSON object")
    return spec


def _made(kind: str, spec: dict[str, Any]) -> Trigger:
    if kind == "cron":
        # Without its zone it would get this host's: only @reboot has none.
        if "timezone" not in spec and spec["cron"].strip().lower() != cron.REBOOT:
            raise InvalidArgument(f"the stored cron expression {spec['cron']!r:.200} has no timezone")
        return Cron(spec["cron"], spec.get("timezone"), seconds=spec.get("seconds", False))
    if kind == "at":
        return At(_moment(spec["at"]))
    options = {key: spec[key] for key in ("anchor", "after", "run_immediately") if key in spec}
    if options.get("anchor", "start") not in ("start", "epoch"):
        options["anchor"] = _moment(options["anchor"])
    every = Every(spec["every"], **options)
    if "started" not in spec:
        return every
    if every.anchor != "start":
        raise InvalidArgument(f"a stored interval with the anchor {every.anchor!s:.100} cannot have a start as well")
    return every.anchored(_moment(spec["started"]))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(f"{text!r:.100} is no stored moment, such as '2026-11-22T03:00:00Z'") from None
    return checks.aware(checks.moment(moment, "a stored moment"))


def _readable(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ") + " UTC"


def _stable_repr(trigger: object) -> str:
    """The object's repr, where it has one of its own that is the same in the next process; else ""."""
    if type(trigger).__repr__ is object.__repr__:
        return ""
    try:
        text = repr(trigger)
    except Exception:  # noqa: BLE001  a user's code; a repr is a nicety
        return ""
    return "" if _ADDRESS.search(text) else text[:_MAX_REPR]
