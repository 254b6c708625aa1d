"""The states of a job and the only list of the moves between them.

::

                 promote (run_at due)               success --> succeeded
     scheduled ---------------------> available --claim--> running -- failure --> retrying / discarded
         ^                               ^                  |  `----- cancel --> cancelled
         +------------ snooze -----------+------------------+
                                         `- release, rescue, promote (from retrying)

``blocked`` is for jobs that wait for other jobs, or for a slot of their limit: limited jobs come from there alone to ``available``. One whose inputs turn out to be too large is discarded, one that only brings
others together succeeds at once, and one that was cancelled since
another had failed waits again when that is revived. Waiting jobs may also be cancelled or expire, and
a final one goes back to ``available`` by revive; a unique one that is replaced may be ``scheduled`` anew. tests/store/test_transitions.py drives the store at
random and checks with a trigger that it makes no move that is not in ``TRANSITIONS``.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

JobState = Literal[
    "blocked", "scheduled", "available", "running", "retrying",
    "succeeded", "discarded", "cancelled", "expired",
]  # fmt: skip

STATES: Final[tuple[JobState, ...]] = get_args(JobState)
WAITING: Final[frozenset[str]] = frozenset({"blocked", "scheduled", "available", "retrying"})
FINAL: Final[frozenset[str]] = frozenset({"succeeded", "discarded", "cancelled", "expired"})

TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    "blocked": frozenset({"available", "scheduled", "succeeded", "cancelled", "expired", "discarded"}),
    "scheduled": frozenset({"available", "blocked", "cancelled", "expired"}),
    "available": frozenset({"running", "blocked", "cancelled", "expired", "scheduled"}),
    "retrying": frozenset({"available", "blocked", "cancelled", "expired"}),
    "running": frozenset(
        {"succeeded", "retrying", "scheduled", "available", "discarded", "cancelled", "blocked"}
    ),
    "succeeded": frozenset({"available", "blocked"}),
    "discarded": frozenset({"available", "blocked"}),
    "cancelled": frozenset({"available", "blocked"}),
    "expired": frozenset({"available", "blocked"}),
}
