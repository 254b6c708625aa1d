"""What is read of the file for a state, and when."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base.errors import QueueBusy
from litequeue.cli.top import reading
from litequeue.cli.top.reading import Reader
from litequeue.cli.top.state import VIEWS, State
from litequeue.store import Store
from litequeue.store.pages.records import (
    JobPage,
    JobsPage,
    Overview,
    QueuesPage,
    SchedulesPage,
    WorkersPage,
)

from ...store.pages.filled import NOW, counted, fill
from ...support import FakeClock

EVERY = (*(State(view=view) for view in VIEWS), State(range="24h"), State(range="30d"), State(view="jobs", query="state:discarded"), State(view="jobs", query="task:x args.a:1 error:y"), State(view="jobs", job=7))


@pytest.fixture
def filled(store: Store, app: LiteQueue) -> LiteQueue:
    rng = random.Random(8)
    fill(store, rng, 400)
    counted(store, rng, 60, 3600)
    return app


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> list[str]:
    """The view of each that was made, which takes a millisecond."""
    found: list[str] = []
    real: Callable[..., Any] = reading.page_of

    def page_of(pages: Any, state: State, *rest: Any) -> Any:
        found.append(state.view)
        clock.advance(0.001)
        return real(pages, state, *rest)

    monkeypatch.setattr(reading, "page_of", page_of)
    return found


def test_each_state_has_its_page(filled: LiteQueue, clock: FakeClock) -> None:
    reader = Reader(filled._client, clock)
    kinds = [type(reader.look(state).page) for state in EVERY]
    assert kinds == [Overview, JobsPage, QueuesPage, WorkersPage, SchedulesPage, Overview, Overview, JobsPage, JobsPage, JobPage]
    assert reader.look(State(view="jobs", job=10**6)).page is None and reader.shown.trouble == ""


def test_looking_writes_nothing_and_holds_nothing_open(filled: LiteQueue, db: Path, clock: FakeClock) -> None:
    """Many times at all there is: no byte of the file or its log is another, no commit is seen, and the log can be begun anew meanwhile."""
    reader = Reader(filled._client, clock)
    watcher = sqlite3.connect(db, isolation_level=None)
    try:
        reader.look(State())
        before = db.read_bytes(), Path(f"{db}-wal").read_bytes(), watcher.execute("PRAGMA data_version").fetchone()
        for _ in range(30):
            for state in EVERY:
                reader.look(state, anew=True)
                clock.advance(1)
        assert (db.read_bytes(), Path(f"{db}-wal").read_bytes(), watcher.execute("PRAGMA data_version").fetchone()) == before
        busy, frames, copied = watcher.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy and frames == copied, "nobody reads"
    finally:
        watcher.close()


def test_a_file_that_has_not_changed_is_not_read_again_for_a_while(filled: LiteQueue, store: Store, clock: FakeClock, reads: list[str]) -> None:
    reader, state = Reader(filled._client, clock), State(view="queues")
    first = reader.look(state)
    clock.advance(1)
    second = reader.look(state)
    assert reads == ["queues"] and second.page is first.page and second.now > first.now
    clock.advance(reading.OLDEST)
    reader.look(state)
    assert len(reads) == 2, "what only passes is seen all the same"
    clock.advance(1)
    store.operations.pause("mail", clock.now())
    reader.look(state)
    assert len(reads) == 3 and len(set(reads)) == 1
    reader.look(State(view="workers"))
    assert reads[3:] == ["workers"], "another view at once"
    reader.look(State(view="workers"), anew=True)
    assert reads[3:] == ["workers", "workers"]


def test_what_takes_long_to_read_is_read_seldom(filled: LiteQueue, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    real = reading.page_of

    def slow(*given: Any) -> Any:
        made.append(clock.monotonic())
        clock.advance(0.5)
        return real(*given)

    monkeypatch.setattr(reading, "page_of", slow)
    reader = Reader(filled._client, clock)
    for number in range(60):
        store.operations.pause(f"q{number}", clock.now())
        reader.look(State())
        clock.advance(1)
    assert 3 <= len(made) <= 60 / (reading.SHARE * 0.5) + 1, "a twentieth of the time"


def test_a_file_that_is_busy_shows_what_was_read_last_and_says_so(filled: LiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(filled._client, clock)
    good = reader.look(State(view="queues"))
    monkeypatch.setattr(reading, "page_of", lambda *_: (_ for _ in ()).throw(QueueBusy("somebody writes")))
    found = reader.look(State(view="queues"), anew=True)
    assert found.page is good.page and found.trouble == "somebody writes"
    assert reader.look(State(view="jobs")).page is None, "not that of another view"
    monkeypatch.undo()
    assert reader.look(State(view="queues")).trouble == ""
