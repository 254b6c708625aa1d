"""The command that shows a workflow."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Any, Final

from ..base.checks import MICROS, aware, clean
from ..base.clock import SystemClock
from ..store.flows import Member, Progress
from ..store.links.telling import JOIN
from ..store.rules import FOREVER
from . import render, tree
from .jobs import existing
from .printing import put, say
from .tree import PLAIN, Marks

_SHORT: Final = 90  # characters of an error in the picture; `job DB ID` has all of it


def flow(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        handle = app.flow(arguments.id)
        progress, state = handle.progress(), handle.state
        members = app._client.store.flows.members(handle.id)
    if arguments.json:
        render.print_json({
            "id": handle.id, "state": state, "progress": progress._asdict(),
            "jobs": [_as_dict(member) for member in members if member.task != JOIN],
        })  # fmt: skip
        return 0
    say(f"flow {handle.id}: {_in_words(state, progress)}")
    now = SystemClock().now()
    lines = list(tree.lines_of(members, lambda member: member.task == JOIN, _marks()))
    width = max((len(line.indent) + len(_name(line.member)) for line in lines if line.member), default=0)
    for line in lines:
        if line.member is None:
            put(f"{line.indent}{line.text}\n")
        else:
            _say(line.indent, line.member, min(width, 60), now)
    return 0


def _in_words(state: str, progress: Progress) -> str:
    """How it stands: its end is cancelled where a step has failed, and then others may run yet."""
    word = "failed" if progress.failed and state == "cancelled" else state
    failed = f", {progress.failed:,} failed" if progress.failed else ""
    to_go = progress.total - progress.ended
    left = f", {to_go:,} to go" if to_go else ""
    return f"{word}, {progress.done:,} of {progress.total:,} jobs done{failed}{left}"


def _name(member: Member) -> str:
    return f"{member.id} {member.task}"


def _say(indent: str, member: Member, width: int, now: int) -> None:
    what = (indent + clean(_name(member))).ljust(width)
    state = render.colour(clean(member.state), member.state) + " " * max(9 - len(member.state), 0)
    put(f"{what}  {state}  {clean(_note(member, now))}".rstrip() + "\n")


def _note(member: Member, now: int) -> str:
    parts = []
    end = member.finished_at or (now if member.state == "running" else None)
    if member.started_at is not None and end is not None:
        parts.append(render.duration(max(end - member.started_at, 0) / MICROS))
    if member.run_at >= FOREVER:
        parts.append("waits for an event")
    elif member.state in ("scheduled", "retrying"):
        parts.append(f"due {render.when(aware(member.run_at))}")
    if member.state == "blocked":
        parts.append(f"after {_few(member.parents)}" if member.parents else "waits")
    if member.last_error and member.state != "succeeded":
        error = member.last_error.partition("\n")[0]
        parts.append(error if len(error) <= _SHORT else f"{error[: _SHORT - 3]}...")
    return ", ".join(parts)


def _few(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids)) if len(ids) <= 3 else f"{len(ids):,} jobs"


def _marks() -> Marks:
    """Lines as of a box, where what reads them can show those."""
    try:
        "".join(Marks()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return PLAIN
    return Marks()


def _as_dict(member: Member) -> dict[str, Any]:
    times = ("run_at", "started_at", "finished_at")
    moments: dict[str, datetime | None] = {
        name: None if getattr(member, name) is None else aware(getattr(member, name)).astimezone(UTC) for name in times
    }
    return {**member._asdict(), **moments, "parents": list(member.parents)}
