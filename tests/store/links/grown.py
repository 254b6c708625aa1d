"""What must hold of callbacks, batches and replaced jobs, whatever has happened: the half of their model that looks.

It knows who is to be called at which end, who is in which batch, and what took whose place; of how the store finds that it knows nothing, and so
it judges by what is new in the file, and by what those came to that were waited for.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from litequeue.base.models import ClaimedJob, TaskOrigin
from litequeue.store import Store
from litequeue.store.links.telling import JOIN

from ...older import rows
from ...support import FakeClock
from .test_model import FINAL, Model

CALLBACK, FOLLOWED = "tests.callback", "tests.followed"
# Of the task that has callbacks by itself: when, tag, whether it takes something.
OF_TASK = (("success", "task's success", 1), ("failed", "task's failure", 0))
LOOK = """SELECT j.id, j.task, j.state, ifnull(j.links, 0), j.result, j.args, w.inputs, ifnull(w.held, 0), w.cause, j.cancel_requested_at IS NOT NULL,
    (SELECT json_group_array(parent_id) FROM (SELECT parent_id FROM litequeue_edges WHERE child_id = j.id ORDER BY position))
FROM litequeue_jobs AS j LEFT JOIN litequeue_waits AS w ON w.job_id = j.id"""


class Row(NamedTuple):
    id: int
    task: str
    state: str
    links: int
    result: str | None
    args: str
    inputs: str | None
    held: int
    cause: int | None
    is_asked: bool  # to be cancelled
    parents: str

    @property
    def is_told(self) -> bool:
        return self.state in FINAL and not self.links & 1


class Batch:
    def __init__(self, children: list[int]) -> None:
        self.children = children
        self.members: list[int] = []
        self.is_open = True
        self.is_given_up = False  # nobody joins any more


def callback(when: str, tag: str, takes: int) -> tuple[str, str]:
    return when, json.dumps({"task": CALLBACK, "args": json.dumps([tag]), "takes": takes, "max_attempts": 3})


class Grown(Model):
    """A file in which more comes of what ends."""

    def __init__(self, store: Store, clock: FakeClock, rng: random.Random) -> None:
        super().__init__(store, clock, rng)
        self.tags = itertools.count(1)
        self.own: dict[int, list[tuple[str, str, int]]] = {}  # by job, who is called: when, tag, takes
        self.batches: dict[int, Batch] = {}
        self.flows: list[int] = []
        self.placed: set[int] = set()  # those whose place was taken, as long as that lasts
        self.given: dict[int, tuple[str | None, str]] = {}  # what a job was given when it first ran, and of whom
        self.lost: list[ClaimedJob] = []  # of a worker that was taken for dead
        self.rows: dict[int, Row] = {}
        self.enqueued: set[int] = set()
        self.happened = Counter[str]()
        options = json.dumps({"callbacks": [callback(*one) for one in OF_TASK]})
        store.jobs.record_origins([TaskOrigin(FOLLOWED, "tests", "followed", "/", options)], clock.now())

    def look(self) -> dict[int, Row]:
        return {row[0]: Row._make(row) for row in rows(Path(self.store.path), LOOK)}

    def check(self) -> None:
        before, after = self.rows, self.look()
        new = {job: row for job, row in after.items() if job not in before}
        made = [row for row in new.values() if row.task == CALLBACK]
        due = [one for row in after.values() if self.was_told(before.get(row.id), row) for one in self.due(row)]
        self.happened["called"] += len(due)
        assert Counter(self.made_as(row) for row in made) == Counter(due), "others are called than should be"
        strange = [job for job, row in new.items() if row.task != CALLBACK and job not in self.enqueued]
        assert not strange, f"{strange} were stored for nobody"
        for row in after.values():
            if row.state == "running":  # in its second life as in its first
                grows = any(row.id in batch.children for batch in self.batches.values())  # also once it has run, by a member that was put back
                given = row.inputs, "" if grows else row.parents
                assert given == self.given.setdefault(row.id, given), f"{row.id} is given {given}, and was {self.given[row.id]}"
        self.check_batches(after)
        self.check_places(before, after)
        for job, row in after.items():
            self.check_release(before.get(job), row, after)
        super().check()
        self.rows = after

    def was_told(self, before: Row | None, after: Row) -> bool:
        """Whether its end has been told since."""
        return after.is_told and after.links & 2 > 0 and (before is None or not before.is_told)

    def due(self, row: Row) -> list[tuple[str, str, str | None]]:
        when = {"succeeded": "success", "discarded": "failed"}.get(row.state)
        some = [one for one in self.own.get(row.id, ()) if one[0] == when]
        if not some and row.task == FOLLOWED:
            some = [one for one in OF_TASK if one[0] == when]
        result = row.result if row.state == "succeeded" else f"job {row.id}"
        return [(f"[{row.id}]", tag, result if takes else None) for _, tag, takes in some]

    def made_as(self, row: Row) -> tuple[str, str, str | None]:
        """Whom it belongs to, its tag, and what it is given: of a failure, of which job."""
        found = None if row.inputs is None else json.loads(row.inputs)
        given = f"job {found['id']}" if isinstance(found, dict) else row.inputs
        assert row.state in ("available", "running") and not row.links & 1
        return row.parents, json.loads(row.args)[0], given

    def check_batches(self, after: dict[int, Row]) -> None:
        for flow, batch in self.batches.items():
            for child in batch.children:
                row = after.get(child)
                if row is None or not any(member in after for member in batch.members) and row.state in FINAL:
                    continue
                assert row.state in FINAL or row.held == batch.is_open, f"batch {flow} is {batch.is_open}, and {child} is held {row.held} times"
                assert not batch.is_open or row.state in ("blocked", "cancelled", "expired"), f"{child} runs, and batch {flow} is open"
                if row.state == "blocked" and child not in self.placed:
                    assert json.loads(row.parents) == sorted(batch.members), f"{child} of batch {flow} waits for {row.parents}"

    def check_places(self, before: dict[int, Row], after: dict[int, Row]) -> None:
        assert not any(row.cause for row in after.values() if row.task == CALLBACK and row.id not in self.placed), "a callback is cancelled for the sake of what called it"
        for job in [job for job in self.placed if job in before and job in after]:
            was, now = before[job].state, after[job].state
            if was == "cancelled":
                assert now in ("cancelled", "blocked", "succeeded"), f"{job} was cancelled while it waited for what took its place, and is {now}"
            elif was in FINAL and now not in FINAL:
                self.placed.remove(job)  # it begins anew
            assert now != "succeeded" or after[job].result == after[job].inputs

    def check_release(self, before: Row | None, row: Row, after: dict[int, Row]) -> None:
        """What one is given that is let go: what those have come to that it waited for, in order."""
        if before is None or before.state != "blocked" or row.state in ("blocked", "cancelled", "expired"):
            return
        takes, parents = self.takes.get(row.id), self.parents.get(row.id, [])
        if row.task == CALLBACK or takes is None:
            return
        results = [json.loads(after[parent].result or "null") if after[parent].state == "succeeded" else None for parent in parents]
        given = json.loads(row.inputs or "null")
        if row.id in self.placed or row.task == JOIN:
            assert row.state == "succeeded" and row.result == row.inputs, f"{row.id} is {row.state}, of what took its place"
        right = results if takes == "all" else results[0]
        assert given == right, f"{row.id} was given {given}, and those came to {right}"
