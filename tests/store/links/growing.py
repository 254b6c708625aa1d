"""The model of what grows: callbacks that are made, batches that are joined, and work that takes a job's place; the half that does it.

On top of the graphs of ``test_model``. What must hold is in ``grown``.
"""

from __future__ import annotations

import json
from typing import Any

from litequeue.base.errors import BatchClosed
from litequeue.base.models import (
    ClaimedJob,
    Lease,
    Membership,
    Replacement,
    Settled,
    Unsettled,
)
from litequeue.store.batches import Child
from litequeue.store.links.graph import Edge, Graph, Wait
from litequeue.store.links.telling import JOIN
from litequeue.store.rules import KEEP
from litequeue.store.turn import Demand

from ...support import new_job
from .grown import CALLBACK, FOLLOWED, Batch, Grown, callback
from .test_model import FINAL, SECOND

Called = dict[int, list[tuple[str, str, int]]]  # by place, who is called: when, tag, takes


class Growing(Grown):
    """All that may happen."""

    def graph(self) -> tuple[Graph, Called]:
        """Of one to four, with callbacks at places; the last one ends it."""
        count = self.rng.randrange(1, 5)
        edges, waits = [], []
        for child in range(1, count):
            parents = self.rng.sample(range(child), self.rng.randrange(1, min(child, 3) + 1))
            edges += [Edge(parent, child, place) for place, parent in enumerate(parents)]
            waits.append(Wait(child, self.rng.choice(["success", "success", "ended"]), self.rng.choice([None, "all"])))
        called = {place: self.callbacks() for place in range(count) if self.rng.random() < 0.3}
        callbacks = [(place, *callback(*one)) for place, some in called.items() for one in some]
        return Graph([self.job() for _ in range(count)], edges, waits, callbacks), called

    def job(self) -> Any:
        followed = self.rng.random() < 0.2
        fields = {"task": FOLLOWED, "links": 1} if followed else {}
        return new_job(created_at=self.clock.now(), run_at=self.clock.now(), max_attempts=3, **fields)

    def callbacks(self) -> list[tuple[str, str, int]]:
        return [(self.rng.choice(["success", "failed"]), f"tag {next(self.tags)}", self.rng.randrange(2)) for _ in range(self.rng.randrange(1, 3))]

    def learn(self, first: int, graph: Graph, called: Called) -> None:
        for edge in graph.edges:
            self.parents.setdefault(first + edge.child, []).append(-edge.parent if edge.parent < 0 else first + edge.parent)
        for wait in graph.waits:
            self.wants[first + wait.child], self.takes[first + wait.child] = wait.runs_when, wait.takes
        self.own.update({first + place: some for place, some in called.items()})
        self.enqueued.update(range(first, first + len(graph.jobs)))

    def insert(self) -> None:
        super().insert()
        self.enqueued |= self.look().keys() - self.rows.keys()

    def enqueue(self) -> None:
        """A workflow, perhaps into a batch."""
        graph, called = self.graph()
        batch = self.some_batch()
        try:
            flow, _ = self.store.flows.enqueue(graph, len(graph.jobs) - 1, False, [], self.clock.now(), batch)
        except BatchClosed:
            return self.is_refused(batch)
        self.flows.append(flow)
        first = min(self.look().keys() - self.rows.keys())
        self.learn(first, graph, called)
        self.joined(batch, [first + len(graph.jobs) - 1])

    def enqueue_some(self) -> None:
        """Of one kind, perhaps into a batch."""
        called, batch = self.callbacks() if self.rng.random() < 0.4 else [], self.some_batch()
        job = self.job()
        if called:
            job = job._replace(columns=job.columns._replace(links=1))
        many = [("[]", "{}")] * self.rng.randrange(1, 4)
        try:
            ids, *_ = self.store.jobs.enqueue_many(job, many, None, [callback(*one) for one in called], batch)
        except BatchClosed:
            return self.is_refused(batch)
        for number in ids:
            self.own[number] = called
        self.enqueued.update(ids)
        self.joined(batch, list(ids))

    def begin(self) -> None:
        def child(task: str, when: str, takes: bool) -> Child:
            return Child(new_job(task=task, state="blocked", created_at=self.clock.now(), run_at=self.clock.now(), max_attempts=3), when, takes)

        children = [child(JOIN, "success", False)]
        children += [child("tests.end", when, True) for when in ("success", "failed", "ended") if self.rng.random() < 0.7]
        flow = self.store.batches.begin(children, [], self.clock.now())
        ids = sorted(self.look().keys() - self.rows.keys())
        self.batches[flow] = Batch(ids)
        self.flows.append(flow)
        self.enqueued.update(ids)
        for number, one in zip(ids, children, strict=True):
            self.parents[number], self.wants[number], self.takes[number] = [], one.runs_when, None

    def some_batch(self) -> Membership | None:
        """One to join, by a running job of whichever, or by nobody."""
        if not self.batches or self.rng.random() < 0.3:
            return None
        hands = [Lease(job.id, job.attempt) for job in (*self.running, *self.lost)]
        members = [(flow, one) for flow, batch in self.batches.items() for one in hands if one.id in batch.members]
        if members and self.rng.random() < 0.5:
            return Membership(*self.rng.choice(members))
        return Membership(self.rng.choice(sorted(self.batches)), self.rng.choice(hands) if hands and self.rng.random() < 0.7 else None)

    def may_join(self, batch: Membership) -> bool:
        known = self.batches[batch.flow]
        held = {Lease(job.id, job.attempt) for job in self.running}
        return known.is_open or not known.is_given_up and batch.by in held and batch.by is not None and batch.by.id in known.members

    def joined(self, batch: Membership | None, jobs: list[int]) -> None:
        if batch is None:
            return
        assert self.may_join(batch), f"{jobs} joined {batch}"
        self.batches[batch.flow].members += jobs
        self.happened["joined" if self.batches[batch.flow].is_open else "joined by a member"] += 1
        for child in self.batches[batch.flow].children:
            self.parents[child] += jobs

    def is_refused(self, batch: Membership | None) -> None:
        assert batch is not None and not self.may_join(batch), f"{batch} was refused"
        assert self.look().keys() == self.rows.keys()
        self.happened["refused"] += 1

    def seal(self) -> None:
        if some := [flow for flow, batch in self.batches.items() if batch.is_open]:
            flow = self.rng.choice(some)
            self.store.batches.seal(flow, self.clock.now())
            self.batches[flow].is_open = False

    def abandon(self) -> None:
        if some := [flow for flow, batch in self.batches.items() if batch.is_open]:
            flow = self.rng.choice(some)
            self.store.batches.abandon(flow, self.clock.now())
            self.batches[flow].is_open, self.batches[flow].is_given_up = False, True

    def cancel_a_flow(self) -> None:
        if self.flows:
            self.store.flows.cancel(self.rng.choice(self.flows), self.clock.now())

    def retry_a_flow(self) -> None:
        if self.flows:
            self.store.flows.retry(self.rng.choice(self.flows), self.clock.now())

    def call_off(self) -> None:
        """A callback, or put one back that was."""
        if some := [row for row in self.rows.values() if row.task == CALLBACK and row.state in ("available", "cancelled")]:
            row = self.rng.choice(some)
            change = self.store.operations.cancel if row.state == "available" else self.store.operations.revive
            change(row.id, self.clock.now())

    def count_anew(self) -> None:
        """What is asked of one that waits or runs; where nothing is wrong, it changes nothing but that what is due later runs now."""
        if live := [job for job, row in self.rows.items() if row.state not in FINAL]:
            job = self.rng.choice(live)
            self.store.operations.revive(job, self.clock.now())
            before, after = self.rows, self.look()
            assert {**after, job: before[job]} == before, f"others than {job} have changed"
            assert after[job] == before[job] or before[job].state in ("scheduled", "retrying"), f"{before[job]} is {after[job]}"

    def turn(self) -> None:
        now = self.clock.now()
        ended = [self.running.pop() for _ in range(min(len(self.running), self.rng.randrange(3)))]
        good, bad, placed = [], [], []
        for job in ended:
            state = self.rng.choice(["succeeded"] * 5 + ["discarded", "discarded", "retrying", "available", "cancelled"] + ["blocked"] * 3)
            if state == "succeeded":
                good.append(self.success(job))
                continue
            final = now if state in FINAL else None
            row = Unsettled(job.id, job.attempt, state, now, final, now, final and now + SECOND, 1, "E", "m", "t", now, 0)
            bad.append(row if state != "blocked" else row._replace(failed=0, error_type=None))
            if state == "blocked":
                placed.append((job, *self.graph()))
        replaced = [Replacement(job.id, job.attempt, [*graph, len(graph.jobs) - 1], KEEP) for job, graph, _ in placed]
        demand = Demand({"thread": self.rng.randrange(1, 4)}) if self.rng.random() < 0.7 else None
        turn = self.store.jobs.turn(1, now, now + 60 * SECOND, succeeded=good, others=bad, replaced=replaced, demand=demand)
        assert not turn.lost
        first = min(self.look().keys() - self.rows.keys(), default=0)
        for job, graph, called in placed:
            if self.rows[job.id].is_asked:
                continue  # its cancel has come: nothing takes its place
            self.learn(first, graph, called)
            first += len(graph.jobs)
            self.parents[job.id], self.wants[job.id], self.takes[job.id] = [first - 1], "success", "one"
            self.placed.add(job.id)
            self.happened["place taken"] += 1
        self.started(turn.claimed)

    def success(self, job: ClaimedJob) -> Settled:
        now = self.clock.now()
        return Settled(job.id, job.attempt, now, now, json.dumps(f"of {job.id}"), now + SECOND, None)

    def started(self, claimed: list[ClaimedJob]) -> None:
        for job in claimed:
            if job.id not in self.given and job.task != CALLBACK:
                self.check_inputs(job)
        self.running += claimed
        self.rng.shuffle(self.running)

    def die(self) -> None:
        """Its worker is taken for dead, which has all of these in its hands still."""
        if self.running:
            self.store.leases.rescue_worker(1, "dead", self.clock.now())
            self.lost, self.running = [*self.lost, *self.running], []

    def late(self) -> None:
        """What it tells of them then counts for nothing."""
        if not self.lost:
            return
        job, now = self.rng.choice(self.lost), self.clock.now()
        if self.rng.random() < 0.5:
            turn = self.store.jobs.turn(1, now, now, succeeded=[self.success(job)])
        else:
            graph, _ = self.graph()
            row = Unsettled(job.id, job.attempt, "blocked", now, None, now, None, 0, None, None, None, now, 0)
            turn = self.store.jobs.turn(1, now, now, others=[row], replaced=[Replacement(job.id, job.attempt, [*graph, len(graph.jobs) - 1], KEEP)])
        assert turn.lost == {Lease(job.id, job.attempt)}
        self.happened["late"] += 1

    def come_to_an_end(self) -> None:
        while any(batch.is_open for batch in self.batches.values()):
            self.seal()
        super().come_to_an_end()
        for job in [job for job in self.placed if job in self.rows and self.rows[job].state == "succeeded"]:
            self.store.operations.revive(job, self.clock.now())  # what came to what took its place begins anew
            self.check()
        super().come_to_an_end()
        assert not any(row.state in FINAL and row.links & 1 for row in self.look().values())
