"""A Celery app on a fresh file, in a process that has no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import known, shared
from litequeue.compat import settings, tasks
from litequeue.compat.celery import Celery


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has no app yet, and no shared task."""
    for owner, name, value in ((known, "_apps", []), (known, "shared", {}), (known, "serving", None), (shared, "_codes", {}), (tasks, "_shared", []), (settings, "_named", set())):
        monkeypatch.setattr(owner, name, value)


@pytest.fixture
def app(db: Path) -> Iterator[Celery]:
    with Celery("proj", broker=str(db)) as app:
        yield app


def worked(app: Celery) -> None:
    with app.worker(burst=True, threads=2) as worker:
        worker.join(20)
