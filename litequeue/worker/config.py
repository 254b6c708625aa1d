"""A worker's settings: one frozen, checked dataclass; the CLI's flags are made from it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..base import checks
from ..base.errors import InvalidArgument, InvalidType


def default_threads() -> int:
    return max(4, os.cpu_count() or 1)


def default_processes() -> int:
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """How a worker works. Durations in seconds. Zero slots of a pool: its jobs are left to others.

    Pools start on demand, so slots that are not used cost nothing.
    """

    queues: tuple[str, ...] | None = None  # None: all
    threads: int | None = None  # None: max(4, CPUs)
    processes: int | None = None  # None: CPUs
    async_: int = 100
    burst: bool = False  # stop when nothing is left to do
    max_jobs: int | None = None  # stop after so many
    name: str = ""  # "": HOST-PID
    lease: float = 60.0
    grace: float = 30.0  # for running jobs at shutdown
    jobs_per_child: int = 10_000  # a pool's process is renewed after so many
    on_failure: str | None = None  # a command for the shell, told of each discarded job and missed tick
    mail_to: str | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.queues is not None:
            if isinstance(self.queues, str):
                raise InvalidType(f"queues must be a list of names, not the string {self.queues!r}")
            names = tuple(checks.name(q, "queues") for q in self.queues)
            if not names:
                raise InvalidArgument("queues must name at least one queue; leave it out for all")
            put(self, "queues", names)
        for what, default in (("threads", default_threads), ("processes", default_processes)):
            if getattr(self, what) is None:
                put(self, what, default())
        for what, most in (("threads", 1000), ("processes", 60), ("async_", 100_000)):
            checks.integer(getattr(self, what), what.rstrip("_"), 0, most)
        if not (self.threads or self.processes or self.async_):
            raise InvalidArgument("a worker needs at least one slot: threads, processes or async")
        checks.flag(self.burst, "burst")
        if self.max_jobs is not None:
            checks.integer(self.max_jobs, "max_jobs", 1, 2**62)
        checks.integer(self.jobs_per_child, "jobs_per_child", 1, 2**62)
        for what in ("on_failure", "mail_to"):
            if getattr(self, what) is not None:
                checks.line(getattr(self, what), what)
        if self.name:
            checks.name(self.name, "the worker's name")
        if checks.micros(self.lease, "lease") < checks.MICROS:
            raise InvalidArgument(f"lease must be at least 1 second, not {self.lease}")
        put(self, "lease", self.lease_micros / checks.MICROS)
        put(self, "grace", checks.micros(self.grace, "grace") / checks.MICROS)

    @property
    def slots(self) -> dict[str, int]:
        # None was replaced as the object was made.
        return {"thread": self.threads or 0, "process": self.processes or 0, "async": self.async_}

    @property
    def lease_micros(self) -> int:
        return checks.micros(self.lease, "lease")
