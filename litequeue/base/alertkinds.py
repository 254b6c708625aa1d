"""The conditions of which alerts tell, as people write them: ``oldest queue=mail >5m``. There are ten kinds, and no language to combine them.

Owns their grammar, the one way in which each is stored, and the words for it in English. Pure; what is so in a file is for others to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from . import checks, durations, sizes
from .checks import MICROS
from .errors import InvalidArgument
from .history import DAY

MOST_TEXT: Final = 500
MOST_WAITING: Final = 100_000  # so many are counted in 5 ms (measured; of a million that wait it would be 50)
MOST_COUNT: Final = 1_000_000_000
MOST_SIZE: Final = 1 << 50
LONGEST: Final = 400 * DAY * MICROS  # for which the history is kept
LONGEST_OF_TICKS: Final = 90 * DAY * MICROS  # for which the ticks of schedules are

EXAMPLES: Final = {
    "oldest": "oldest queue=mail >5m",
    "waiting": "waiting queue=mail >1000",
    "discarded": "discarded task=shop.pay >10 in 1h",
    "failed-ratio": "failed-ratio task=shop.pay >20% in 15m min 50",
    "no-worker": "no-worker",
    "worker-frozen": "worker-frozen",
    "schedule": "schedule nightly no-success 26h",
    "disk": "disk <1G",
    "log": "log >200M",
    "untold": "untold",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What is asked of a file. What a kind does not have is as it is here."""

    kind: str  # of EXAMPLES
    queue: str | None = None
    task: str | None = None
    schedule: str | None = None
    what: str = ""  # of a schedule: late, missed or no-success
    bound: int = 0  # beyond which it is bad: microseconds, jobs, hundredths of a percent, or bytes
    within: int = 0  # the time of which it is asked, up to now: microseconds
    least: int = 0  # attempts, below which a ratio says nothing


def parse(text: str) -> Condition:
    """Raises InvalidArgument, which says what was given, what can be, and an example."""
    words = _words(text)
    reader = _READERS.get(words.kind)
    if reader is None:
        import difflib  # where somebody may have mistyped

        near = difflib.get_close_matches(words.kind, EXAMPLES, 1, 0.6)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise InvalidArgument(f"{words.kind!r:.60} is nothing that can be watched{meant}; there are: {'; '.join(EXAMPLES.values())}")
    found = reader(words)
    words.end()
    return found


def written(condition: Condition) -> str:
    """As it is stored; ``parse`` makes the same of it."""
    parts = [condition.kind]
    parts += [f"{key}={name}" for key, name in (("queue", condition.queue), ("task", condition.task)) if name is not None]
    parts += [condition.schedule, condition.what] if condition.schedule is not None else []
    form = _FORMS.get(condition.kind)
    parts += [form.sign + form.render(condition.bound)] if form is not None else []
    if condition.what == "no-success":
        parts += [durations.render(condition.bound)]
    parts += [f"in {durations.render(condition.within)}"] if condition.within else []
    parts += [f"min {condition.least}"] if condition.least > 1 else []
    return " ".join(parts)


def described(condition: Condition) -> str:
    """In English, as a sentence without its end."""
    return _SAID[condition.kind](condition)


def meaning(text: str) -> str:
    """A stored condition in English; as it is where somebody has planted something else, or a newer version has written it."""
    try:
        return described(parse(text))
    except InvalidArgument:
        return text


# -- reading ---------------------------------------------------------------------------------------------


class _Words:
    """What is left to be read."""

    def __init__(self, kind: str, rest: list[str], text: str) -> None:
        self.kind, self._rest, self._text = kind, rest, text

    def wrong(self, why: str) -> InvalidArgument:
        return InvalidArgument(f"{self._text!r:.120}: {why}, as in: {EXAMPLES.get(self.kind, EXAMPLES['oldest'])}")

    def names(self, *allowed: str) -> dict[str, str]:
        """``key=name``, of which there may be one."""
        found: dict[str, str] = {}
        while self._rest and "=" in self._rest[0]:
            key, _, name = self._rest.pop(0).partition("=")
            if key not in allowed:
                can = f"{self.kind} takes {' or '.join(f'{each}=' for each in allowed)}" if allowed else f"{self.kind} takes no name"
                raise self.wrong(f"{key!r:.40}= cannot be said here; {can}")
            if found:
                raise self.wrong(f"{self.kind} takes one of {' and '.join(f'{each}=' for each in allowed)}" if key not in found else f"{key}= is there twice")
            found[key] = self._name(name, f"{key}=")
        return found

    def schedule(self) -> str:
        if not self._rest:
            raise self.wrong("name the schedule, and say late, missed, or no-success and a length of time")
        return self._name(self._rest.pop(0), "the schedule's name")

    def _name(self, name: str, what: str) -> str:
        try:
            return checks.name(name, what)
        except InvalidArgument as error:
            raise self.wrong(str(error)) from None

    def one_of(self, *choices: str) -> str:
        word = self._rest.pop(0) if self._rest else ""
        if word not in choices:
            raise self.wrong(f"{f'{word!r:.40} is not' if word else 'say'} one of {', '.join(choices)}")
        return word

    def bound(self) -> int:
        """What follows the sign."""
        form = _FORMS[self.kind]
        word = self._rest.pop(0) if self._rest else ""
        if word[:1] != form.sign:
            given = f"{word!r:.40} stands where" if word else "at its end"
            raise self.wrong(f"{given} {form.sign} and {form.unit} {'belong' if word else 'are missing'}")
        return self._bounded(word[1:], form)

    def _bounded(self, text: str, form: _Form) -> int:
        try:
            found = form.parse(text)
        except InvalidArgument as error:
            raise self.wrong(str(error)) from None
        if not form.least <= found <= form.most:
            raise self.wrong(f"{form.unit} must be from {form.render(form.least)} to {form.render(form.most)}, not {text!r:.40}")
        return found

    def span(self, most: int = LONGEST) -> int:
        return self._bounded(self._rest.pop(0) if self._rest else "", _SPAN._replace(most=most))

    def within(self) -> int:
        if not self._rest or self._rest.pop(0) != "in":
            raise self.wrong("say within which time, with in and a length of time")
        return self.span()

    def least(self) -> int:
        if not self._rest:
            return 1
        if self._rest.pop(0) != "min" or not self._rest:
            raise self.wrong("after the time there may be min and a number of attempts")
        return self._bounded(self._rest.pop(0), _COUNT)

    def end(self) -> None:
        if self._rest:
            raise self.wrong(f"{' '.join(self._rest)!r:.60} is more than {self.kind} takes")


def _words(text: object) -> _Words:
    said = checks.utf8_line(text, "when")
    if len(said) > MOST_TEXT:
        raise InvalidArgument(f"when must be at most {MOST_TEXT} characters, not {len(said)}")
    kind, *rest = re.sub(r"\s*([<>])\s*", r" \1", said).split()  # "> 5m" is meant as ">5m"
    return _Words(kind, rest, said)


def _queued(words: _Words) -> Condition:
    return Condition(words.kind, **words.names("queue"), bound=words.bound())  # type: ignore[arg-type]


def _ended(words: _Words) -> Condition:
    return Condition(words.kind, **words.names("task", "queue"), bound=words.bound(), within=words.within())  # type: ignore[arg-type]


def _ratio(words: _Words) -> Condition:
    return Condition(words.kind, **words.names("task", "queue"), bound=words.bound(), within=words.within(), least=words.least())


def _schedule(words: _Words) -> Condition:
    name, what = words.schedule(), words.one_of("late", "missed", "no-success")
    return Condition("schedule", schedule=name, what=what, bound=words.span(LONGEST_OF_TICKS) if what == "no-success" else 0)


def _sized(words: _Words) -> Condition:
    return Condition(words.kind, bound=words.bound())


def _plain(words: _Words) -> Condition:
    words.names()
    return Condition(words.kind)


_READERS: Final[Mapping[str, Callable[[_Words], Condition]]] = {
    "oldest": _queued, "waiting": _queued, "discarded": _ended, "failed-ratio": _ratio, "no-worker": _plain, "worker-frozen": _plain,
    "schedule": _schedule, "disk": _sized, "log": _sized, "untold": _plain,
}  # fmt: skip


class _Form(NamedTuple):
    """How a bound is written."""

    sign: str
    unit: str
    parse: Callable[[str], int]
    render: Callable[[int], str]
    least: int
    most: int


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InvalidArgument(f"{text!r:.40} is no whole number")
    return int(text)


def _percent(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?%", text)
    if match is None:
        raise InvalidArgument(f"{text!r:.40} is no percentage such as 20% or 2.5%")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def _percent_text(hundredths: int) -> str:
    return f"{hundredths / 100:g}%"


_SPAN: Final = _Form(">", "a length of time", durations.parse, durations.render, MICROS, LONGEST)
_COUNT: Final = _Form(">", "a number", _count, str, 0, MOST_COUNT)
_SIZE: Final = _Form(">", "a size", sizes.parse, sizes.render, 1 << 10, MOST_SIZE)  # a number without its unit is a slip
_FORMS: Final[Mapping[str, _Form]] = {
    "oldest": _SPAN, "waiting": _COUNT._replace(unit="a number of jobs", most=MOST_WAITING), "discarded": _COUNT._replace(unit="a number of jobs"),
    "failed-ratio": _Form(">", "a percentage", _percent, _percent_text, 0, 9_999), "disk": _SIZE._replace(sign="<"), "log": _SIZE,
}  # fmt: skip


# -- in English ------------------------------------------------------------------------------------------


def _many(jobs: int) -> str:
    return "a job" if jobs == 0 else "over 1 job" if jobs == 1 else f"over {jobs:,} jobs"


def _of(condition: Condition, what: str) -> str:
    name = condition.task if condition.task is not None else condition.queue
    return what if name is None else f"{what} of {name}" if condition.task is not None else f"{what} in {name}"


def _schedule_said(condition: Condition) -> str:
    said = {"late": "is late", "missed": "has missed its last tick"}.get(condition.what) or f"has not succeeded for {durations.spelled(condition.bound)}"
    return f"schedule {condition.schedule} {said}"


_SAID: Final[Mapping[str, Callable[[Condition], str]]] = {
    "oldest": lambda c: f"{'the' if c.queue is None else f'''{c.queue}'s'''} oldest job waits over {durations.spelled(c.bound)}",
    "waiting": lambda c: _of(c, _many(c.bound)) + (" waits" if c.bound < 2 else " wait"),
    "discarded": lambda c: f"{_of(c, _many(c.bound))} {'was' if c.bound < 2 else 'were'} discarded within {durations.spelled(c.within)}",
    "failed-ratio": lambda c: f"over {_percent_text(c.bound)} of {_of(c, 'the attempts')} failed within {durations.spelled(c.within)}"
    + (f", of at least {c.least:,}" if c.least > 1 else ""),
    "no-worker": lambda c: "no worker serves the file",
    "worker-frozen": lambda c: "a worker is frozen",
    "schedule": _schedule_said,
    "disk": lambda c: f"the disk has less than {sizes.render(c.bound)} left",
    "log": lambda c: f"the log (-wal) is larger than {sizes.render(c.bound)}",
    "untold": lambda c: "a failure could not be told to somebody who asked",
}
