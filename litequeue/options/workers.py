"""The options of a worker: of ``app.worker``, ``app.executor``, ``app.run_worker`` and the command ``worker``.

Owns the lists. What contradicts each other, and what depends on the machine, is the worker's ``config``'s to see to.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypedDict

from ..base import checks
from ..base.errors import InvalidArgument
from .kinds import ADDRESSES, FLAG, NAME, NAMES, SPAN, Span, integer, line, one_of
from .option import Kind, Option


def _lease(value: Any, name: str) -> int:
    found = checks.span(value, name)
    if found < checks.MICROS:
        raise InvalidArgument(f"{name} must be at least 1 second, not {found / checks.MICROS:g}")
    return found


LEASE: Final = Kind(_lease, SPAN.metavar)


class WorkerOptions(TypedDict, total=False):
    """How a worker works. Zero slots of a pool: its jobs are left to others. Pools start on demand, so slots that are not
    used cost nothing."""

    queues: Annotated[Iterable[str] | None, Option(NAMES, "claim only from these queues", said="all")]
    threads: Annotated[int | None, Option(integer(0, 1000), "slots of the thread pool", said="CPUs, at least 4")]
    processes: Annotated[int | None, Option(integer(0, 60), "slots of the process pool", said="CPUs")]
    async_: Annotated[int | None, Option(integer(0, 100_000), "coroutines at once", 100)]
    burst: Annotated[bool | None, Option(FLAG, "stop when nothing is left to do now; what is due later, a retry too, is left for a later worker", False)]
    max_jobs: Annotated[int | None, Option(integer(1, 2**62), "stop after so many jobs", said="never")]
    max_jobs_per_child: Annotated[
        int | None, Option(integer(1, 2**62), "renew a process of the pool after so many jobs", 10_000)
    ]
    name: Annotated[str | None, Option(NAME, "shown in stats and jobs", said="HOST-PID")]
    lease: Annotated[Span | None, Option(LEASE, "a frozen worker's jobs are taken by others after so long", 60)]
    grace: Annotated[Span | None, Option(SPAN, "for running jobs at shutdown", 30)]
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
