"""Time zones by their IANA names, and the name of the host's own.

Owns the look-up and its errors: a name that nobody knows, and a machine that has no zone data. Must
not compute times; what a zone does to a clock is known to ``search``.
"""

from __future__ import annotations

import os
import zoneinfo
from datetime import UTC, tzinfo
from typing import Final

from ..base.errors import InvalidArgument, InvalidType

LOCALTIME = "/etc/localtime"  # names of the host's files, for tests to replace
TIMEZONE_FILE = "/etc/timezone"
# These work on a machine without zone data, too.
_UTC_NAMES: Final = frozenset({"UTC", "Etc/UTC"})
_MAX_NAME: Final = 100


def find(timezone: str | tzinfo | None) -> tuple[str, tzinfo]:
    """The IANA name and the zone; None is the host's own."""
    if timezone is None:
        timezone = local_name()
    if timezone is UTC:
        return "UTC", UTC
    if isinstance(timezone, zoneinfo.ZoneInfo):
        if timezone.key is None:
            raise InvalidArgument("timezone must have an IANA name to be stored by; this ZoneInfo was read from a file")
        return timezone.key, timezone
    if not isinstance(timezone, str):
        raise InvalidType(
            "timezone must be an IANA name such as 'Europe/Berlin', a zoneinfo.ZoneInfo or None, "
            f"not {type(timezone).__name__}: {timezone!r:.100}"
        )
    if timezone in _UTC_NAMES:
        return timezone, UTC
    zone = _load(timezone)
    if zone is None:
        raise InvalidArgument(_complaint(timezone))
    return timezone, zone


def local_name() -> str:
    """The zone of this process, as ``date`` shows it: ``TZ`` if it is set, else the host's. Raises InvalidArgument for a TZ that
    names none: libc takes a misspelt one for UTC, and follows a rule such as "CET-1CEST", which has no name to be stored by."""
    variable = os.environ.get("TZ")
    if variable is None or variable.removeprefix(":") == LOCALTIME:
        return host_name()
    name = _below_zoneinfo(variable.removeprefix(":")) or "UTC"  # libc's word for an empty one
    if name in _UTC_NAMES or _load(name) is not None:
        return name
    raise InvalidArgument(f"say timezone= (--timezone), or correct the variable TZ, which names no zone: {_complaint(name)}")


def host_name() -> str:
    """The host's own zone: what /etc/localtime points to, else /etc/timezone, else UTC."""
    found = _linked_name() or _written_name()
    if not found and os.name != "posix":
        raise InvalidArgument("the host's time zone has no IANA name here: say timezone= (--timezone), such as 'Europe/Berlin' or 'UTC'")
    return found or "UTC"


def host_beside(name: str) -> str | None:
    """The host's zone, if it is not ``name`` and that is what ``TZ`` says: Django sets that variable, and who declares a
    schedule without a zone gets Django's."""
    try:
        if "TZ" not in os.environ or name != local_name():
            return None
        host = host_name()
    except InvalidArgument:  # nobody can tell
        return None
    return None if host == name or {host, name} <= _UTC_NAMES else host


def _linked_name() -> str:
    try:
        target = os.readlink(LOCALTIME)
        for path in (target, os.path.realpath(LOCALTIME)):
            if "zoneinfo/" in path.replace(os.sep, "/"):
                return _below_zoneinfo(path)
    except OSError:  # no such file, or no link
        pass
    return ""


def _written_name() -> str:
    try:
        with open(TIMEZONE_FILE, encoding="utf-8") as file:
            return file.read(1000).strip().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _below_zoneinfo(path: str) -> str:
    """``/usr/share/zoneinfo/Europe/Berlin`` is Europe/Berlin; what is no such path stays as it is."""
    name = path.replace(os.sep, "/").rpartition("zoneinfo/")[2]
    return "UTC" if name in _UTC_NAMES else name


def _load(name: str) -> zoneinfo.ZoneInfo | None:
    if not name or len(name) > _MAX_NAME or name.startswith("/"):
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a file's name; a directory, such as "Europe"
        return None


def _complaint(name: str) -> str:
    known = zoneinfo.available_timezones()
    if not known - {"UTC", "Etc/UTC", "GMT"}:
        return (
            f"timezone {name!r:.120} cannot be looked up: this machine has no time zone data; install the system's "
            "tzdata package, or pip install tzdata, or set PYTHONTZPATH to where the data is ('UTC' works without)"
        )
    close = _similar(name, known)
    hint = f"; did you mean {' or '.join(close)}?" if close else "; use an IANA name such as 'Europe/Berlin' or 'UTC'"
    return f"timezone {name!r:.120} is not known{hint}"


def _similar(name: str, known: set[str]) -> list[str]:
    import difflib  # only an error needs it

    wanted = name[:_MAX_NAME].strip().lower().replace(" ", "_")
    by_lower = {full.lower(): full for full in sorted(known)}
    same_city = [full for low, full in by_lower.items() if low.rpartition("/")[2] == wanted]
    near = [by_lower[low] for low in difflib.get_close_matches(wanted, list(by_lower), n=3, cutoff=0.75)]
    return list(dict.fromkeys(same_city + near))[:3]
