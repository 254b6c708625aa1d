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
from .base.search import Query, Span, Term, Text, parse, written
from .base.states import FINAL, WAITING
from .client import Client
from .store.actions import Action

log = Log("litequeue.actions")

# What a deed is for, where a search says nothing of states; purge: of jobs that run none can be deleted.
USUAL: Final = {
    "retry": ("discarded",), "cancel": (*sorted(WAITING), "running"), "purge": (*sorted(WAITING), *sorted(FINAL)),
    "move": tuple(sorted(WAITING)), "prune": tuple(sorted(FINAL)),
}  # fmt: skip
# What it can be done to at all, of jobs that are named by their ids.
ABLE: Final = {"purge": USUAL["purge"], "move": USUAL["purge"], "prune": USUAL["prune"]}
DONE: Final = {"retry": "put back", "cancel": "cancelled, or about to be", "purge": "deleted", "move": "moved", "prune": "deleted"}
MORE: Final = 1.1  # times as many as were counted, and it stops
MOST_TARGET: Final = 500  # characters of what was meant


class Progress(NamedTuple):
    """How far it is."""

    looked_at: int
    changed: int
    stopped: str = ""  # why it does not go on
    kept: int = 0  # of those changed: were to be deleted, and are only cancelled, since jobs that come of them are there


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

    def act(self, what: str, query: Query, expected: int | None = None, *, from_start: bool = False, to: str = "") -> Iterator[Progress]:
        """Do it to all jobs that it means, batch by batch. Stops where these are many more than were ``expected``. ``to``: the queue, of a move."""
        store, now = self._client.store, self._client.clock.now()
        looked = changed = kept = 0
        stopped = ""
        said = f"{what} to {to}" if to else what
        row = self._record(said, written(query), 0)  # before it: whatever ends this process, it is known who did that
        try:
            for ids in store.searching.every(query, now):
                if expected is not None and not isinstance(expected, AtLeast) and looked + len(ids) > max(expected * MORE, expected + 10):
                    stopped = f"it means more than the {counted(expected, 'job')} that were counted"
                    yield Progress(looked, changed, stopped, kept)
                    return
                now = self._client.clock.now()
                if what == "retry":
                    many, addresses = store.operations.revive_all(ids, now, from_start=from_start)
                elif what == "cancel":
                    many, addresses = store.operations.cancel_all(ids, now)
                elif what == "move":
                    many, addresses = store.operations.move(ids, to)
                else:
                    gone, held, addresses = store.operations.purge(ids, now, only_final=what == "prune")
                    many, kept = gone + held, kept + held
                self._client.ring(addresses)
                looked += len(ids)
                changed += many
                self._went_on(row, changed)
                yield Progress(looked, changed, kept=kept)
        finally:
            if changed:
                log.info("%s: %s %s (%s)%s", self._who, said, written(query), counted(changed, "job"), f": {stopped}" if stopped else "")

    def _went_on(self, row: int | None, jobs: int) -> None:
        if row is not None:
            with contextlib.suppress(*PASSING):  # the next batch says it
                self._client.store.actions.count(row, jobs)


def ids_meant(what: str, jobs: Iterable[int]) -> Query:
    """Of jobs that are named any state is meant, but that one which runs cannot be deleted or moved."""
    query = Query((Term("id", tuple(Span(job, job) for job in jobs)),))
    return query.with_term("state", *ABLE[what]) if what in ABLE else query


def meant(what: str, text: str, *, older: int | None = None) -> Query:
    """The search for this deed: what it says of states, or else those that the deed is for; ``older``: that ended so long ago, in microseconds. Raises
    InvalidArgument, also for one that says nothing."""
    query = parse(text)
    if older is not None:
        query = Query((*query.terms, Term("ended", (Span(older, None),))))
    if not query.terms:
        hint = ", or --older 7d" if what == "prune" else ""
        raise InvalidArgument(f"{what} which jobs? Say it as in: state:discarded error:Timeout age:<1d{hint}")
    if what == "prune":
        return _of_final(query)
    if any(term.key == "state" and not term.is_not for term in query.terms) or query.job is not None:
        return query
    return query.with_term("state", *USUAL[what])


def _of_final(query: Query) -> Query:
    """What has not ended is never meant. Raises InvalidArgument where it is named."""
    named = {value.text for term in query.terms if term.key == "state" and not term.is_not for value in term.values if isinstance(value, Text)}
    if named - FINAL:
        raise InvalidArgument(f"prune deletes jobs that have ended, and state:{min(named - FINAL)} has not: purge cancels what waits, and deletes it")
    return query if named else query.with_term("state", *USUAL["prune"])
