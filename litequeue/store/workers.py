"""Workers in the file: their rows, and the kernel locks that show who is alive.

Owns what the locks in ``DB-workers/`` say, where each live worker holds one on a small file of its own. The kernel drops the
lock when the process ends, however it ends (measured: 0.8 ms after SIGKILL; still held under SIGSTOP). How the folder is
opened, and what in it is a lock, is ``lockfolder``'s.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ..base.bell import TOKEN_BYTES, Address
from ..base.checks import MICROS
from ..base.denied import denied
from ..base.filelock import FileLock
from ..base.lockfolder import LOCK, SUFFIX, LockFolder, Locks, is_ours
from .bells import everyone
from .file import Database
from .limits import ask_all

YOUNG: Final = 60.0  # seconds

REGISTER: Final = """INSERT INTO litequeue_workers
    (name, pid, host, lock_file, wake_port, queues, slots, started_at, heartbeat_at)
VALUES (:name, :pid, :host, :lock_file, :wake_port, :queues, :slots, :now, :now)"""
BEAT: Final = "UPDATE litequeue_workers SET heartbeat_at = :now WHERE id = :worker"
RESIZED: Final = "UPDATE litequeue_workers SET slots = :slots WHERE id = :worker"
REPORT_UNKNOWN: Final = (
    "UPDATE litequeue_workers SET unknown_tasks = :unknown WHERE id = :worker"
)
LEAVE: Final = "UPDATE litequeue_workers SET leaving_at = :now WHERE id = :worker"
STOPPED: Final = """UPDATE litequeue_workers SET stopped_at = :now, wake_port = NULL
WHERE id = :worker AND stopped_at IS NULL"""
LEAVING: Final = "SELECT leaving_at FROM litequeue_workers WHERE id = :worker AND stopped_at IS NULL"
WORKER_NAME: Final = "SELECT name FROM litequeue_workers WHERE id = :worker"
LOCK_FILE: Final = "SELECT lock_file FROM litequeue_workers WHERE id = :worker"
PEERS: Final = """SELECT id, name, lock_file FROM litequeue_workers
WHERE stopped_at IS NULL AND id <> :me"""
FORGET_WORKERS: Final = """DELETE FROM litequeue_workers
WHERE stopped_at IS NOT NULL AND stopped_at < :before"""


class Peer(NamedTuple):
    """Another worker whose row says that it runs."""

    id: int
    name: str
    lock_file: str


class Registration:
    """A worker's place in the file, and its lock; ``close`` gives both up."""

    def __init__(self, worker: int, folder: LockFolder, lock_file: str, lock: FileLock) -> None:
        self.id = worker
        self._folder = folder
        self._lock_file = lock_file
        self._lock = lock

    @property
    def token(self) -> bytes:
        """What datagrams carry that are for this worker."""
        return self._lock_file[:TOKEN_BYTES].encode()

    @property
    def locks_of_children(self) -> Locks:
        """The locks that its pool processes hold while they live; others wait for those."""
        return Locks(self._lock.path.removesuffix(LOCK), self._folder.user)

    def close(self) -> None:
        self._folder.remove(*(self._folder.of_children(self._lock_file) or ()))
        self._folder.let_go(self._lock_file, self._lock)


class Workers:
    """The workers table and its lock files."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folder: LockFolder | None = None

    def _locks(self, *, create: bool = False) -> LockFolder:
        """The folder of the locks, kept open. Raises FileNotFoundError, or CannotOpen for one that is not ours alone."""
        folder = self._folder
        if folder is None or not folder.is_good():
            folder = self._folder = LockFolder(self._database.path + SUFFIX, create=create, user=self._database.user)
        return folder

    def _lock(self, lock_file: str) -> FileLock:
        """Of a row, to be closed. Raises OSError for one that is missing, or no file of a worker's."""
        return self._locks().open(lock_file)

    def register(
        self,
        *,
        name: str,
        host: str,
        wake_port: int | None,
        queues: tuple[str, ...] | None,
        slots: dict[str, int],
        now: int,
        ranges: Mapping[str, tuple[int, int]] = {},
    ) -> Registration:
        """Take a lock file, then add the row: a row without a lock would look dead at once. ``ranges``: within which slots move."""
        self._database.open()  # first, so that its folder is known good
        folder = self._locks(create=True)
        lock_file = f"{os.urandom(TOKEN_BYTES // 2).hex()}{LOCK}"
        lock = folder.hold(lock_file)
        with self._database.write(durable=False) as connection:
            worker = connection.execute(
                REGISTER,
                {
                    "name": name,
                    "pid": os.getpid(),
                    "host": host,
                    "lock_file": lock_file,
                    "wake_port": wake_port,
                    "queues": None if queues is None else json.dumps(queues),
                    "slots": _slots(slots, ranges),
                    "now": now,
                },
            ).lastrowid
            ask_all(connection)
        assert worker is not None
        return Registration(worker, folder, lock_file, lock)

    def peers(self, me: int) -> list[Peer]:
        with self._database.read() as connection:
            return [Peer(*row) for row in connection.execute(PEERS, {"me": me}).fetchall()]

    def is_leaving(self, worker: int) -> bool:
        """Whether the worker had announced that it was shutting down."""
        row = self._database.one(LEAVING, {"worker": worker})
        return row is not None and row[0] is not None

    def name(self, worker: int) -> str:
        row = self._database.one(WORKER_NAME, {"worker": worker})
        return "that is not in the list" if row is None else row[0]

    @contextlib.contextmanager
    def proven_dead(self, peer: Peer) -> Iterator[bool]:
        """Whether this peer's process is dead, and those of its pool; while the block runs nobody else can judge it.

        A missing lock file proves nothing (somebody may have deleted it): then only the lease tells.
        """
        if is_ours(peer.lock_file):
            yield False
            return
        try:
            folder = self._locks()
            lock = folder.open(peer.lock_file)
        except OSError:  # missing, or planted: no file of a worker's
            yield False
            return
        try:
            # Its pool processes may outlive it by a moment, and must not run beside those who take its jobs.
            children = folder.of_children(peer.lock_file) if lock.try_acquire() else None
            dead = children is not None and all(map(folder.is_free, children))
            yield dead
            if dead:
                folder.remove(*(children or ()), peer.lock_file)
        finally:
            lock.close()

    def is_dead(self, lock_file: str) -> bool | None:
        """Whether a worker's process is gone, as people are told it; None where its lock is."""
        if is_ours(lock_file):
            return False
        try:
            lock = self._lock(lock_file)
        except OSError:
            return None
        try:
            return lock.try_acquire()
        finally:
            lock.close()

    def why_refused(self, lock_file: str | None = None) -> str | None:
        """What is the matter with the locks' folder, and with a lock of which ``is_dead`` does not know; None if it is only missing."""
        try:
            folder = self._locks()
            if lock_file is not None:
                folder.open(lock_file).close()
            elif not os.access(folder.path, os.W_OK | os.X_OK):
                return f"no lock can be made: {denied(folder.path)}"
        except FileNotFoundError:
            return None
        except OSError as error:
            return str(error)
        return None

    def kept_by(self) -> int | None:
        """Whose the folder of the locks is, where he lets nobody else look: of his workers it is not known which live, and others than
        his do not start. Else None."""
        path = self._database.path + SUFFIX
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            if hasattr(os, "geteuid") and found.st_uid != os.geteuid() != 0 and not os.access(path, os.R_OK | os.X_OK):
                return found.st_uid
        return None

    def is_running(self, worker: int) -> bool:
        """Whether a worker's process certainly lives and is not stopped, however late its heartbeat.

        A task that holds the GIL for a minute, or a debugger, keeps the heartbeat from running, and is not
        death. Who holds the lock, and whether he is suspended (SIGSTOP), Linux tells; elsewhere: False.
        """
        row = self._database.one(LOCK_FILE, {"worker": worker})
        if row is None:
            return False
        if is_ours(row[0]):
            return True
        try:
            lock = self._lock(row[0])
        except OSError:
            return False
        try:
            holder = lock.holder()
        finally:
            lock.close()
        state = None if holder is None else process_state(holder)
        return state is not None and state not in ("T", "Z", "X")

    def resized(self, worker: int, slots: Mapping[str, int], ranges: Mapping[str, tuple[int, int]], patience: float | None = None) -> None:
        """Show on the worker's row how many slots it has now."""
        with self._database.write(durable=False, patience=patience) as connection:
            connection.execute(RESIZED, {"worker": worker, "slots": _slots(slots, ranges)})

    def report_unknown(self, worker: int, unknown: dict[str, str], patience: float | None = None) -> None:
        """Show on the worker's row which tasks it has no code for, and why."""
        with self._database.write(durable=False, patience=patience) as connection:
            connection.execute(
                REPORT_UNKNOWN, {"worker": worker, "unknown": json.dumps(unknown)}
            )

    def leave(self, worker: int, now: int) -> None:
        """Say that what still runs here is to be released, not rescued, once the process is gone."""
        with self._database.write(durable=False) as connection:
            connection.execute(LEAVE, {"worker": worker, "now": now})

    def stopped(self, worker: int, now: int) -> None:
        with self._database.write(durable=False) as connection:
            connection.execute(STOPPED, {"worker": worker, "now": now})

    def forget(self, before: int, now: int) -> None:
        """Delete the rows of workers that stopped before then, and lock files that belong to nobody."""
        with self._database.write(durable=False) as connection:
            connection.execute(FORGET_WORKERS, {"before": before})
        self._sweep(now)

    def _sweep(self, now: int) -> None:
        """Remove what a process left that was killed between its lock file and its row, or as it signed off."""
        known = {peer.lock_file for peer in self.peers(0)}
        with contextlib.suppress(OSError):
            folder = self._locks()
            for name in folder.names():
                if name not in known and not is_ours(name):
                    with contextlib.suppress(OSError):  # one that was planted keeps no other
                        self._sweep_one(folder, name, now)

    def _sweep_one(self, folder: LockFolder, name: str, now: int) -> None:
        if folder.changed(name) > now / MICROS - YOUNG:
            return  # it may be about to be locked
        with contextlib.closing(folder.open(name)) as lock:
            if lock.try_acquire():
                folder.remove(name)

    def addresses(self) -> list[Address]:
        with self._database.read() as connection:
            return everyone(connection)


def _slots(slots: Mapping[str, int], ranges: Mapping[str, tuple[int, int]]) -> str:
    """The row's column: numbers by pool, and, where there are ranges, those beside them."""
    return json.dumps({**slots, "elastic": ranges} if ranges else slots)


def process_state(pid: int) -> str | None:
    """The letter by which Linux says what a process of this host does: T stopped, t traced, Z gone, ...;
    None where that cannot be told."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return None


def is_process(pid: int) -> bool:
    """Whether a row's number can be that of a worker's process, as far as can be told: it may be planted (``kill -9 -1`` ends all
    that one has), or count in another container."""
    return pid > 1 and (not os.path.exists("/proc/self") or os.path.exists(f"/proc/{pid}"))


def resident(pid: int) -> int | None:
    """The bytes that a process of this host has in memory, as Linux says; None where that cannot be told."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None
