"""What waits in a test's queue: found, compared with what a test expects, and put into words where that is not so.

Owns when a call is as expected: by what the function would get, however it was passed. Reads the file as the app's own ``jobs`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from ..base import checks, durations, search
from ..base.errors import CannotOpen, InvalidType, PayloadCorrupt, UnknownTask
from ..base.states import FINAL, STATES
from ..client import Client
from ..given import call
from ..job import Job
from ..options.kinds import Span
from ..task import name_of

if TYPE_CHECKING:
    from ..base.records import JobInfo
    from ..tasks import TaskCode

WAITING: Final = tuple(state for state in STATES if state not in FINAL and state != "running")
_MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job as a test sees it."""

    job: Job[Any]
    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    queue: str
    priority: int
    state: str
    due_at: datetime  # aware, UTC
    said: str  # in words

    @property
    def id(self) -> int:
        return self.job.id

    def __repr__(self) -> str:
        return f"<Enqueued {self.said}>"


class Expectation(TypedDict, total=False):
    """What a test says of a job, as it says it."""

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    within: Span
    queue: str
    priority: int
    state: str


class Expected(NamedTuple):
    """The same, checked; None: it may be anything."""

    task: str | None
    call: tuple[tuple[Any, ...], dict[str, Any]] | None
    within: int | None  # microseconds
    queue: str | None
    priority: int | None
    states: Sequence[str]

    @classmethod
    def of(cls, task: object, said: Expectation) -> Expected:
        """Raises InvalidArgument or InvalidType for what no job can be."""
        for name in said:
            if name not in Expectation.__annotations__:
                raise InvalidType(f"a job is described by {', '.join(Expectation.__annotations__)}, not by {name!r}")
        within, queue, state = said.get("within"), said.get("queue"), said.get("state")
        return cls(
            None if task is None else name_of(task),
            call(said.get("args", ()), said.get("kwargs")) if said.keys() & {"args", "kwargs"} else None,
            None if within is None else checks.span(within, "within"),
            None if queue is None else checks.name(queue, "queue"),
            said.get("priority"),
            WAITING if state is None else (checks.one_of(state, "state", STATES),),
        )

    def __str__(self) -> str:
        said = [] if self.call is None else [f"called with {written(*self.call)}"]
        said += [] if self.within is None else [f"due within {durations.render(self.within)}"]
        said += [] if self.queue is None else [f"in the queue {self.queue}"]
        said += [] if self.priority is None else [f"of priority {self.priority}"]
        said += [] if len(self.states) > 1 else [f"that is {self.states[0]}"]
        return f"{f' of {self.task}' if self.task else ''} {', '.join(said)}".rstrip()


def written(args: Iterable[Any], kwargs: dict[str, Any]) -> str:
    return f"({', '.join([*map(repr, args), *(f'{name}={value!r}' for name, value in kwargs.items())])})"


def found(client: Client, code: TaskCode | None, expected: Expected) -> list[Enqueued]:
    """The oldest first; ``code`` of the task that is expected."""
    now = client.clock.now()
    return [job for job in all_of(client, expected.states) if _is(job, client, code, expected, now)]


def all_of(client: Client, states: Iterable[str]) -> list[Enqueued]:
    """The oldest first."""
    now = client.clock.now()
    infos = [info for state in states for info in infos_of(client, state)]
    return [_seen(client, info, now) for info in sorted(infos, key=lambda info: info.id)]


def infos_of(client: Client, state: str) -> Iterator[JobInfo]:
    for ids in client.store.searching.every(search.of(state=state), client.clock.now()):
        yield from client.store.searching.infos(ids)


def instead(client: Client, task: str | None) -> str:
    """What there is, for who expected something else; the task's own first."""
    waiting = sorted(all_of(client, WAITING), key=lambda job: job.task != task)
    lines = [f"\n  {job.said}" for job in waiting[:_MOST_SHOWN]] + (["\n  ..."] if len(waiting) > _MOST_SHOWN else [])
    over = [job for job in all_of(client, STATES) if job.state not in WAITING and job.task == task][:_MOST_SHOWN]
    ran = f"\nNot waiting any more:{''.join(f'{chr(10)}  {job.said}' for job in over)}" if over else ""
    return f"Enqueued, and not run yet:{''.join(lines) or ' nothing'}{ran}"


def _seen(client: Client, info: JobInfo, now: int) -> Enqueued:
    args, kwargs = _call_of(client, info)
    masked = info.masked()
    due = int(info.run_at.timestamp() * checks.MICROS) - now
    said = f"{info.task}{written(*_call_of(client, masked))}, job {info.id}, {info.state}"
    said += f", due in {durations.render(_rounded(due))}" if due > 0 and info.state in ("scheduled", "retrying") else ""
    said += f", in the queue {info.queue}" if info.queue != "default" else ""
    said += f": {masked.last_error}" if masked.last_error else ""
    return Enqueued(Job(client, info.id), info.task, tuple(args), kwargs, info.queue, info.priority, info.state, info.run_at, said)


def _call_of(client: Client, info: JobInfo) -> tuple[list[Any], dict[str, Any]]:
    """By the codec of its task; of one whose code is not here, as it is stored."""
    others = client.codec.others
    codec = client.codec if others is None else others.tasks.get(info.task, client.codec)
    try:
        return codec.decode_call(info.args, info.kwargs)
    except (PayloadCorrupt, UnknownTask, CannotOpen):
        return [info.args], {}


def _rounded(micros: int) -> int:
    """As a person would say it."""
    return micros if micros < checks.MICROS else -(-micros // checks.MICROS) * checks.MICROS


def _is(job: Enqueued, client: Client, code: TaskCode | None, expected: Expected, now: int) -> bool:
    due = int(job.due_at.timestamp() * checks.MICROS)
    return (
        expected.task in (None, job.task)
        and (expected.call is None or _bound(code, *expected.call) == _bound(code, job.args, job.kwargs))
        and (expected.within is None or due <= now + expected.within)
        and expected.queue in (None, job.queue)
        and expected.priority in (None, job.priority)
    )


def _bound(code: TaskCode | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """By the parameters' names, where the function is here and takes that."""
    if code is not None:
        try:
            bound = code._signature.bind(*args, **kwargs)
        except TypeError:  # a step of a workflow, whose first argument is yet to come
            return args, kwargs
        bound.apply_defaults()
        return dict(bound.arguments)
    return args, kwargs
