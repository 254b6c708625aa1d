"""What a chaos run left behind of its workflows: what their producers drew, what ran, and what is in the file.

Owns who waits for whom by the drawings alone; how the product makes jobs of them is not known here. Judges nothing.
"""

from __future__ import annotations

import collections
import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from litequeue.store.links import invariants
from litequeue.store.links.telling import JOIN

from ..support import ledger_lines
from .flows import Spec, in_place_of

CALLBACK: Final = "called"


class FlowJob(NamedTuple):
    id: int
    task: str
    key: str
    kind: str  # of a callback: when it is made
    state: str
    executions: int
    result: Any
    error: str
    inputs: Any
    finished_at: int | None


class Source(NamedTuple):
    """What a call waits for, and is given the results of."""

    how: str  # "call", "job", "list", "join" or, without results, "after"
    key: str = ""  # of a call; of a job the id
    parts: tuple[Source, ...] = ()


class Flows:
    """What is known of the workflows of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drawn: dict[str, dict[str, Any]] = {}  # by key, what was intended
        self.acked: dict[str, int] = {}  # the flow's id; of a member of a batch, or a call alone, the job's
        self.batches: dict[str, list[str]] = {}  # at which ends of it something is called
        self.begun: dict[str, int] = {}
        self.closed: set[str] = set()
        self.abandoned: set[str] = set()
        self.members: dict[str, int] = {}
        self.put_back: set[str] = set()
        self.cancelled: set[str] = set()
        for line in ledger_lines(folder / "flows"):
            self._read(*json.loads(line))
        with contextlib.closing(sqlite3.connect(folder / "chaos.sqlite")) as connection:
            self.broken = invariants.broken(connection)
            (self.inbox,) = connection.execute("SELECT count(*) FROM litequeue_jobs WHERE links & 1 AND finished_at IS NOT NULL").fetchone()
            self._read_jobs(connection)
            self.edges: dict[int, list[int]] = collections.defaultdict(list)
            for parent, child in connection.execute("SELECT parent_id, child_id FROM litequeue_edges ORDER BY child_id, position"):
                self.edges[child].append(parent)
            self.ends = dict(connection.execute("SELECT id, end_id FROM litequeue_flows").fetchall())
            self.stored = {(job, name): attempt for job, name, attempt in connection.execute(
                "SELECT job_id, name, attempt FROM litequeue_steps WHERE value IS NOT NULL")}  # fmt: skip
            self.attempts: dict[int, list[str]] = collections.defaultdict(list)
            for job, outcome in connection.execute("SELECT job_id, outcome FROM litequeue_attempts ORDER BY job_id, attempt"):
                self.attempts[job].append(outcome)
        self.effects = [(int(job), int(attempt), name) for job, attempt, name in map(str.split, ledger_lines(folder / "steps"))]
        self.calls_made = [(int(job), key, when) for job, key, when in map(str.split, ledger_lines(folder / "called"))]

    def _read(self, what: str, key: str, more: Any) -> None:
        if what == "intent":
            self.drawn[key] = more
        elif what == "batch":
            self.batches[key] = more
        elif what in ("ack", "member", "batch begun"):
            {"ack": self.acked, "member": self.members, "batch begun": self.begun}[what][key] = more
        else:
            names = {"retry": self.put_back, "cancel": self.cancelled, "abandoned": self.abandoned, "batch closed": self.closed}
            names[what].add(key)

    def _read_jobs(self, connection: sqlite3.Connection) -> None:
        self.jobs: dict[int, FlowJob] = {}
        self.by_key: dict[str, list[FlowJob]] = collections.defaultdict(list)
        self.callbacks: dict[tuple[str, str], list[FlowJob]] = collections.defaultdict(list)
        rows = connection.execute(
            "SELECT id, task, args, state, attempt - releases, result, coalesce(last_error, ''), inputs, finished_at FROM litequeue_jobs"
            f" LEFT JOIN litequeue_waits ON job_id = id WHERE task LIKE 'tests.chaos.flows.%' OR task = '{JOIN}'"
        ).fetchall()
        for job, task, args, state, executions, result, error, inputs, finished_at in rows:
            name, words = task.rpartition(".")[2], [word for word in json.loads(args) if isinstance(word, str)]
            _, key, kind = [*words, "", "", ""][:3]
            found = FlowJob(job, name, key, kind, state, executions, _loaded(result), error, _loaded(inputs), finished_at)
            self.jobs[job] = found
            if name == CALLBACK:
                self.callbacks[key, kind].append(found)
            elif key:
                self.by_key[key].append(found)

    # -- what became of a call ---------------------------------------------------------------------------

    def job(self, key: str) -> FlowJob | None:
        return next(iter(self.by_key.get(key, ())), None)

    def is_good(self, source: Source) -> bool:
        if source.how == "call":
            job = self.job(source.key)
            return job is not None and job.state == "succeeded"
        if source.how == "job":
            return bool(self.jobs[int(source.key)].state == "succeeded")
        return all(map(self.is_good, source.parts))

    def value(self, source: Source) -> Any:
        if source.how == "call":
            job = self.job(source.key)
            return None if job is None or job.state != "succeeded" else job.result
        if source.how == "join" and not self.is_good(source):
            return None
        return [self.value(part) for part in source.parts]

    def was_touched(self, key: str) -> bool:
        """Whether somebody cancelled it, or what it waits for, or a batch that it is in."""
        known = key in self.cancelled or key in self.abandoned or any(map(self.was_touched, self.drawn.get(key, {}).get("after", ())))
        return known or ".m" in key and self.was_touched(key.partition(".m")[0])


    def was_put_back(self, key: str) -> bool:
        return key in self.put_back or ".m" in key and key.partition(".m")[0] in self.put_back


def _loaded(text: str | None) -> Any:
    return None if text is None else json.loads(text)


# -- who waits for whom, as it was drawn --------------------------------------------------------------------------


def waits(spec: Spec, before: Source | None, found: list[tuple[Spec, Source | None]]) -> Source:
    """Each call of a drawing with what it waits for, into ``found``; what the whole comes to."""
    how, rest = spec[0], spec[1]
    if how == "call":
        found.append((spec, before))
        return Source("call", rest)
    if how == "chain":
        for part in rest:
            before = waits(part, before, found)
        assert before is not None
        return before
    if len(rest) > 1 and before is not None:
        before = _as_one(before)
    return Source("list", parts=tuple(_as_one(waits(part, before, found)) for part in rest))


def _as_one(source: Source) -> Source:
    return source._replace(how="join") if source.how == "list" else source


def all_calls(flows: Flows) -> Iterator[tuple[str, Spec, Source | None]]:
    """Each with the key of its workflow; also those that took another's place."""
    for key, drawn in flows.drawn.items():
        found: list[tuple[Spec, Source | None]] = []
        after = [root_of(flows, other) for other in drawn["after"]]
        waits(drawn["spec"], Source("after", parts=tuple(after)) if after else None, found)
        for spec, _ in tuple(found):
            if spec[2] == "replacing":
                waits(in_place_of(spec[1]), None, found)
        yield from ((key, spec, source) for spec, source in found)


def root_of(flows: Flows, key: str) -> Source:
    if key in flows.begun:
        return Source("list", parts=tuple(Source("job", str(job)) for job in flows.edges[flows.ends[flows.begun[key]]]))
    return waits(flows.drawn[key]["spec"], None, [])
