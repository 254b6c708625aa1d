"""What is said of a simulation: how long tasks take, how often they fail, what slots there are, when the host is off.

Owns the checks of that, and the randomness, of which each draw hangs on the seed and on what it is for, and on no draw before: another backoff, or
one more schedule, leaves all else as it was, so that two simulations can be compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from ...base import checks
from ...base.errors import InvalidArgument, InvalidType
from ...options.jobs import POOLS
from ...options.kinds import Span
from ...task import Task, name_of

ANY: Final = 2**31  # slots of a pool of which nothing is said


class Attempt(NamedTuple):
    """One execution of a job."""

    job: int
    task: str
    schedule: str | None
    number: int  # of the job's attempts, from 1
    started_at: datetime
    ended_at: datetime | None  # None: it runs
    outcome: str  # running, succeeded, failed, discarded, cancelled, snoozed, interrupted
    error: str | None = None


# A length of time, two between which it lies, or a function of the attempt that is about to begin.
Takes = Span | tuple[Span, Span] | Callable[[Attempt], Span]
# A share, or a function of the attempt: whether it fails, with which share, or the exception that it raises.
Fails = float | Callable[[Attempt], bool | float | BaseException | None]
Of = Mapping[Task[..., Any] | str, Any]
Window = tuple[datetime, datetime]


class Dice(random.Random):
    """Random numbers about something."""

    def __init__(self, seed: int) -> None:
        super().__init__(0)
        self._seed = seed
        self._what = ""
        self._drawn = 0

    def about(self, what: str) -> Dice:
        self._what, self._drawn = what, 0
        return self

    def random(self) -> float:
        self._drawn += 1
        digest = blake2b(f"{self._seed} {self._drawn} {self._what}".encode(), digest_size=7).digest()
        return (int.from_bytes(digest, "big") >> 3) * 2**-53


class Rules:
    """What is said by the names of tasks and schedules, or of all of them."""

    def __init__(self, given: object, what: str, check: Callable[[Any, str], Any]) -> None:
        self._all, self._of = check(0, what), dict[str, Any]()
        if isinstance(given, Mapping):
            self._of = {name: check(value, f"{what} of {name}") for name, value in ((name_of(key), value) for key, value in given.items())}
        else:
            self._all = check(given, what)
        self._what = what

    def refuse_unknown(self, known: Container[str]) -> None:
        """Raises InvalidArgument for a name that nothing has."""
        for name in self._of:
            if name not in known:
                import difflib

                near = difflib.get_close_matches(name, list(known), 2, 0.6) if isinstance(known, Iterable) else []
                raise InvalidArgument(f"{self._what} names {name}, and no task or schedule here is called that{f'; did you mean {near[0]}?' if near else ''}")

    def of(self, schedule: str | None, task: str) -> Any:
        """That of the schedule comes before that of the task."""
        if schedule is not None and schedule in self._of:
            return self._of[schedule]
        return self._of.get(task, self._all)


def takes(value: Any, what: str) -> Any:
    """Microseconds, two of them, or a function."""
    if callable(value):
        return value
    if not isinstance(value, (tuple, list)):
        return checks.span(value, what)
    if len(value) != 2:
        raise InvalidArgument(f"{what}: two lengths of time, the least and the most, or one, not {len(value)} of them")
    least, most = (checks.span(part, what) for part in value)
    if least > most:
        raise InvalidArgument(f"{what}: the least comes first, and {value[0]!r:.60} is more than {value[1]!r:.60}")
    return least, most


def fails(value: Any, what: str) -> Any:
    """A share, an exception or its class, or a function."""
    return value if callable(value) or isinstance(value, BaseException) else _share(value, what)


def _share(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidType(f"{what} must be a share from 0 to 1, or a function of the attempt, not {type(value).__name__}: {value!r:.100}")
    if not 0 <= value <= 1:
        raise InvalidArgument(f"{what} must be a share from 0 to 1, not {value!r:.60}: 10 % are 0.1")
    return float(value)


def length(rule: Any, attempt: Callable[[], Attempt], dice: Dice, name: str) -> int:
    """How long an attempt takes, in microseconds."""
    if callable(rule):
        return checks.span(rule(attempt()), "what the function of takes returned")
    if isinstance(rule, tuple):
        return int(dice.about(f"{name} takes").uniform(*rule))
    return int(rule)


def failure(rule: Any, attempt: Callable[[], Attempt], dice: Dice, name: str) -> bool | BaseException:
    """Whether it fails, or what it raises then."""
    if callable(rule):
        rule = rule() if isinstance(rule, type) else fails(rule(attempt()) or 0, "what the function of fails returned")
        rule = rule() if isinstance(rule, type) else rule
    if isinstance(rule, BaseException):
        return rule
    return bool(rule) and dice.about(f"{name} fails").random() < rule


def windows(given: Any, what: str) -> list[tuple[int, int]]:
    """Times from one moment to another, in microseconds, in their order."""
    if not isinstance(given, Iterable):
        raise InvalidType(f"{what} must be a list of (from, until), not {type(given).__name__}: {given!r:.100}")
    found = []
    for pair in given:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InvalidType(f"{what} must be a list of (from, until), and one of them is {pair!r:.100}")
        begin, end = (checks.moment(moment, what) for moment in pair)
        if begin >= end:
            raise InvalidArgument(f"{what}: until comes after from, and {pair[1]} does not come after {pair[0]}")
        found.append((begin, end))
    return sorted(found)


def slots(given: Any) -> dict[str, int]:
    """By pool."""
    if given is None:
        return dict.fromkeys(POOLS, ANY)
    if not isinstance(given, Mapping):
        return dict.fromkeys(POOLS, checks.integer(given, "slots", 1, ANY))
    for pool in given:
        checks.one_of(pool, "a pool of slots", POOLS)
    return {pool: checks.integer(given.get(pool, ANY), f"slots of {pool}", 0, ANY) for pool in POOLS}
