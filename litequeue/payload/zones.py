"""The time zones of stored times: by IANA key or by offset, whichever library made them.

Owns which zones are carried and what each comes back as. A zone that tells an IANA key (``zoneinfo``, pytz, pendulum, newer
dateutil) comes back as the ZoneInfo of that key, one whose offset is the same for ever as a ``datetime.timezone``, and in
both cases the offset of the stored time is looked at: what would come back as another moment is refused.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Final

from .refusal import refuse

_MICROSECOND: Final = timedelta(microseconds=1)
_WAYS_OUT: Final = 'write x.astimezone(zoneinfo.ZoneInfo("Europe/Berlin")), with its own zone, or x.astimezone(timezone.utc)'


def zone_of(value: datetime | time, where: str) -> tuple[int, Any]:
    """The fold and the zone of a time, as they are stored; refused where they would not lead back to its moment."""
    zone = value.tzinfo
    if zone is None:
        return value.fold, None
    if type(zone) is timezone:
        return value.fold, _by_offset(zone)
    key = _key(zone)
    if key is not None:
        known = _loaded(key)
        if known is zone:
            return value.fold, key
        if known is not None:
            return _fold(value, known, where), key
    if _is_fixed(zone, value):
        return value.fold, _by_offset(zone)
    refuse(where, f"its time zone is a {_shown(zone)}, which tells no IANA key and no fixed offset; {_WAYS_OUT}")


def unzone(stored: Any) -> tzinfo | None:
    """The stored zone. Raises whatever a planted one makes raise."""
    if stored is None:
        return None
    if isinstance(stored, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(stored)
    offset = timedelta(microseconds=stored[0])
    if stored[1] is not None:
        return timezone(offset, stored[1])
    return timezone(offset) if offset else UTC


def _by_offset(zone: tzinfo) -> list[Any]:
    offset, name = zone.utcoffset(None), zone.tzname(None)
    assert offset is not None
    usual = timezone(timedelta(days=offset.days, seconds=offset.seconds, microseconds=offset.microseconds)).tzname(None)
    return [offset // _MICROSECOND, None if name == usual or not isinstance(name, str) else name]


def _key(zone: tzinfo) -> str | None:
    """What a zone says is its name in the IANA database; pytz calls it ``zone``."""
    for attribute in ("key", "zone"):
        found = getattr(zone, attribute, None)
        if isinstance(found, str):
            return found
    return None


def _loaded(key: str) -> tzinfo | None:
    """The ZoneInfo of that key; None where it is not known here, as a file's path or a rule is not."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError):
        return None


def _fold(value: datetime | time, known: tzinfo, where: str) -> int:
    """The fold by which the ZoneInfo shows the same offset: pytz has another object for the second pass of an hour."""
    offset = value.utcoffset()
    for fold in (value.fold, 1 - value.fold):
        if value.replace(tzinfo=known, fold=fold).utcoffset() == offset:
            return fold
    hint = "; with pytz write zone.localize(x)" if type(value.tzinfo).__module__.startswith("pytz") else ""
    refuse(where, f"its zone {known} does not have the offset {offset} at that time{hint}, or {_WAYS_OUT}")


def _is_fixed(zone: tzinfo, value: datetime | time) -> bool:
    """Whether the offset is the same at all times: such a zone tells it without being told a time."""
    try:
        offset = zone.utcoffset(None)
        zone.tzname(None)  # which is kept beside it
        return offset is not None and offset == value.utcoffset()
    except Exception:  # noqa: BLE001 - the zone's own code, which may want a time
        return False


def _shown(zone: tzinfo) -> str:
    kind = type(zone)
    return kind.__qualname__ if kind.__module__ in sys.stdlib_module_names else f"{kind.__module__}.{kind.__qualname__}"
