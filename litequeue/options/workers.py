"""The options of a worker: of ``app.worker``, ``app.executor``, ``app.run_worker`` and the command ``worker``.

Owns the lists. What contradicts each other, and what depends on the machine, is the worker's ``config``'s to see to.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypedDict

from ..base import checks
from ..base.errors import InvalidArgument, InvalidType
from .kinds import (
    ADDRESSES,
    FLAG,
    NAME,
    NAMES,
    SPAN,
    Span,
    integer,
    integer_typed,
    line,
    one_of,
)
from .option import Kind, Option


def _lease(value: Any, name: str) -> int:
    found = checks.span(value, name)
    if found < checks.MICROS:
        raise InvalidArgument(f"{name} must be at least 1 second, not {found / checks.MICROS:g}")
    return found


LEASE: Final = Kind(_lease, SPAN.metavar)
Slots = int | tuple[int, int]  # so many, or as few and as many


def _slots(least: int, high: int) -> Kind:
    """A number of slots, or the least and the most: a tuple in code, ``2:32`` where it is typed. A range begins at ``least`` or above."""

    def check(value: Any, name: str) -> Slots:
        if not isinstance(value, tuple):
            if isinstance(value, (str, list)):
                raise InvalidType(f"{name} must be an integer, or a tuple of the least and the most such as (2, 32), not {type(value).__name__}: {value!r:.60}")
            return checks.integer(value, name, 0, high)
        if len(value) != 2:
            raise InvalidArgument(f"{name} must be the least and the most, such as (2, 32), not {value!r:.60}")
        low, most = (checks.integer(item, f"{name}, {which},", 0, high) for item, which in zip(value, ("the least", "the most"), strict=True))
        if low > most:
            raise InvalidArgument(f"{name} must go from the least to the most, not from {low} to {most}")
        if not most:
            raise InvalidArgument(f"{name} from 0 to 0 is no slots at all: give 0")
        if low < least:
            raise InvalidArgument(f"{name} must have a least of {least} or more, since slots that are not used cost nothing; for none at all give 0")
        return low, most

    def parse(text: str) -> Slots:
        low, colon, most = text.partition(":")
        try:
            return (integer_typed(low, 0, high), integer_typed(most, 0, high)) if colon else integer_typed(text, 0, high)
        except InvalidArgument:
            raise InvalidArgument(f"must be a whole number from 0 to {high}, or a range such as {max(least, 2)}:{min(high, 32)}, not {text!r:.60}") from None

    return Kind(check, "N|MIN:MAX", parse)


class WorkerOptions(TypedDict, total=False):
    """How a worker works. Zero slots of a pool: its jobs are left to others. Pools start on demand, so slots that are not
    used cost nothing."""

    queues: Annotated[Iterable[str] | None, Option(NAMES, "claim only from these queues", said="all")]
    threads: Annotated[Slots | None, Option(_slots(1, 1000), "slots of the thread pool; of a range, such as `2:32`, as many as help", said="CPUs, at least 4")]
    processes: Annotated[Slots | None, Option(_slots(0, 60), "slots of the process pool; of a range, such as `1:4`, the least are kept warm", said="CPUs")]
    async_: Annotated[Slots | None, Option(_slots(1, 100_000), "coroutines at once; of a range as many as help", 100)]
    burst: Annotated[bool | None, Option(FLAG, "stop when nothing is left to do now; what is due later, a retry too, is left for a later worker", False)]
    max_jobs: Annotated[int | None, Option(integer(1, 2**62), "stop after so many jobs", said="never")]
    max_jobs_per_child: Annotated[
        int | None, Option(integer(1, 2**62), "renew a process of the pool after so many jobs", 10_000)
    ]
    name: Annotated[str | None, Option(NAME, "shown in stats and jobs", said="HOST-PID")]
    lease: Annotated[Span | None, Option(LEASE, "a frozen worker's jobs are taken by others after so long", 60)]
    grace: Annotated[Span | None, Option(SPAN, "for running jobs at shutdown", 30)]
    keep_succeeded: Annotated[
        Span | None, Option(SPAN, "how long jobs are kept that succeed under it, unless their task says it (`result_ttl`)", 86_400, "a day")
    ]
    keep_discarded: Annotated[Span | None, Option(SPAN, "how long jobs are kept that are discarded under it", 30 * 86_400, "30 days")]
    output: Annotated[
        Literal["keep", "drop"] | None,
        Option(one_of("keep", "drop"), "what becomes of what jobs print and log, beside going where it goes: it is kept with each, or not", "keep"),
    ]
    on_failure: Annotated[
        str | None,
        Option(line("COMMAND"), "for the shell; given each discarded job, or missed tick, as one line of JSON on its input", said="none"),
    ]
    mail_to: Annotated[
        str | list[str] | None,
        Option(ADDRESSES, "mail the same there, through the host's sendmail; several with commas", said="nobody"),
    ]


class EmbeddedOptions(WorkerOptions, total=False):
    """Those of ``app.worker``, whose program may have been started for something else than to work."""

    stale: Annotated[
        Literal["wait", "run"] | None,
        Option(one_of("wait", "run"), "what becomes of jobs whose task's file was changed since the program imported it", "wait"),
    ]
