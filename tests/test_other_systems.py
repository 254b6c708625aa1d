"""What other systems lack is refused there, and not accepted to fail later. Read and faked: nobody has run them there."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from litequeue import InvalidArgument, LiteQueue
from litequeue.base import filelock, lockfolder, trust
from litequeue.base.clock import SystemClock
from litequeue.cli import crontabs, service
from litequeue.commands import command
from litequeue.cron import zones
from litequeue.pools import processes
from litequeue.store import Store

from .cli.conftest import Cli, cli  # noqa: F401 - a fixture

pytestmark = pytest.mark.beside


def windows(monkeypatch: pytest.MonkeyPatch, *modules: types.ModuleType) -> None:
    """For these modules alone: the tests themselves need their own system."""

    class Elsewhere:
        name = "nt"

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

    for module in modules:
        monkeypatch.setattr(module, "os", Elsewhere())


def test_commands_units_and_crontabs_are_refused_on_windows(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811 - the fixture
) -> None:
    windows(monkeypatch, command, service, crontabs)
    with LiteQueue(tmp_path / "db") as app, pytest.raises(InvalidArgument, match="on Unix only"):
        app.schedules.add("s", "litequeue.command", every="1h", kwargs=command.check_command(["dir"]))
    for words, says in (
        (("service", tmp_path / "db"), "there is no unit for this system"),
        (("enqueue", tmp_path / "db", "--command", "--", "dir"), "commands as jobs run on Unix only"),
    ):
        LiteQueue(tmp_path / "db").stats()
        done = cli(*words)
        assert done.code == 2 and says in done.err
    done = cli("cron", "import", tmp_path / "db", "-", given=b"0 3 * * * backup\n")
    assert done.code != 0 and "on Unix only" in done.err


def test_a_host_whose_zone_has_no_name_wants_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "LOCALTIME", "/nowhere")
    monkeypatch.setattr(zones, "TIMEZONE_FILE", "/nowhere")
    monkeypatch.delenv("TZ", raising=False)
    assert zones.local_name() == "UTC"
    windows(monkeypatch, zones)
    with pytest.raises(InvalidArgument, match="say timezone="):
        zones.local_name()


def test_the_marks_file_is_opened_as_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Elsewhere:
        O_BINARY = 0x8000_0000_0000  # no flag of Linux

        def open(self, path: str, flags: int, *more: int, **at: int | None) -> int:
            seen.append(flags)
            return os.open(path, flags & ~self.O_BINARY, *more, **at)

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

    monkeypatch.setattr(filelock, "os", Elsewhere())
    filelock.FileLock(str(tmp_path / "lock")).close()
    assert seen[0] & Elsewhere.O_BINARY


def test_where_no_folder_can_be_opened_nor_anybody_be_asked_for_workers_see_each_other_by_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        def __getattr__(self, name: str) -> object:
            if name in ("geteuid", "fchown"):
                raise AttributeError(name)
            return getattr(os, name)

    monkeypatch.setattr(trust, "os", Elsewhere())
    monkeypatch.setattr(lockfolder, "_BY_DESCRIPTOR", False)
    store = Store(str(tmp_path / "db"))
    register = {"name": "w", "host": "h", "wake_port": None, "queues": None, "slots": {}, "now": 1}
    pid = os.fork()
    if pid == 0:
        Store(store.path).workers.register(**register)  # type: ignore[arg-type]
        os._exit(0)
    os.waitpid(pid, 0)
    mine = store.workers.register(**register)  # type: ignore[arg-type]
    (dead,) = store.workers.peers(mine.id)
    assert store.workers.is_dead(dead.lock_file) is True
    with store.workers.proven_dead(dead) as proven:
        assert proven
    left = Path(f"{store.path}-workers", "0123456789abcdef.lock")
    left.touch()
    store.workers.forget(0, 10**18)
    assert [mine._lock.path] == [str(path) for path in left.parent.iterdir()]
    mine.close()
    assert list(left.parent.iterdir()) == []


def test_where_no_notes_are_kept_each_call_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "NOTES", False)
    pool = processes.ProcessPool(1, None, SystemClock())  # type: ignore[arg-type]
    pool._todo.extend(range(5))  # type: ignore[arg-type]
    assert [pool._next_batch(None) for _ in range(5)] == [[0], [1], [2], [3], [4]]  # type: ignore[arg-type]


def test_macos_gets_a_property_list_without_being_asked(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811 - the fixture
) -> None:
    monkeypatch.setattr(service, "sys", types.SimpleNamespace(platform="darwin", executable="/usr/bin/python3", stdout=sys.stdout, stderr=sys.stderr))
    assert "<!DOCTYPE plist" in cli("service", tmp_path / "db").out
