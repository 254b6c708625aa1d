"""A fleet as it is, what may happen to it, and what may be to do: the words of ``plan``, which decides.

Owns these values, how long is waited for what, and what can be read off a fleet. Pure.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final

from ...base.checks import counted
from ...base.sizes import render
from .. import exits
from .memory import ROOM

READY_SECONDS: Final = 30.0  # for a start; each that was too slow gives the next one twice as long
MOST_READY_SECONDS: Final = 300.0
EARLY_DEATHS: Final = 5  # before any was ever up
FIRST_PAUSE: Final = 0.5  # seconds, after a crash
LONGEST_PAUSE: Final = 30.0
WELL_SECONDS: Final = 60.0  # up for so long, what crashed before is forgotten
LEAVE_SECONDS: Final = 4.0  # beyond the grace: a worker leaves by itself after three
NOW_SECONDS: Final = 2.0  # told again: it leaves by itself after one
KILL_SECONDS: Final = 3.0  # for the system to end what was killed; in all less than the unit's manager waits for
MOST: Final = 64
KILLED_CODE: Final = 137


class Phase(enum.Enum):
    STARTING = "starting"
    UP = "up"
    LEAVING = "leaving"
    KILLED = "killed"


class Way(enum.Enum):
    """How a worker is told."""

    LEAVE = "leave"  # finish what runs, within the grace
    NOW = "now"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a fleet keeps to; seconds, and bytes."""

    grace: float
    lease: float
    ends: bool = False  # each ends by itself when nothing is left to do
    memory: int | None = None
    reloads: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """A worker process. Of those of one place the name is the same."""

    serial: int
    place: int
    began: float
    deadline: float | None
    phase: Phase = Phase.STARTING
    up_at: float | None = None
    replaces: int | None = None  # who leaves when this one is up
    stopped_since: float | None = None  # by SIGSTOP
    is_wanted_gone: bool = False  # its end is no crash


@dataclass(frozen=True, slots=True)
class Place:
    """Where one worker is to be, from 1 on."""

    number: int
    crashes: int = 0
    late: int = 0  # starts that took too long
    not_before: float = 0.0
    done: bool = False  # it has ended by itself


@dataclass(frozen=True, slots=True)
class Fleet:
    rules: Rules
    places: tuple[Place, ...]
    children: tuple[Child, ...] = ()
    serial: int = 0
    rolling: tuple[int, ...] = ()  # who is yet to be replaced
    asking: tuple[int, ...] = ()  # who has grown too big
    is_ending: bool = False
    stops: int = 0  # signals that said so
    code: int = exits.OK
    deaths: int = 0
    is_proven: bool = False  # a worker has come up, with the code as it is
    is_held: bool = False  # until a file changes
    is_announced: bool = False
    is_over: bool = False

    def child(self, serial: int) -> Child | None:
        return next((child for child in self.children if child.serial == serial), None)

    @property
    def free(self) -> list[Place]:
        """Those that have nobody, and may have somebody; while it is not known whether any can come up, one of them."""
        if self.is_ending or self.is_held or len(self.children) >= len(self.places) or self.children and not self.is_proven:
            return []
        taken = {child.place for child in self.children}
        found = [place for place in self.places if place.number not in taken and not place.done]
        return found if self.is_proven else found[:1]


def fleet(workers: int, rules: Rules) -> Fleet:
    return Fleet(rules, tuple(Place(number) for number in range(1, workers + 1)))


# -- what happens ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Up:
    """It has registered; ``size``: its bytes in memory then."""

    serial: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """It is no more; 128 and the signal's number, if that was its end."""

    serial: int
    code: int


@dataclass(frozen=True, slots=True)
class Asks:
    """It is bigger than it may be, and would leave."""

    serial: int
    size: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether it is stopped (SIGSTOP)."""

    serial: int
    is_stopped: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """By a signal of this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Roll:
    """Replace all, one after another."""


@dataclass(frozen=True, slots=True)
class More:
    by: int


@dataclass(frozen=True, slots=True)
class Changed:
    """The code, in a file of this name."""

    file: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Up | Ended | Asks | Seen | Stop | Roll | More | Changed | Tick


# -- what is to be done ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    serial: int
    place: int


@dataclass(frozen=True, slots=True)
class Tell:
    serial: int
    way: Way


@dataclass(frozen=True, slots=True)
class Say:
    """``level`` is a method of the log; ``place``: of whose worker it is, if of one."""

    level: str
    text: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Announce:
    """The fleet is up."""


@dataclass(frozen=True, slots=True)
class Leave:
    code: int


Deed = Start | Tell | Say | Announce | Leave


def due(fleet: Fleet) -> float:
    """When time alone will change something, at the latest; infinity: never."""
    times = [child.deadline for child in fleet.children if child.deadline is not None]
    times += [child.stopped_since + fleet.rules.lease for child in fleet.children if child.stopped_since is not None and child.phase is Phase.UP]
    times += [place.not_before for place in fleet.free]
    return min(times, default=math.inf)


def is_at_work(fleet: Fleet) -> bool:
    """Whether a worker of it is up, and not stopped."""
    return any(child.phase is Phase.UP and child.stopped_since is None for child in fleet.children)


def ready_seconds(place: Place) -> float:
    return min(READY_SECONDS * (1 << place.late), MOST_READY_SECONDS)


def status(fleet: Fleet) -> str:
    """In a line, for who looks at the service."""
    up = sum(child.phase is Phase.UP for child in fleet.children)
    if fleet.is_ending:
        return f"stopping: {counted(len(fleet.children), 'worker')} left"
    said = f"{up} of {counted(len(fleet.places), 'worker')} up"
    if fleet.is_held:
        return f"{said}; waits for a change of the code"
    return f"{said}; rolling restart, {len(fleet.rolling)} to go" if fleet.rolling else said


def too_small(limit: int, size: int) -> str | None:
    """Why a worker may not be kept to that; None: it may."""
    if limit >= size * ROOM:
        return None
    least = -(-int(size * ROOM) // (1 << 20))
    return (
        f"--max-memory {render(limit)} is less than {ROOM:g} times the {render(size)} that a worker has as it begins, and would end each after "
        f"little work: give {least}M or more"
    )
