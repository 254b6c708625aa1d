from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue.store import Store
from litequeue.store.workers import Peer, Registration

from ..support import FakeClock, environment

pytestmark = pytest.mark.beside

HOLD = """
import sys, time
from litequeue.store import Store
store = Store(sys.argv[1])
store.workers.register(name="peer", host="h", wake_port=None, queues=None, slots={}, now=1)
print("up", flush=True)
time.sleep(600)
"""


def register(store: Store, clock: FakeClock, name: str = "me") -> Registration:
    return store.workers.register(
        name=name, host="h", wake_port=4711, queues=("a",), slots={"thread": 2}, now=clock.now()
    )


def start_peer(db: Path) -> subprocess.Popen[str]:
    peer = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(db)], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert peer.stdout is not None
    assert peer.stdout.readline() == "up\n"
    return peer


def is_dead(store: Store, peer: Peer) -> bool:
    with store.workers.proven_dead(peer) as dead:
        return dead


def test_a_killed_process_is_dead_and_a_stopped_one_is_not(store: Store, db: Path, clock: FakeClock) -> None:
    me = register(store, clock)
    process = start_peer(db)
    (peer,) = store.workers.peers(me.id)
    assert not is_dead(store, peer)
    process.send_signal(signal.SIGSTOP)
    assert not is_dead(store, peer)
    process.kill()
    process.communicate()
    assert is_dead(store, peer)
    assert not (Path(f"{db}-workers") / peer.lock_file).exists()
    me.close()


def test_a_process_never_judges_its_own_workers(store: Store, clock: FakeClock) -> None:
    first, second = register(store, clock, "a"), register(store, clock, "b")
    (peer,) = store.workers.peers(first.id)
    assert peer.id == second.id
    assert not is_dead(store, peer)
    # Probing must not have dropped our own lock: another process still sees it held.
    path = Path(f"{store.path}-workers") / peer.lock_file
    probe = "import sys; from litequeue.base.filelock import FileLock; print(FileLock(sys.argv[1]).try_acquire())"
    done = subprocess.run(
        [sys.executable, "-c", probe, str(path)], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout == "False\n"
    first.close()
    second.close()


def test_a_missing_lock_file_proves_nothing(store: Store, clock: FakeClock) -> None:
    me, other = register(store, clock), register(store, clock)
    peer = Peer(other.id, "x", "0123456789abcdef.lock")
    assert not is_dead(store, peer)
    me.close()
    other.close()


def test_a_symbolic_link_in_place_of_the_folder_or_file_is_refused(db: Path, tmp_path: Path, clock: FakeClock) -> None:
    import pytest

    from litequeue import CannotOpen

    target = tmp_path / "target"
    target.mkdir()
    Path(f"{db}-workers").symlink_to(target)
    store = Store(str(db))
    with pytest.raises(CannotOpen, match="symbolic link"):
        register(store, clock)
    store.close()
    assert list(target.iterdir()) == []
    other = tmp_path / "other.sqlite"
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, f"{other}-lock")
    with pytest.raises(CannotOpen, match="symbolic link"):
        Store(str(other)).open_and_close()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("planted", ["a link", "a folder", "a pipe"])
def test_what_dead_workers_left_is_removed_whatever_somebody_planted_beside_it(
    store: Store, clock: FakeClock, planted: str
) -> None:
    register(store, clock).close()  # makes the folder
    folder = Path(f"{store.path}-workers")
    plant = {"a link": lambda path: path.symlink_to("nowhere"), "a folder": Path.mkdir, "a pipe": os.mkfifo}[planted]
    for number in range(9):
        plant(folder / f"{number:016x}.lock")
        (folder / f"{number + 9:016x}.lock").touch()
    for entry in folder.iterdir():
        os.utime(entry, (0, 0), follow_symlinks=False)
    store.workers.forget(clock.now(), clock.now())
    assert {entry.name for entry in folder.iterdir()} == {f"{number:016x}.lock" for number in range(9)}


def test_ports_are_those_of_live_workers(store: Store, clock: FakeClock) -> None:
    me = register(store, clock)
    assert [port for port, _ in store.workers.addresses()] == [4711]
    (info,) = store.reports.workers()
    assert (info.name, info.queues, info.slots) == ("me", ("a",), {"thread": 2})
    store.workers.report_unknown(me.id, {"x.y": "why"})
    assert store.reports.workers()[0].unknown_tasks == {"x.y": "why"}
    store.workers.stopped(me.id, clock.now())
    assert store.workers.addresses() == []
    store.workers.forget(clock.now() + 1, clock.now())
    assert store.reports.workers(stopped=True) == []
    me.close()
