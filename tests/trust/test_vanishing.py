"""A file that comes and goes beside a module. The check of a worker outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import UnknownTask
from litequeue.base.models import TaskOrigin
from litequeue.worker.discovery import Catalogue

from ..support import FakeClock

pytestmark = pytest.mark.beside


@pytest.fixture
def origin(db: Path, tmp_path: Path) -> TaskOrigin:
    db.touch(0o600)
    folder = tmp_path / "app"
    folder.mkdir(0o700)
    (folder / "vanishing_module.py").write_text("raise ImportError('so far and no farther')")
    (folder / "vanishing_module.py").chmod(0o600)
    return TaskOrigin("vanishing_module.f", "vanishing_module", "f", str(folder), "{}")


def look(db: Path, origin: TaskOrigin, clock: FakeClock) -> None:
    catalogue = Catalogue({}, path=str(db), origin=lambda task: origin, monotonic=clock.monotonic)
    with pytest.raises(UnknownTask):
        catalogue.find(origin.task)


@contextlib.contextmanager
def coming_and_going(path: Path) -> Iterator[None]:
    """All the time, by another process."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            while True:
                path.touch()
                path.unlink()
        os._exit(0)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.slow
def test_a_file_that_comes_and_goes_beside_a_module_ends_no_worker(db: Path, origin: TaskOrigin, clock: FakeClock) -> None:
    """A compiler's, an editor's, or that of somebody who may write there and wants it so."""
    with coming_and_going(Path(origin.directory, "vanishing_module.pyc")):
        for _ in range(2000):
            look(db, origin, clock)


def test_a_file_of_the_queue_that_is_gone_leaves_the_task_unknown(db: Path, origin: TaskOrigin, clock: FakeClock) -> None:
    db.unlink()
    look(db, origin, clock)


def test_a_dangling_link_beside_a_module_is_nothing(db: Path, origin: TaskOrigin, clock: FakeClock) -> None:
    Path(origin.directory, "vanishing_module.pyc").symlink_to("nowhere")
    look(db, origin, clock)
