"""``app.conf``: Celery's settings, as far as they say something here, with its crontabs, routes and schedules.

Owns what a setting comes to. Of those that say nothing each is named once, in a warning.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, Final

from ..base.checks import MAX_NAME
from ..base.errors import InvalidArgument, InvalidType
from ..triggers import Cron, Every, Trigger
from . import refused

DEFAULTS: Final[dict[str, Any]] = {
    "broker_url": None, "timezone": None, "enable_utc": True, "beat_schedule": {}, "task_routes": None, "task_default_queue": None, "include": (), "imports": (),
    "task_always_eager": False, "task_ignore_result": False, "task_track_started": False, "task_time_limit": None, "task_soft_time_limit": None,
    "result_expires": None,
}  # fmt: skip
# What a key was called before, without CELERY_ and in small letters.
OLD: Final = {
    "celerybeat_schedule": "beat_schedule", "routes": "task_routes", "default_queue": "task_default_queue", "always_eager": "task_always_eager",
    "ignore_result": "task_ignore_result", "track_started": "task_track_started", "celeryd_task_time_limit": "task_time_limit",
    "celeryd_task_soft_time_limit": "task_soft_time_limit", "task_result_expires": "result_expires", "celeryd_concurrency": "worker_concurrency",
}  # fmt: skip
_named: set[str] = set()  # of which it was said that they say nothing


def path_of(broker: object) -> str:
    """The file that a broker's URL means. Raises InvalidArgument for a real broker's."""
    if not isinstance(broker, str):
        raise InvalidType(f'broker is the path of a file, broker="db.sqlite", not {type(broker).__name__}: {broker!r:.60}')
    scheme, found, rest = broker.partition("://")
    if found and scheme.removeprefix("sqla+") != "sqlite":
        refused.refuse_broker(broker)
    return rest.removeprefix("/") if found else broker


class Settings(dict[str, Any]):
    """As attributes, as a dict, and in one go with ``update``."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["stamp"] = object()  # another one after each change

    def __missing__(self, name: str) -> Any:
        return DEFAULTS[name]

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS:
            raise AttributeError(f"app.conf has no {name}", name=name, obj=self)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, *given: Any, **more: Any) -> None:
        unsaid = []
        for key, value in dict(*given, **more).items():
            name = _name(key)
            if name == "task_always_eager" and value:
                refused.refuse_eager()
            if name in ("broker_url", "broker") and value is not None:
                name, value = "broker_url", path_of(value)
            if name == "task_routes":
                routes_of(value)
            if name in DEFAULTS:
                super().__setitem__(name, value)
            elif name in refused.SETTINGS or name.startswith(refused.THEIRS):
                unsaid.append(name)
        self.__dict__["stamp"] = object()
        _say(unsaid)

    def queue_of(self, task: str) -> str | None:
        """The queue of a task that names none itself."""
        for matches, queue in routes_of(self.task_routes):
            if matches(task):
                return queue
        found: str | None = self.task_default_queue
        return found

    @property
    def zone(self) -> str | None:
        """Of times that say none, and of crontabs; None: the host's."""
        return self.timezone or ("UTC" if self.enable_utc else None)


def _name(key: str) -> str:
    name = key.lower()
    return OLD.get(name) or OLD.get(name.removeprefix("celery_")) or name.removeprefix("celery_")


def _say(names: list[str]) -> None:
    new = sorted(set(names) - _named)
    _named.update(new)
    if new:
        said = ", ".join(f"{name} ({refused.SETTINGS[name]})" if name in refused.SETTINGS else name for name in new)
        warnings.warn(f"litequeue does not look at these settings of Celery: {said}", stacklevel=3)


def read(source: Any, namespace: str | None) -> dict[str, Any]:
    """The settings of ``config_from_object``: a dict, a module or another object, or the name of one, ``"module"`` or ``"module:object"``."""
    if isinstance(source, str):
        module, _, attribute = source.partition(":")
        source = importlib.import_module(module)
        source = getattr(source, attribute) if attribute else source
    found = dict(source) if isinstance(source, Mapping) else {name: getattr(source, name) for name in dir(source) if name[:1] != "_"}
    if namespace is None:
        return {key: value for key, value in found.items() if not isinstance(value, (ModuleType, type))}
    return {key.removeprefix(f"{namespace}_"): value for key, value in found.items() if key.startswith(f"{namespace}_")}


def routes_of(routes: Any) -> Iterator[tuple[Any, str]]:
    """What matches a task's name, and the queue. Raises InvalidType for a router that is a function."""
    given = list(routes.items()) if isinstance(routes, Mapping) else list(routes or ())
    found: list[tuple[Any, str]] = []
    for item in given:
        if isinstance(item, Mapping) or isinstance(item, (tuple, list)) and not (item and isinstance(item[0], (str, re.Pattern))):
            found += routes_of(item)  # several, in one of several
            continue
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise InvalidType(f"task_routes takes {{name or pattern: {{'queue': name}}}}, and no functions, such as {item!r:.60}: say queue= with the task")
        pattern, route = item
        queue = route if isinstance(route, str) else route.get("queue")
        if queue is None or not isinstance(route, str) and len(route) > 1:
            raise InvalidType(f"task_routes: a route says a queue, and nothing else, not {route!r:.100}: say the rest with the task")
        matches = pattern.fullmatch if isinstance(pattern, re.Pattern) else lambda task, pattern=pattern: fnmatchcase(task, pattern)
        found.append((matches, queue))
    return iter(found)


class crontab:
    """``crontab(minute=0, hour="*/3", day_of_week="mon-fri")``, in the zone of ``app.conf.timezone``, or UTC."""

    def __init__(
        self, minute: Any = "*", hour: Any = "*", day_of_week: Any = "*", day_of_month: Any = "*", month_of_year: Any = "*", *,
        app: Any = None, **more: Any,
    ) -> None:  # fmt: skip
        """``app`` says nothing more: the zone is that of the app whose schedule it is in."""
        if more:
            raise InvalidType(f"crontab takes no {', '.join(more)} here: its clock is the worker's, and in tests litequeue.testing's queue.advance(...) moves that")
        self.expression = " ".join(map(_field, (minute, hour, day_of_month, month_of_year, day_of_week)))
        Cron(self.expression, "UTC")  # what is wrong with it is said here
        _, _, day, _, weekday = self.expression.split()
        if not (day.startswith("*") or weekday.startswith("*")):
            raise InvalidArgument(
                f"crontab(day_of_month={day_of_month!r}, day_of_week={weekday!r}): Celery means days that are both, cron those that are either: write one of "
                "them, such as day_of_week='mon#1' for the first Monday"
            )

    def __repr__(self) -> str:
        return f"<crontab: {self.expression}>"


def _field(value: Any) -> str:
    """One field of an expression: a number, a text, or several."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(map(str, sorted(value)))
    return re.sub(r"\s+", "", re.sub(r"([A-Za-z]{3})[a-z]+", r"\1", str(value))) or "*"


def schedule_name(name: object, task: str) -> str:
    """What an entry of the beat schedule is called here: its letters and digits, of any script. Of a name that has none: its task, and a digest."""
    text = str(name)
    return re.sub(r"[^\w.:-]+", "-", text).strip("-")[:MAX_NAME] or f"{task[: MAX_NAME - 9]}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"


def trigger_of(when: Any, zone: str | None) -> Trigger:
    """When an entry of the beat schedule fires: a crontab, a timedelta, or seconds."""
    if isinstance(when, crontab):
        return Cron(when.expression, zone)
    if isinstance(when, (int, float, timedelta)) and not isinstance(when, bool):
        return Every(when)
    if hasattr(when, "next_after"):
        found: Trigger = when
        return found
    raise InvalidType(f"a schedule is crontab(...), a timedelta, seconds, or a trigger of ours, not {type(when).__name__}: {when!r:.60}")
