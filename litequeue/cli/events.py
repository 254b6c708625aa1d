"""The commands about events: one that has happened, and all that are kept or waited for."""

from __future__ import annotations

import argparse
import contextlib
from datetime import datetime
from typing import Any

from ..base import stored
from ..base.checks import aware, counted
from ..base.errors import InvalidArgument
from ..store.steps import Event
from . import render
from .jobs import existing
from .printing import say


def emit(arguments: argparse.Namespace) -> int:
    try:
        payload = stored.loads(arguments.json_payload)
    except ValueError as error:
        raise InvalidArgument(f"--json {arguments.json_payload!r:.200} is not JSON ({error})") from None
    with existing(arguments.db) as app:
        first = app.emit(arguments.event, payload, keep=arguments.keep, replace=arguments.replace)
    say(f"event {arguments.event} is stored" if first
        else f"event {arguments.event} was there already, and its first payload stays; --replace puts this one in its place")  # fmt: skip
    return 0


def events(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        found = app._client.store.steps.events(arguments.after or "", arguments.limit + 1, stored.MAX_BYTES if arguments.json else 1000)
    shown = found[: arguments.limit]
    if arguments.json:
        render.print_json(list(map(_as_dict, shown)))
        return 0
    render.print_table(("EVENT", "CAME", "KEPT UNTIL", "WAITING", "PAYLOAD"), list(map(_row, shown)))
    if len(found) > len(shown):
        say(f"more: --after {shown[-1].name}")
    return 0


def _row(event: Event) -> tuple[str, ...]:
    waiting = counted(event.waiting, "job") if event.waiting else ""
    if event.at is None:
        return event.name, "not yet", "", waiting, ""
    return event.name, render.when(_moment(event.at)), render.when(_moment(event.prune_at)), waiting, stored.shown(event.payload)


def _as_dict(event: Event) -> dict[str, Any]:
    payload: Any = event.payload or None
    with contextlib.suppress(ValueError):  # planted by somebody, or cut
        payload = stored.loads(event.payload)
    return {
        "name": event.name, "came_at": _moment(event.at), "kept_until": _moment(event.prune_at), "jobs_waiting": event.waiting, "payload": payload,
    }  # fmt: skip


def _moment(stamp: int | None) -> datetime | None:
    return None if stamp is None else aware(stamp)
