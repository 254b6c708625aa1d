"""The jobs that are enqueued once another has succeeded, or failed: as they are stored beside it.

Owns that form, JSON: a call of a task with its options, of which the first argument is yet to come. What is given as one (a task, a signature, the
name of a task) says itself what it comes to, by the method whose name is ``CALLBACK``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..base.errors import InvalidArgument
from ..options import WHEN
from ..options.kinds import CALLBACK


class Callback(NamedTuple):
    """What is to be enqueued."""

    runs_when: str  # success or failed
    job: str  # JSON
    code: Any = None  # a TaskCode; None: it is given by its name


def callbacks_of(options: Mapping[str, Any], writes: str | None) -> tuple[Callback, ...]:
    """Of an enqueue or a task, by its clean options. ``writes``: the codec of what the job comes to, None for JSON. Raises InvalidArgument for
    a task that would be called with that and does not read it."""
    found = []
    for option, runs_when in WHEN.items():
        given = options.get(option)
        if isinstance(given, str):
            found.append(Callback(runs_when, json.dumps({"task": given, "takes": 1})))
        elif given is not None:
            job, code = getattr(given, CALLBACK)()
            if writes is not None and runs_when == "success" and json.loads(job)["takes"]:
                check_reads(code, writes, option)
            found.append(Callback(runs_when, job, code))
    return tuple(found)


def check_reads(code: Any, writes: str | None, where: str) -> None:
    """Raise InvalidArgument unless the task reads what is written by that codec."""
    if writes is not None and writes not in code.codec.reads:
        first = code.codec.writes or "json"
        raise InvalidArgument(
            f'{where}: {code.name} takes a result that the codec {writes} writes, which it does not read: say codec=("{first}", "{writes}") of it, or let '
            "it take no result, with .si()"
        )
