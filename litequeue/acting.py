"""What people do to jobs, queues and schedules, from the command line or the page.

Owns that each deed leaves a line in the log and a row in the file, and how many jobs are changed by one search: counted first, in
batches, and no further where it has come to mean many more. What a deed does to a job is the store's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from .base.checks import counted
from .base.counts import AtLeast
from .base.errors import PASSING, InvalidArgument
from .base.log import Log
from .base.search import Query, Span, Term, parse, written
from .base.states import FINAL, WAITING
from .client import Client
from .store.actions import Action

log = Log("litequeue.actions")

# What a deed is for, where a search says nothing of states; purge: of jobs that run none can be deleted.
USUAL: Final = {"retry": ("discarded",), "cancel": (*sorted(WAITING), "running"), "purge": (*sorted(WAITING), *sorted(FINAL))}
DONE: Final = {"retry": "put back", "cancel": "cancelled, or about to be", "purge": "deleted"}
MORE: Final = 1.1  # times as many as were counted, and it stops
MOST_TARGET: Final = 500  # characters of what was meant


class Progress(NamedTuple):
    """How far it is."""

    looked_at: int
    changed: int
    stopped: str = ""  # why it does not go on


class Acting:
    """One who acts: ``who`` as the row says it, such as ``ann (cli)``."""

    def __init__(self, client: Client, who: str) -> None:
        self._client = client
        self._who = who

    def note(self, what: str, target: str, count: int) -> None:
        """Say and write down what has been done. ``count``: of jobs."""
        log.info("%s: %s %s%s", self._who, what, target[:MOST_TARGET], f" ({counted(count, 'job')})" if count else "")
        self._record(what, target, count)

    def _record(self, what: str, target: str, count: int) -> int | None:
        """Its row; None where there is no room for it, or no lock to be had, and it is done all the same."""
        try:
            return self._client.store.actions.record(Action(self._client.clock.now(), self._who, what, target[:MOST_TARGET], count))
        except PASSING as error:
            log.warning("%s: %s %s is not written down: %s", self._who, what, target[:MOST_TARGET], error)
            return None

    # -- by a search -------------------------------------------------------------------------------------

    def count(self, query: Query, most: int | None = None) -> int:
        """How many jobs it means; ``AtLeast`` so many where that is ``most``."""
        return self._client.store.searching.count(query, self._client.clock.now(), most)

    def act(self, what: str, query: Query, expected: int | None = None, *, from_start: bool = False) -> Iterator[Progress]:
        """Do it to all jobs that it means, batch by batch. Stops where these are many more than were ``expected``."""
        store, now = self._client.store, self._client.clock.now()
        looked = changed = 0
        stopped = ""
        row = self._record(what, written(query), 0)  # before it: whatever ends this process, it is known who did that
        try:
            for ids in store.searching.every(query, now):
                if expected is not None and not isinstance(expected, AtLeast) and looked + len(ids) > max(expected * MORE, expected + 10):
                    stopped = f"it means more than the {counted(expected, 'job')} that were counted"
                    yield Progress(looked, changed, stopped)
                    return
                now = self._client.clock.now()
                if what == "retry":
                    many, addresses = store.operations.revive_all(ids, now, from_start=from_start)
                elif what == "cancel":
                    many, addresses = store.operations.cancel_all(ids, now)
                else:
                    many, addresses = store.operations.purge(ids, now)
                self._client.ring(addresses)
                looked += len(ids)
                changed += many
                self._went_on(row, changed)
                yield Progress(looked, changed)
        finally:
            if changed:
                log.info("%s: %s %s (%s)%s", self._who, what, written(query), counted(changed, "job"), f": {stopped}" if stopped else "")

    def _went_on(self, row: int | None, jobs: int) -> None:
        if row is not None:
            with contextlib.suppress(*PASSING):  # the next batch says it
                self._client.store.actions.count(row, jobs)


def ids_meant(what: str, jobs: Iterable[int]) -> Query:
    """Of jobs that are named any state is meant, but that one which runs cannot be deleted."""
    query = Query((Term("id", tuple(Span(job, job) for job in jobs)),))
    return query.with_term("state", *USUAL[what]) if what == "purge" else query


def meant(what: str, text: str) -> Query:
    """The search for this deed: what it says of states, or else those that the deed is for. Raises InvalidArgument, also for one that says nothing."""
    query = parse(text)
    if not query.terms:
        raise InvalidArgument(f"{what} which jobs? Say it as in: state:discarded error:Timeout age:<1d")
    if any(term.key == "state" and not term.is_not for term in query.terms) or query.job is not None:
        return query
    return query.with_term("state", *USUAL[what])
