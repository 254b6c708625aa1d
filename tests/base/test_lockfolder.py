"""The folder of the workers' locks. What other users may try there is in ``tests/trust``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from litequeue import CannotOpen
from litequeue.base import filelock, lockfolder
from litequeue.base.lockfolder import LockFolder, Locks, hold_for_life

from ..support import environment

pytestmark = pytest.mark.beside

STEM = "0123456789abcdef"
OTHER = "fedcba9876543210.lock"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "db").touch()
    LockFolder(str(tmp_path / "db-workers"), create=True)
    return tmp_path / "db-workers"


def is_held(path: Path) -> bool:
    """As another process sees it."""
    probe = "import sys; from litequeue.base.filelock import FileLock; print(FileLock(sys.argv[1], create=False).try_acquire())"
    done = subprocess.run([sys.executable, "-c", probe, str(path)], capture_output=True, text=True, env=environment(), check=True)
    return done.stdout == "False\n"


def test_a_look_at_another_name_of_a_held_lock_does_not_drop_it(path: Path) -> None:
    """Closing any descriptor of a file drops the process's lock on it."""
    folder = LockFolder(str(path))
    lock = folder.hold(f"{STEM}.lock")
    os.link(path / f"{STEM}.lock", path / OTHER)
    assert not folder.is_free(OTHER)
    (path / OTHER).unlink()
    assert is_held(path / f"{STEM}.lock")
    folder.let_go(f"{STEM}.lock", lock)
    assert list(path.iterdir()) == []


def test_a_pool_process_does_not_probe_the_lock_by_which_it_is_seen_to_live(path: Path) -> None:
    lock = hold_for_life(Locks(str(path / STEM)))
    assert not LockFolder(str(path)).is_free(os.path.basename(lock.path))
    assert is_held(Path(lock.path))
    lock.close()


def test_a_fork_has_the_names_and_not_the_locks(path: Path) -> None:
    folder = LockFolder(str(path))
    lock = folder.hold(f"{STEM}.lock")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if not folder.is_free(f"{STEM}.lock") and folder.is_free(OTHER) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert is_held(path / f"{STEM}.lock")
    folder.let_go(f"{STEM}.lock", lock)


@pytest.mark.parametrize("name", ["../db", "poetry.lock", "", f"{STEM}.lock\n", f"{STEM}", f"{STEM}-.lock", f"{STEM.upper()}.lock", "a\0b"])
def test_another_name_is_no_lock(path: Path, name: str) -> None:
    folder = LockFolder(str(path))
    for act in (folder.open, folder.changed, lambda name: folder.open(name, create=True)):
        with pytest.raises(FileNotFoundError, match="not the name"):
            act(name)
    folder.remove(name)
    assert sorted(path.parent.iterdir()) == [path.parent / "db", path] and list(path.iterdir()) == []


PLANTS: dict[str, Callable[[Path], object]] = {
    "a link": lambda lock: lock.symlink_to("nowhere"),
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "with two links": lambda lock: (lock.touch(), os.link(lock, lock.parent.parent / "second")),
    "open to others": lambda lock: (lock.touch(), lock.chmod(0o666)),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_what_is_no_lock_of_ours_alone_is_not_opened_nor_said_to_be_free(path: Path, plant: Callable[[Path], object]) -> None:
    plant(path / OTHER)
    folder = LockFolder(str(path))
    with pytest.raises(CannotOpen):
        folder.open(OTHER)
    with pytest.raises(CannotOpen):
        folder.open(OTHER, create=True)
    assert not folder.is_free(OTHER)


def test_threads_that_list_it_at_once_miss_no_lock(path: Path) -> None:
    """One that is missed may be a running process's, whose job would run a second time."""
    for number in range(300):
        (path / f"{number:016x}.lock").touch()
    folder = LockFolder(str(path))
    with ThreadPoolExecutor(4) as threads:
        counts = set(threads.map(lambda _: len(folder.names()), range(40)))
    assert counts == {300}


class Swapping:
    """``os`` for a module that looks at a path and then opens it: in between, something else is put there."""

    def __init__(self, swap: Callable[[], object]) -> None:
        self._swap = swap

    def open(self, *given: Any, **at: Any) -> int:
        self._swap()
        return os.open(*given, **at)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def test_a_lock_is_judged_by_what_was_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    precious = path.parent / "precious"
    precious.write_text("precious")
    (path / OTHER).touch()

    def swap() -> None:
        (path / OTHER).unlink()
        os.link(precious, path / OTHER)

    folder = LockFolder(str(path))
    monkeypatch.setattr(filelock, "os", Swapping(swap))
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(CannotOpen, match="2 hard links"):
        folder.open(OTHER)
    assert len(os.listdir("/dev/fd")) == before, "it was closed"


@pytest.mark.parametrize("planted", ["a link", "open to others"])
def test_the_folder_is_judged_by_what_was_opened(path: Path, monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    other = path.parent / "other"
    other.mkdir()
    other.chmod(0o777)

    def swap() -> None:
        path.rename(path.parent / "gone")
        if planted == "a link":
            other.chmod(0o700)
            path.symlink_to(other)
        else:
            other.rename(path)

    monkeypatch.setattr(lockfolder, "os", Swapping(swap))
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(CannotOpen, match="cannot open" if planted == "a link" else "can be written by others"):
        LockFolder(str(path))
    assert len(os.listdir("/dev/fd")) == before


def test_a_folder_that_others_come_to_be_able_to_change_is_good_no_more(path: Path) -> None:
    folder = LockFolder(str(path))
    assert folder.is_good()
    path.chmod(0o777)
    assert not folder.is_good()
    with pytest.raises(CannotOpen, match=r"can be written by others \(mode 777\).*move it away"):
        LockFolder(str(path))
    path.chmod(0o700)
    assert folder.is_good()


@pytest.mark.parametrize("put", [Path.mkdir, lambda path: path.symlink_to("gone"), Path.touch], ids=["a folder", "a link", "a file"])
def test_an_open_folder_that_was_replaced_is_used_no_more_but_for_what_is_in_it(path: Path, put: Callable[[Path], object]) -> None:
    folder = LockFolder(str(path))
    lock = folder.hold(f"{STEM}.lock")
    path.rename(path.parent / "gone")
    put(path)
    assert not folder.is_good()
    folder.let_go(f"{STEM}.lock", lock)
    assert list((path.parent / "gone").iterdir()) == []


def test_a_number_that_has_become_another_files_is_not_used_nor_closed(path: Path) -> None:
    """A program that becomes a daemon closes them all."""
    folder = LockFolder(str(path))
    number = folder._fd
    assert number is not None
    other = os.open(path.parent / "db", os.O_RDONLY)
    os.dup2(other, number)
    assert not folder.is_good()
    del folder
    assert os.path.samestat(os.fstat(number), os.fstat(other))
    os.close(number)
    os.close(other)


def test_a_folder_is_closed_with_its_object(path: Path) -> None:
    folder = LockFolder(str(path))
    number = folder._fd
    assert number is not None
    del folder
    with pytest.raises(OSError):
        os.fstat(number)


@pytest.mark.parametrize("planted", ["a link", "a file", "open to others"])
def test_a_pool_process_takes_no_lock_in_a_folder_that_is_not_ours_alone(path: Path, planted: str) -> None:
    path.rename(path.parent / "gone")
    if planted == "a link":
        path.symlink_to("gone")
    elif planted == "a file":
        path.touch()
    else:
        path.mkdir()
        path.chmod(0o777)
    with pytest.raises(CannotOpen, match="symbolic link" if planted == "a link" else "move it away"):
        hold_for_life(Locks(str(path / STEM)))
    assert list((path.parent / "gone").iterdir()) == []
