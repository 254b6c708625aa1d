"""The options of a schedule: of ``app.schedules.add`` and ``update``, of the decorators, and of the command ``schedule``.

Owns the list: when it fires, what becomes of ticks that could not be on time, who is told, and the job of each tick.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypedDict

from .jobs import JobOptions
from .kinds import ADDRESSES, LENGTH, SPAN, Span, anything, line, moment_typed, one_of
from .option import Option

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

CATCH_UP: Final = ("latest", "skip", "all")
OVERLAP: Final = ("skip", "queue", "allow")


class TimeOptions(TypedDict, total=False):
    """When it fires: one of the first four, which are read together (``schedules/definition``)."""

    cron: Annotated[
        str | None, Option(anything("EXPR"), "minute hour day month weekday, as in a crontab; @daily and its like")
    ]
    every: Annotated[Span | None, Option(anything("SPAN"), "such as 90s, 15m, 1h30m")]
    at: Annotated[datetime | None, Option(anything("TIME", moment_typed), "once, such as '2026-12-24 18:00'")]
    trigger: Annotated[Any, Option(anything(), "a `Cron`, `Every`, `At`, or in code any object with `next_after`")]
    timezone: Annotated["str | ZoneInfo | None", Option(anything("ZONE"), "of cron, such as Europe/Berlin", said="the host's")]
    seconds: Annotated[bool | None, Option(anything(None), "cron has six fields, seconds first", False)]


class RuleOptions(TypedDict, total=False):
    """What becomes of a tick that cannot be on time, and who is told of failures."""

    catch_up: Annotated[
        str | None,
        Option(one_of(*CATCH_UP), 'of ticks that passed while no worker ran: `"latest"` fires the last one, `"all"` each within the '
               'grace (at most 100), `"skip"` none that is more than a minute late', "latest"),
    ]  # fmt: skip
    grace: Annotated[
        Span | None,
        Option(SPAN, "how late a tick may fire at most; later ones are missed",
               said='an hour; of an interval, one period (so give one with `"all"`)'),
    ]  # fmt: skip
    overlap: Annotated[
        str | None,
        Option(one_of(*OVERLAP), 'while the job of an earlier tick has not ended: `"skip"` leaves a tick out, `"queue"` lets its job wait, '
               '`"allow"` fires it', "skip"),
    ]  # fmt: skip
    jitter: Annotated[
        Span | None,
        Option(SPAN, "each tick fires up to so much later, always as much for one tick, and before the next", 0, "none"),
    ]
    on_failure: Annotated[
        str | None, Option(line("COMMAND"), "for the shell; given the failed job as one line of JSON on its input", said="none")
    ]
    mail_to: Annotated[
        str | list[str] | None,
        Option(ADDRESSES, "mail failures there, through the host's sendmail; several with commas", said="nobody"),
    ]


class TickOptions(JobOptions, total=False):
    """The job of each tick."""

    expires: Annotated[Span | None, Option(LENGTH, "drop a job that has not started so long after its tick", said="never")]


class ScheduleOptions(TimeOptions, RuleOptions, TickOptions, total=False):
    """All of them, and what the task is called with."""

    args: Annotated[Sequence[Any] | None, Option(anything(), "the task's positional arguments", said="none")]
    kwargs: Annotated[Mapping[str, Any] | None, Option(anything(), "its keyword arguments", said="none")]
