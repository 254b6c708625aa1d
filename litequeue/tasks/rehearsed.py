"""A running job of which nothing is recorded: what its code asks is answered from the file, and what it would store is kept in memory.

Owns that nothing of it is written. Steps that an earlier attempt has stored are given back as always.
"""

from __future__ import annotations

from typing import Any

from ..base.errors import NotInATask
from .context import JobContext


class Rehearsed(JobContext):
    """What ``current_job()`` is in a dry run."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.kept: dict[str, str] = {}  # the steps that would be stored

    @property
    def _may_have_steps(self) -> bool:
        return True  # of an attempt that has been run before, or was put aside

    def _find(self, key: str) -> tuple[str | None, int | None, str | None] | None:
        if key in self.kept:
            return self.kept[key], None, None
        return super()._find(key)

    def _keep(self, key: str, value: Any) -> None:
        assert self._codec is not None
        self.kept[key] = self._codec.encode_step(value, key)

    def transaction(self, *, ack: bool = True) -> Any:
        """Not in a dry run."""
        raise NotInATask(f"job {self.id} is run dry, and nothing is recorded of it: its transaction would be")
