"""How a task's jobs are where nobody says anything else: of its own code, or as its producers recorded it.

Owns that record, which whoever has not the code goes by, and what becomes of it where an enqueue or a schedule says something else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base import stored as stored_json
from ..base.errors import InvalidArgument
from ..base.models import JobColumns, TaskOrigin

if TYPE_CHECKING:
    from ..base.masking import Secrets
    from .callbacks import Callback
    from .keys import LimitKeys, Unique


class Template(NamedTuple):
    """How a task's jobs are where an enqueue says nothing else."""

    task: str
    columns: JobColumns
    expires: int | None  # microseconds from the enqueue
    callbacks: Sequence[Callback] = ()
    unique: Unique | None = None
    limited: LimitKeys | None = None  # whose limit has a key of the arguments
    writes: str | None = None  # the codec of what they come to, if it is not JSON

    @classmethod
    def of(cls, task: str, origin: TaskOrigin | None) -> Template:
        """Of a task whose code is not here: as its producers recorded it. Else the worker that claims a job says it."""
        recorded = {} if origin is None else _recorded(origin.options)
        columns = {name: value for name, value in recorded.items() if name in JobColumns._fields}
        unique, limited = _recorded_keys(recorded.get("unique"), recorded.get("limited"))
        return cls(task, JobColumns(**columns), recorded.get("expires"), (), unique, limited)

    def recorded(self, secret: Secrets | None) -> str:
        """As producers record it, JSON; with what of its arguments is ``secret``, for who shows jobs without its code."""
        said: dict[str, Any] = {**self.columns._asdict(), "expires": self.expires}
        if self.callbacks:
            said["callbacks"] = [[callback.runs_when, json.loads(callback.job)] for callback in self.callbacks]
        if self.unique is not None:
            said["unique"] = self.unique.as_json()
        if self.limited is not None:
            said["limited"] = self.limited.as_json()
        return json.dumps(said if secret is None else {**said, "secret": secret.as_json()})


def columns_of(says: Template, given: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> JobColumns:
    """A job's columns: what the task says, over it what a schedule has ``kept``, over it what is ``given`` now."""
    columns = says.columns._replace(**{**(kept or {}), **given})
    if says.columns.at_most_once and given.get("at_most_once") == 0:
        raise InvalidArgument(
            f"{says.task} says itself that it runs at most once, and nobody else may take that away: leave at_most_once out"
        )
    if given.get("at_most_once") and "max_attempts" not in given and (kept is None or columns.max_attempts is None):
        columns = columns._replace(max_attempts=1)  # the task's own retries are not what was asked for here
    check_columns(says.task, columns)
    return columns


def _recorded(options: str) -> dict[str, Any]:
    """What producers recorded; nothing where somebody planted something else."""
    try:
        found = stored_json.loads(options)
    except ValueError:
        return {}
    kinds: dict[str, Any] = {n: str if isinstance(v, str) else int | None for n, v in JobColumns()._asdict().items()}
    kinds |= {"expires": int | None, "limit_key": str | None, "tags": str | None, "headers": str | None}
    if not isinstance(found, dict) or not all(isinstance(value, kinds.get(name, object)) for name, value in found.items()):
        return {}
    return found


def _recorded_keys(unique: Any, limited: Any) -> tuple[Unique | None, LimitKeys | None]:
    if unique is None and limited is None:
        return None, None
    from . import keys

    return keys.recorded_unique(unique), keys.recorded_limit_keys(limited)


def check_columns(task: str, columns: JobColumns) -> None:
    """Whether what a task and an enqueue say goes together."""
    if columns.timeout is not None and columns.soft_timeout is not None and columns.soft_timeout >= columns.timeout:
        raise InvalidArgument("soft_timeout must be shorter than timeout, which ends the attempt")
    if columns.at_most_once and columns.max_attempts != 1:
        raise InvalidArgument(
            f"{task} runs at most once (at_most_once=True), so it takes no retries, each of which would be another run: "
            "say retries=0"
        )
