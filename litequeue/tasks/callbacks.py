"""The jobs that are enqueued once another has succeeded, or failed: as they are stored beside it.

Owns that form, JSON: a call of a task with its options, of which the first argument is yet to come. What is given as one (a task, a signature, the
name of a task) says itself what it comes to, by the method whose name is ``CALLBACK``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..options import WHEN
from ..options.kinds import CALLBACK


class Callback(NamedTuple):
    """What is to be enqueued."""

    runs_when: str  # success or failed
    job: str  # JSON
    code: Any = None  # a TaskCode; None: it is given by its name


def callbacks_of(options: Mapping[str, Any]) -> tuple[Callback, ...]:
    """Of an enqueue or a task, by its clean options."""
    found = []
    for option, runs_when in WHEN.items():
        given = options.get(option)
        if isinstance(given, str):
            found.append(Callback(runs_when, json.dumps({"task": given, "takes": 1})))
        elif given is not None:
            job, code = getattr(given, CALLBACK)()
            found.append(Callback(runs_when, job, code))
    return tuple(found)
