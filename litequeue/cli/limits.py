"""The command about limits: all of them, how one stands, and changing it."""

from __future__ import annotations

import argparse

from ..base.checks import counted
from ..base.errors import InvalidArgument
from ..base.records import LimitInfo, as_dict
from . import render
from .jobs import existing
from .printing import say


def limit(arguments: argparse.Namespace) -> int:
    changes = {name: None if value == "none" else value for name, value in (("max_running", arguments.max), ("rate", arguments.rate)) if value is not None}
    if arguments.name is None and (changes or arguments.remove):
        raise InvalidArgument("name the limit that is to change")
    if changes and arguments.remove:
        raise InvalidArgument("--remove goes without --max and --rate")
    with existing(arguments.db) as app:
        if arguments.remove:
            app.limits.remove(arguments.name)
            say(f"limit {arguments.name} is removed: its jobs run without")
            return 0
        new = changes and all(arguments.name != info.name for info in app.limits)
        if changes:
            app.limits.set(arguments.name, **changes)
        found = list(app.limits) if arguments.name is None else [info for info in app.limits if info.name == arguments.name]
        if arguments.name is not None and not found:
            if not changes:
                app.limits.get(arguments.name)  # raises
            found = [LimitInfo(arguments.name, None, None)]
    if arguments.json:
        render.print_json(list(map(as_dict, found)))
    elif changes:
        say(f"limit {arguments.name}{' is new' if new else ''}: {said(found[0])}")
    else:
        rows = [row for info in found for row in _rows(info)]
        render.print_listing(("KEY", "AT ONCE", "RATE", "RUNNING", "WAITING", "STARTED", "NEXT START"), rows, "there is no limit")
    return 0


def said(info: LimitInfo) -> str:
    """What it allows, in words."""
    parts = [counted(info.max_running, "job") + " at once"] if info.max_running is not None else []
    parts += [f"{info.rate} starts"] if info.rate is not None else []
    return ", ".join(parts) or "any number"


def _rows(info: LimitInfo) -> list[tuple[str, ...]]:
    most, rate = "" if info.max_running is None else str(info.max_running), info.rate or ""
    if not info.keys:
        return [(info.name, most, rate, "0", "0", "", "")]
    return [
        (key.key, most, rate, str(key.running), str(key.waiting + key.available), str(key.started) if rate else "", render.when(key.next_at) if key.waiting else "")
        for key in info.keys
    ]  # fmt: skip
