"""What becomes of the workers of a fleet: who is started, told to leave, killed, replaced, and when all is over.

Owns the decisions. Pure: ``step`` takes the fleet as it is, something that happened and the time, and gives the fleet as it is then with
what is to be done about it; ``supervisor`` does that, and asks nothing. Whatever happened, what is missing is looked for in the fleet itself,
so no order of events leaves something undone. Each wait has its deadline: only a worker that is up, and not stopped, is waited for without one.

A fleet begins with one worker. Once that is up the others follow: what none of them can do is told once, and not by each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ...base.sizes import render
from .. import exits
from . import states
from .states import (
    Announce,
    Asks,
    Changed,
    Child,
    Deed,
    Ended,
    Event,
    Fleet,
    Leave,
    More,
    Phase,
    Place,
    Roll,
    Say,
    Seen,
    Start,
    Stop,
    Tell,
    Up,
    Way,
)

_HOPELESS: Final = (exits.USAGE, exits.DAMAGED, exits.CANNOT_OPEN)  # what another start does not mend


def step(before: Fleet, event: Event, now: float) -> tuple[Fleet, list[Deed]]:
    """``now``: monotonic. Once it has come to ``Leave`` nothing more is done."""
    if before.is_over:
        return before, []
    moves = _Moves(before, now)
    moves.hear(event)
    moves.settle()
    return moves.fleet, moves.deeds


class _Moves:
    """One step; the fleets that it makes are values."""

    def __init__(self, fleet: Fleet, now: float) -> None:
        self.fleet = fleet
        self.deeds: list[Deed] = []
        self._now = now

    # -- small ones ------------------------------------------------------------------------------

    def _set(self, **fields: Any) -> None:
        self.fleet = replace(self.fleet, **fields)

    def _change(self, child: Child, **fields: Any) -> Child:
        changed = replace(child, **fields)
        self._set(children=tuple(changed if other.serial == child.serial else other for other in self.fleet.children))
        return changed

    def _change_place(self, number: int, **fields: Any) -> None:
        self._set(places=tuple(replace(place, **fields) if place.number == number else place for place in self.fleet.places))

    def _place(self, number: int) -> Place | None:
        return self.fleet.places[number - 1] if number <= len(self.fleet.places) else None

    def _say(self, level: str, text: str, child: Child | None = None) -> None:
        self.deeds.append(Say(level, text, None if child is None else child.place))

    def _start(self, place: Place, replaces: int | None = None) -> None:
        serial = self.fleet.serial + 1
        deadline = self._now + states.ready_seconds(place)
        child = Child(serial, place.number, self._now, deadline, replaces=replaces)
        self._set(serial=serial, children=(*self.fleet.children, child))
        self.deeds.append(Start(serial, place.number))

    def _let_leave(self, child: Child) -> None:
        if child.phase in (Phase.STARTING, Phase.UP):
            deadline = self._now + self.fleet.rules.grace + states.LEAVE_SECONDS
            self._change(child, phase=Phase.LEAVING, deadline=deadline, is_wanted_gone=True)
            self.deeds.append(Tell(child.serial, Way.LEAVE))

    def _kill(self, child: Child) -> None:
        if child.phase is not Phase.KILLED:
            self._change(child, phase=Phase.KILLED, deadline=self._now + states.KILL_SECONDS)
            self.deeds.append(Tell(child.serial, Way.KILL))

    def _end_with(self, code: int) -> None:
        """All of it, not by anybody's wish."""
        self._set(code=self.fleet.code or code, is_ending=True, rolling=(), asking=())

    # -- what happened ---------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        match event:
            case Up():
                self._is_up(event)
            case Ended():
                self._has_ended(event)
            case Asks(serial, size):
                self._asks(serial, size)
            case Seen(serial, is_stopped):
                child = self.fleet.child(serial)
                if child is not None and is_stopped != (child.stopped_since is not None):
                    self._change(child, stopped_since=self._now if is_stopped else None)
            case Stop(number):
                self._stop(number)
            case Roll() if not self.fleet.is_ending:
                by_place = sorted(self.fleet.children, key=lambda child: child.place)
                old = tuple(child.serial for child in by_place if child.phase in (Phase.STARTING, Phase.UP))
                self._set(rolling=old, is_held=False)
                self._say("info", f"rolling restart: {len(old)} to be replaced, one after another")
            case More(by) if not self.fleet.is_ending:
                self._resize(by)
            case Changed(file) if not self.fleet.is_ending:
                self._say("info", f"{file} was changed: the code is loaded anew")
                self._set(is_held=False, is_proven=False, places=tuple(replace(place, crashes=0, not_before=0.0) for place in self.fleet.places))
                for child in self.fleet.children:
                    self._let_leave(child)
            case _:
                pass

    def _is_up(self, event: Up) -> None:
        child, limit = self.fleet.child(event.serial), self.fleet.rules.memory
        if child is None:
            return
        first = not self.fleet.is_proven
        self._set(is_proven=True)
        child = self._change(child, up_at=self._now)
        if child.phase is not Phase.STARTING:
            return
        self._change(child, phase=Phase.UP, deadline=None, replaces=None)
        self._change_place(child.place, late=0)
        why = states.too_small(limit, event.size) if first and limit is not None else None
        if why is not None:
            self._say("error", why)
            self._end_with(exits.USAGE)
            return
        self._say("info", "is up", child)
        old = None if child.replaces is None else self.fleet.child(child.replaces)
        if old is not None:
            self._set(rolling=tuple(serial for serial in self.fleet.rolling if serial != old.serial))
            self._let_leave(old)

    def _asks(self, serial: int, size: int) -> None:
        child = self.fleet.child(serial)
        if child is not None and child.phase is Phase.UP and serial not in self.fleet.asking and not self.fleet.is_ending:
            self._set(asking=(*self.fleet.asking, serial))
            self._say("info", f"has {render(size)}, and may have {render(self.fleet.rules.memory or 0)}: it is replaced in its turn", child)

    def _stop(self, number: int) -> None:
        self._set(stops=self.fleet.stops + 1, is_ending=True, rolling=(), asking=())
        if self.fleet.stops == 2:
            self._set(code=self.fleet.code or 128 + number)
            for child in self.fleet.children:
                if child.phase is not Phase.KILLED:
                    self._change(child, phase=Phase.LEAVING, deadline=self._now + states.NOW_SECONDS, is_wanted_gone=True)
                    self.deeds.append(Tell(child.serial, Way.NOW))
        elif self.fleet.stops > 2:
            for child in self.fleet.children:
                self._kill(child)

    def _resize(self, by: int) -> None:
        places = self.fleet.places
        wanted = len(places) + by
        if not 1 <= wanted <= states.MOST:
            self._say("warning", "one worker is left, and stays: stop it with SIGTERM" if by < 0 else f"{states.MOST} workers are the most")
            return
        self._set(places=(*places, Place(wanted)) if by > 0 else places[:wanted])
        self._say("info", f"{wanted} workers are wanted from now on" if wanted > 1 else "one worker is wanted from now on")

    def _has_ended(self, event: Ended) -> None:
        child, code = self.fleet.child(event.serial), event.code
        if child is None:
            return
        self._forget(child)
        if self.fleet.is_ending:
            if child.up_at is not None or not child.is_wanted_gone:  # one that was told before it was up had no handler yet
                self._set(code=self.fleet.code or code)
        elif self._place(child.place) is None or child.is_wanted_gone:
            if code and child.up_at is not None:
                self._say("warning", f"left with exit code {code}", child)
        elif self.fleet.rules.ends and code == exits.OK:
            self._change_place(child.place, done=True)
        elif child.up_at is None:
            self._died_early(child, code)
        elif code in _HOPELESS:
            self._say("error", f"ended with exit code {code}, which another start would not mend: all end", child)
            self._end_with(code)
        elif code:
            self._crashed(child, f"ended with exit code {code}")

    def _forget(self, child: Child) -> None:
        others = tuple(other for other in self.fleet.children if other.serial != child.serial)
        without = {name: tuple(serial for serial in getattr(self.fleet, name) if serial != child.serial) for name in ("rolling", "asking")}
        self._set(children=others, **without)

    def _died_early(self, child: Child, code: int) -> None:
        if child.replaces is not None and self.fleet.child(child.replaces) is not None:
            self._set(rolling=())
            self._say("error", f"did not come up anew (exit code {code}): the rolling restart is given up, and the others go on as they are", child)
        elif self.fleet.rules.reloads and code not in (exits.DAMAGED, exits.CANNOT_OPEN):
            self._set(is_held=True)
            self._say("error", f"did not come up (exit code {code}): it is tried again when a file has changed", child)
        elif code in _HOPELESS:
            self._end_with(code)
        elif not self.fleet.is_proven and code and self.fleet.deaths + 1 >= states.EARLY_DEATHS:
            self._say("error", f"did not come up for the {states.EARLY_DEATHS}th time (exit code {code}): there is no use in going on", child)
            self._end_with(code)
        else:
            self._set(deaths=self.fleet.deaths + (code != exits.OK))
            self._crashed(child, f"did not come up (exit code {code})")

    def _crashed(self, child: Child, how: str) -> None:
        place = self._place(child.place)
        assert place is not None
        was_well = child.up_at is not None and self._now - child.up_at >= states.WELL_SECONDS
        crashes = 0 if was_well else place.crashes
        pause = min(states.FIRST_PAUSE * 2**crashes, states.LONGEST_PAUSE)
        self._change_place(child.place, crashes=min(crashes + 1, 16), not_before=self._now + pause)
        self._say("warning", f"{how}: another is started in {pause:g} s", child)

    # -- what is to be done about it ---------------------------------------------------------------

    def settle(self) -> None:
        self._enforce_deadlines()
        if self.fleet.is_ending:
            for child in self.fleet.children:
                self._let_leave(child)
            if not self.fleet.children:
                self._leave(self.fleet.code)
            return
        for child in self.fleet.children:
            if child.place > len(self.fleet.places):
                self._let_leave(child)
        if not self.fleet.is_held:
            self._fill_places()
            self._replace_one()
        if not self.fleet.children and all(place.done for place in self.fleet.places):
            self._leave(exits.OK)
        elif self.fleet.is_proven and not self.fleet.is_announced and all(child.phase is not Phase.STARTING for child in self.fleet.children):
            self._set(is_announced=True)
            self.deeds.append(Announce())

    def _leave(self, code: int) -> None:
        self._set(is_over=True)
        self.deeds.append(Leave(code))

    def _enforce_deadlines(self) -> None:
        for child in self.fleet.children:
            since = child.stopped_since
            if child.deadline is not None and child.deadline <= self._now:
                self._is_overdue(child)
            elif child.phase is Phase.UP and since is not None and self._now - since >= self.fleet.rules.lease:
                self._say("error", f"is stopped (SIGSTOP) for {self.fleet.rules.lease:g} s, and its jobs are others' by now: it is killed", child)
                self._kill(child)

    def _is_overdue(self, child: Child) -> None:
        if child.phase is Phase.STARTING:
            place = self._place(child.place)
            if place is not None:
                self._say("error", f"was not up within {self._now - child.began:.0f} s, and is killed", child)
                self._change_place(child.place, late=place.late + 1)
            self._kill(child)
        elif child.phase is Phase.LEAVING:
            self._say("error", "has not left in its time, and is killed", child)
            self._kill(child)
        else:
            self._say("error", "does not end although it was killed, as where a disk does not answer: it is not waited for", child)
            self._has_ended(Ended(child.serial, states.KILLED_CODE))

    def _fill_places(self) -> None:
        for place in self.fleet.free:
            if place.not_before <= self._now and len(self.fleet.children) < len(self.fleet.places):
                self._start(place)

    def _replace_one(self) -> None:
        """If none comes or goes: who is next in the rolling restart, or has asked to leave."""
        children = self.fleet.children
        if any(child.phase is not Phase.UP for child in children):
            return
        if self.fleet.rolling:
            old = next(child for child in children if child.serial == self.fleet.rolling[0])  # of all only who is here is left in the list
            self._start(self.fleet.places[old.place - 1], replaces=old.serial)
        elif self.fleet.asking and len(children) == sum(not place.done for place in self.fleet.places):
            self._let_leave(next(child for child in children if child.serial == self.fleet.asking[0]))

