"""A worker's settings, checked: its options by their names, and what follows from them and from the machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Unpack

from ..base import checks
from ..base.errors import InvalidArgument
from ..options import complete
from ..options.workers import WorkerOptions
from ..store.rules import QUEUE_OF_ALERTS
from .dispatch import Keeping


def default_threads() -> int:
    return max(4, os.cpu_count() or 1)


def default_processes() -> int:
    return os.cpu_count() or 1


MOVING: Final = ("thread", "async")  # the pools whose slots go up and down within a range


class WorkerConfig:
    """One worker's options, each as an attribute of its name; spans in seconds. Raises InvalidArgument or InvalidType."""

    def __init__(self, **options: Unpack[WorkerOptions]) -> None:
        clean = complete(WorkerOptions, options, "a worker")
        threads = default_threads() if clean["threads"] is None else clean["threads"]
        processes = default_processes() if clean["processes"] is None else clean["processes"]
        sizes = {"thread": threads, "process": processes, "async": clean["async_"]}
        # By pool. What a range comes to is ``elastic``'s; a process is there on demand, up to the most.
        self.ranges: dict[str, tuple[int, int]] = {kind: size for kind, size in sizes.items() if isinstance(size, tuple)}
        self.slots: dict[str, int] = {**sizes, **{kind: most if kind == "process" else least for kind, (least, most) in self.ranges.items()}}
        for span in ("lease", "grace"):
            clean[span] /= checks.MICROS
        self.__dict__.update(clean)
        if not any(self.slots.values()):
            raise InvalidArgument("a worker needs at least one slot: threads, processes or async")

    if TYPE_CHECKING:  # the options' names and types are written down in ``options``

        def __getattr__(self, name: str) -> Any: ...

    @property
    def moves(self) -> bool:
        """Whether the number of slots of a pool does."""
        return any(kind in MOVING for kind in self.ranges)

    @property
    def said_slots(self) -> str:
        """In words."""
        return ", ".join(f"{' to '.join(map(str, self.ranges.get(kind, (slots,))))} {kind}" for kind, slots in self.slots.items() if slots)

    @property
    def only_tells(self) -> bool:
        """Whether it serves nothing but the queue of alerts: such a one takes no other part in what workers do for the file, since nobody may take it for one of them."""
        return bool(self.queues == (QUEUE_OF_ALERTS,))

    @property
    def keeping(self) -> Keeping:
        return Keeping(self.output == "keep", self.keep_succeeded, self.keep_discarded)

    @property
    def lease_micros(self) -> int:
        return checks.span(self.lease, "lease")
