"""The workflows of the chaos run: the tasks that they are made of, and what a producer does with them.

A workflow is drawn as plain lists, which the judge reads again: ``["call", key, kind, flags]``, ``["chain", parts]``, ``["group", parts]``.
Keys are the run's, each of one job. What a call comes to says what it was given, so that one wrong result is seen in all that follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
import zlib
from collections.abc import Sequence
from typing import Any, Final

from litequeue import EventTimeout, Replace, chain, current_job, group

from ..sample import note
from .tasks import _line, app

Spec = list[Any]
KINDS: Final = {
    "thread": 10, "process": 2, "async": 4, "flaky": 1, "once": 1, "bad": 0.6, "once bad": 0.6, "durable": 3, "replacing": 2,
}  # fmt: skip
NOTHING: Final = "nothing"


def value(key: str, given: Any) -> str:
    """What a call comes to that was given this."""
    return f"{key}={zlib.crc32(json.dumps(given).encode()):08x}"


# -- tasks ----------------------------------------------------------------------------------------------


def _begin(args: tuple[Any, ...]) -> tuple[str, str, str, str]:
    """Of a call: the folder, its key, its kind, and what it comes to."""
    *given, folder, key, kind = args
    _line("start", f"{folder}/ledger")
    return folder, key, kind, value(key, given[0] if given else NOTHING)


def _end(folder: str) -> None:
    _line("end", f"{folder}/ledger")


def _work(args: tuple[Any, ...], seconds: float) -> str:
    folder, _, kind, comes_to = _begin(args)
    time.sleep(seconds)
    _end(folder)
    execution = current_job().attempt
    if kind == "bad" or kind == "once bad" and execution == 1 or kind == "flaky" and execution < 3:
        raise ValueError("not well")
    return comes_to


@app.task
def in_thread(*args: Any) -> str:
    return _work(args, 0.004)


@app.task(pool="process")
def in_process(*args: Any) -> str:
    return _work(args, 0.01)


@app.task(retries=4, backoff=0.05)
def flaky(*args: Any) -> str:
    return _work(args, 0.002)


@app.task(at_most_once=True)
def once(*args: Any) -> str:
    return _work(args, 0.01)


@app.task
async def in_async(*args: Any) -> str:
    folder, *_, comes_to = _begin(args)
    try:
        await asyncio.sleep(0.03)
    finally:  # when it is cancelled, too: it may be put back
        _end(folder)
    return comes_to


def _effect(folder: str, name: str) -> str:
    job = current_job()
    note(f"{folder}/steps", f"{job.id} {job._job.attempt} {name}")
    time.sleep(0.005)
    return name


@app.task
def durable(*args: Any) -> str:
    folder, key, _, comes_to = _begin(args)
    job = current_job()
    try:
        assert job.step("first", _effect, folder, "first") == "first"
        job.sleep(0.05)
        assert job.step("second", _effect, folder, "second") == "second"
        with contextlib.suppress(EventTimeout):
            assert job.wait_for(f"event {key}", timeout="1s" if key.endswith("0") else None) == key
        assert job.step("third", _effect, folder, "third") == "third"
    finally:
        _end(folder)
    return comes_to


def in_place_of(key: str) -> Spec:
    """What such a call puts in its own place."""
    parts = [["call", f"{key}.r{n}", "thread", []] for n in range(3)]
    return ["chain", [["group", parts], ["call", f"{key}.re", "async", []]]]


@app.task
def replacing(*args: Any) -> None:
    folder, key, *_ = _begin(args)
    _end(folder)
    raise Replace(shape_of(in_place_of(key), folder))


@app.task
def called(given: Any, folder: str, key: str, when: str) -> None:
    note(f"{folder}/called", f"{current_job().id} {key} {when}")


@app.task
def adding(folder: str, key: str, batch: int) -> int:
    """A member that adds others. It may be killed in between, and adds them again."""
    with app.batch(batch):
        for n in range(3):
            in_thread.delay(folder, f"{key}.{n}", "thread")
        in_thread.delay_many((folder, f"{key}.{n}", "thread") for n in range(3, 5))
    return batch


TASKS: Final[dict[str, Any]] = {
    "thread": in_thread, "process": in_process, "async": in_async, "flaky": flaky, "once": once, "bad": in_thread,
    "once bad": in_thread, "durable": durable, "replacing": replacing,
}  # fmt: skip


# -- what they are put together to ---------------------------------------------------------------------------


def drawn(rng: random.Random, key: str, depth: int = 0) -> Spec:
    if depth and rng.random() < 0.35 + 0.25 * depth:
        return call_of(rng, key)
    parts = [drawn(rng, f"{key}.{n}", depth + 1) for n in range(rng.randint(1 + (depth == 0), 4))]
    return [rng.choice(["chain", "chain", "group"]), parts]


def call_of(rng: random.Random, key: str) -> Spec:
    (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
    return ["call", key, kind, [flag for flag, often in (("run", 0.2), ("called", 0.25)) if rng.random() < often]]


def calls_in(spec: Spec) -> list[Spec]:
    return [spec] if spec[0] == "call" else [call for part in spec[1] for call in calls_in(part)]


def callbacks(folder: str, key: str) -> dict[str, Any]:
    return {"on_success": called.s(folder, key, "success"), "on_failure": called.s(folder, key, "failure")}


def shape_of(spec: Spec, folder: str) -> Any:
    how, *rest = spec
    if how != "call":
        return (chain if how == "chain" else group)([shape_of(part, folder) for part in rest[0]])
    key, kind, flags = rest
    signature = TASKS[kind].s(folder, key, kind)
    if "called" in flags:
        signature = signature.set(**callbacks(folder, key))
    return signature.set(on_parent_failure="run") if "run" in flags else signature


# -- what a producer does ------------------------------------------------------------------------------------


class Maker:
    """Says in ``flows`` what it is about to do, does it, and says what came of it."""

    def __init__(self, folder: str, name: str, rng: random.Random) -> None:
        self._folder = folder
        self._name = name
        self._rng = rng
        self._count = 0
        self._made: list[tuple[str, Any]] = []  # key and handle, of those that may be waited for, put back or cancelled
        self._deeds = {self._flow: 8, self._follower: 1.5, self._batch: 2.5, self._job: 2, self._retry: 2, self._cancel: 1}

    def act(self) -> None:
        self._count += 1
        self._rng.choices(list(self._deeds), list(self._deeds.values()))[0](f"{self._name}-f{self._count}")

    def _say(self, what: str, key: str, more: Any = None) -> None:
        note(f"{self._folder}/flows", json.dumps([what, key, more]))

    def _flow(self, key: str) -> None:
        spec = drawn(self._rng, key)
        waits = [call[1] for call in calls_in(spec) if call[2] == "durable"]
        early = [each for each in waits if self._rng.random() < 0.3]
        for each in early:
            app.emit(f"event {each}", each)
        self.enqueue(key, spec)
        for each in waits:
            if each not in early and self._rng.random() < 0.5:
                app.emit(f"event {each}", each)

    def _follower(self, key: str) -> None:
        """One that waits for others, of which it gets nothing."""
        others = self._rng.sample(self._made, min(len(self._made), self._rng.randint(1, 3)))
        self.enqueue(key, ["chain", [call_of(self._rng, f"{key}.{n}") for n in range(2)]], others)

    def enqueue(self, key: str, spec: Spec, after: Sequence[tuple[str, Any]] = ()) -> Any:
        self._say("intent", key, {"spec": spec, "after": [other for other, _ in after]})
        flow = shape_of(spec, self._folder).apply_async(after=[handle for _, handle in after])
        self._say("ack", key, flow.id)
        self._made.append((key, flow))
        return flow

    def _job(self, key: str) -> None:
        """One alone, with callbacks."""
        self.enqueue_call(["call", key, self._rng.choice(["thread", "process", "bad", "flaky", "once", "durable", "replacing"]), ["called"]])

    def enqueue_call(self, spec: Spec) -> None:
        """By its task."""
        _, key, kind, flags = spec
        self._say("intent", key, {"spec": spec, "after": []})
        TASKS[kind].apply_async((self._folder, key, kind), **callbacks(self._folder, key) if "called" in flags else {})

    def _batch(self, key: str) -> None:
        whens = [when for when in ("success", "failure", "end") if self._rng.random() < 0.8]
        members = [self._rng.choice(["adding", "task", "task", "signature", "group"]) for _ in range(self._rng.randint(0, 5))]
        self.batch(key, whens, members, abandoned=self._rng.random() < 0.1)

    def batch(self, key: str, whens: Sequence[str], members: Sequence[str], *, abandoned: bool = False) -> None:
        self._say("batch", key, whens)
        options: dict[str, Any] = {f"on_{when}": called.s(self._folder, key, when) for when in whens}
        with contextlib.suppress(ZeroDivisionError), app.batch(**options) as batch:
            self._say("batch begun", key, batch.id)
            for n, how in enumerate(members):
                self._member(batch.id, f"{key}.m{n}", how)
            if abandoned:
                self._say("abandoned", key)
                raise ZeroDivisionError
        self._say("batch closed", key, batch.id)
        self._made.append((key, batch))

    def _member(self, batch: int, key: str, how: str) -> None:
        if how == "adding":
            self._say("member", key, adding.delay(self._folder, key, batch).id)
            return
        spec = call_of(self._rng, key) if how != "group" else ["group", [call_of(self._rng, f"{key}.{n}") for n in range(2)]]
        if how == "task":
            self.enqueue_call(spec)
        else:
            self._say("intent", key, {"spec": spec, "after": []})
            self._say("ack", key, shape_of(spec, self._folder).delay().id)

    def _retry(self, key: str) -> None:
        self._do("retry")

    def _cancel(self, key: str) -> None:
        self._do("cancel")

    def _do(self, what: str) -> None:
        if self._made:
            key, flow = self._made[-self._rng.randint(1, min(len(self._made), 8))]
            self._say(what, key)
            getattr(flow, what)()


# -- what ends it -----------------------------------------------------------------------------------------------


def let_go() -> None:
    """Of what a killed producer has left: the events that it had not told of, and the batches in whose block it was."""
    store, now = app._client.store, app._client.clock.now()
    with store.database.read() as connection:
        events = connection.execute("SELECT DISTINCT name FROM litequeue_listeners").fetchall()
        batches = connection.execute("SELECT id FROM litequeue_flows WHERE open = 1").fetchall()
    for (name,) in events:
        app.emit(name, name.removeprefix("event "))
    for (batch,) in batches:
        store.batches.seal(batch, now)
