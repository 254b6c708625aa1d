"""Which schedule each job of a crontab is already, and which have gone from it.

Owns the matching of an edited crontab with what was imported before. Names alone will not do: jobs that have no comment
are numbered in their order (``curl``, ``curl-2``), so that a line taken out gives its number to the next, and a job would
stand twice. What a job is (time, command, standard input, environment) counts first. Decides only; changes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..base.errors import InvalidArgument
from ..base.here import absolute
from ..base.records import ScheduleInfo
from ..commands.command import NAME as COMMAND
from ..commands.command import OF_SYSTEM
from ..crontab import Entry
from ..crontab.names import unique
from ..triggers import spec_of
from .calls import command_in

NEW: Final = "new"
UNCHANGED: Final = "unchanged"
CHANGED: Final = "changed"
# Of a command's arguments, what a crontab does not say: the first was added by hand, the second by an import.
_NOT_THE_CRONTABS: Final = ("backoff", "crontab")
_PROGRAM: Final = ("command", "argv", "stdin")

Call = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one entry."""

    entry: Entry
    options: dict[str, Any]  # of app.schedules.add
    name: str  # of its schedule
    known: ScheduleInfo | None  # the schedule, if it is there

    @property
    def call(self) -> Call:
        """The crontab's command for a schedule that is there: what was added by hand is not the crontab's to take away."""
        old = self._standing
        return {**self.options["kwargs"], **({"backoff": old["backoff"]} if "backoff" in old else {})}

    @property
    def _standing(self) -> Call:
        return (None if self.known is None else _command_or_none(self.known)) or {}

    @property
    def fate(self) -> str:
        """What importing would do to the schedule."""
        return NEW if self.known is None else CHANGED if self.differences else UNCHANGED

    @property
    def differences(self) -> str:
        """What the crontab says otherwise than the schedule that is there, in words; empty for nothing."""
        known, options = self.known, self.options
        if known is None:
            return ""
        job = _job_of(known)
        if job is None:
            return "what it runs"
        (spec, call), said = job, _said(options["kwargs"])
        parts = {
            "its time": spec != spec_of(options["trigger"]),
            "its command": any(call.get(key) != said.get(key) for key in _PROGRAM),
            "whom it runs as": call.get("user") != said.get("user"),
            "its environment": any(call.get(key) != said.get(key) for key in call.keys() | said.keys() if key not in (*_PROGRAM, "user")),
            "whom failures are mailed to": known.mail_to != options.get("mail_to"),
            "its random delay": known.jitter != options.get("jitter", 0),
            "what of its environment is secret": not _secrets(options["kwargs"]) <= _secrets(self._standing),
            "at-most-once": bool(options.get("at_most_once")) and not known.at_most_once,  # what was given by hand stays
        }
        return " and ".join(part for part, differs in parts.items() if differs)

    def advice(self, replace: bool) -> str | None:
        """What to do about a job that differs and so is not imported; None if it is."""
        known = self.known
        if known is None or not self.differences or replace and known.declared_in is None:
            return None
        rename = "a comment above the line gives this job another name"
        if known.declared_in is not None:
            return f"{known.declared_in} declares that one; {rename}"
        advice = "--replace changes that one"
        is_from_here = self._standing.get("crontab") == self.options["kwargs"]["crontab"]
        return advice if is_from_here else f"{advice}, which this crontab has not made; {rename}"


def source_of(file: str, system: bool) -> str:
    """The crontab, as a later import names it again: what is gone from one may stand in another."""
    name = file if file == "-" else absolute(file)
    return name + OF_SYSTEM if system else name


def secrets_of(standing: Iterable[ScheduleInfo]) -> set[str]:
    """The variables that are secret to one of the schedules: a password is one also where another line has it."""
    return set().union(*(_secrets(call) for info in standing if (call := _command_or_none(info)) is not None))


def match(wanted: Iterable[tuple[Entry, dict[str, Any]]], standing: Mapping[str, ScheduleInfo]) -> list[Plan]:
    """A plan for each entry, in their order. No schedule is the one of two entries."""
    wanted, free = list(wanted), dict(standing)
    found: dict[int, ScheduleInfo] = {}
    jobs = {name: job for name, info in standing.items() if (job := _job_of(info)) is not None}
    asked = [(spec_of(options["trigger"]), _said(options["kwargs"])) for _, options in wanted]

    def pair(key: Callable[[str, Call], str]) -> None:
        """Those that are the same by that key; of several that are alike, the one with its own name."""
        keys = {name: key(*jobs[name]) for name in free if name in jobs}
        alike: dict[str, deque[str]] = defaultdict(deque)
        for name, of in keys.items():
            alike[of].append(name)
        for number, (entry, _) in enumerate(wanted):
            if number in found:
                continue
            of = key(*asked[number])
            names = alike[of]
            while names and names[0] not in free:  # went to the entry of that name
                names.popleft()
            if names:
                found[number] = free.pop(entry.name if entry.name in free and keys.get(entry.name) == of else names[0])

    pair(_whole)
    # A setting at the top of a crontab is in every job's environment.
    pair(_core)
    for number, (entry, _) in enumerate(wanted):
        if number not in found and entry.name in free:
            found[number] = free.pop(entry.name)
    taken = set(standing)
    return [
        Plan(entry, options, known.name, known) if (known := found.get(number)) is not None
        else Plan(entry, options, unique(entry.name, taken), None)
        for number, (entry, options) in enumerate(wanted)
    ]  # fmt: skip


def gone(
    plans: Iterable[Plan], standing: Mapping[str, ScheduleInfo], source: str
) -> tuple[list[str], dict[str, list[str]]]:
    """Which schedules were imported from this crontab and are no longer in it; and those of other ones, by crontab."""
    kept = {plan.name for plan in plans}
    from_here: list[str] = []
    others: dict[str, list[str]] = {}
    for name, info in standing.items():
        origin = (_command_or_none(info) or {}).get("crontab")
        if origin == source and name not in kept:
            from_here.append(name)
        elif origin is not None and origin != source and name not in kept:
            others.setdefault(origin, []).append(name)
    return from_here, others


def _job_of(info: ScheduleInfo) -> tuple[str, Call] | None:
    """What a schedule runs, and when, as a crontab could say it; None if it runs no command, or is another's to change."""
    call = _command_or_none(info) if info.declared_in is None else None
    return None if call is None else (info.spec, _said(call))


def _said(call: Mapping[str, Any]) -> Call:
    return {key: value for key, value in _in_the_open(call).items() if key not in _NOT_THE_CRONTABS}


def _secrets(call: Mapping[str, Any]) -> set[str]:
    return set(call.get("secret_env", ()))


def _in_the_open(call: Mapping[str, Any]) -> Call:
    """With all of its environment in one, as a crontab has it."""
    if "secret_env" not in call:
        return dict(call)
    rest = {key: value for key, value in call.items() if key != "secret_env"}
    return {**rest, "env": {**call.get("env", {}), **call["secret_env"]}}


def _whole(spec: str, call: Call) -> str:
    return json.dumps([spec, call], sort_keys=True)


def _core(spec: str, call: Call) -> str:
    return _whole(spec, {key: call[key] for key in _PROGRAM if key in call})


def _command_or_none(info: ScheduleInfo) -> Call | None:
    try:
        return command_in(info) if info.task == COMMAND else None
    except InvalidArgument:
        return None
