"""What a job takes along from one message to the next, in the message header "litequeue".

Owns its form. Celery counts retries; ours also are what was snoozed, which attempts failed and how, and what the enqueue said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

MARK: Final = "litequeue"  # the header
MOST_ERRORS: Final = 10
MOST_CHARACTERS: Final = 500  # of an error's message: headers of RabbitMQ have to go into one frame of 128 KiB


class Bookkeeping(NamedTuple):
    """As it is in the message."""

    failures: int = 0
    executions: int = 0  # begun, and ended in one way or another
    max_attempts: int | None = None  # None: as the task says
    created_at: int | None = None  # microseconds; None: of a message that came by itself, from Celery's clock or its own call
    errors: tuple[Any, ...] = ()  # [execution, type, message] of the last ones
    headers: str | None = None  # JSON: those of the enqueue
    schedule: str | None = None
    moved: bool = False  # out of a file: there may be two of it
    due_at: int | None = None  # microseconds; before that it is only passed on, since the broker lets nothing wait for so long

    @classmethod
    def of(cls, headers: Mapping[str, Any] | None) -> Bookkeeping:
        """As a message has it; the beginning where it has none."""
        found = (headers or {}).get(MARK)
        if not isinstance(found, Mapping):
            return cls()
        return cls(**{name: found[name] for name in cls._fields if name in found})

    def as_headers(self) -> dict[str, Any]:
        """What is as ever is left out."""
        ever = Bookkeeping()
        said = {name: value for name, value in self._asdict().items() if value != getattr(ever, name)}
        return {MARK: {**said, **({"errors": [list(error) for error in self.errors]} if self.errors else {})}}

    def after_a_failure(self, kind: str, message: str) -> Bookkeeping:
        error = (self.executions + 1, kind, message[:MOST_CHARACTERS])
        return self._replace(failures=self.failures + 1, executions=self.executions + 1, errors=(*self.errors, error)[-MOST_ERRORS:])

    def after_a_snooze(self) -> Bookkeeping:
        return self._replace(executions=self.executions + 1)

    def user_headers(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.headers) if self.headers else {}
        return found
