"""Faults to inject: a process that dies at one SQL statement, outsiders that hold locks, a disk without room.

Owns the ways to break things, each a function or a block that undoes what it did. Needs no root but for real
small file systems (``small_disk`` skips the test without). Knows nothing of jobs: what must hold after a
fault is each test's to say.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from .support import registered, wait_until, worker_process

When = Literal["before", "after"]

# -- death at a statement ------------------------------------------------------------------------------


class Statement(NamedTuple):
    """One of a victim that lives."""

    kind: str  # its first two words, without comments
    busy: bool  # since the one before, the process may have changed something by other means


class Killer:
    """Counts this process's SQL statements, whatever the connection or thread, and dies at one of them."""

    def __init__(self) -> None:
        self.seen = 0
        self.statements: list[Statement] = []
        self._deeds = Deeds()
        self._counting = False
        self._nth = 0
        self._when: When = "before"
        self._matching = ""
        self._lock = threading.Lock()

    def arm(self, nth: int, when: When, matching: str = "") -> None:
        """Die just before or just after the nth statement from now that contains ``matching``; 0: only count."""
        self._nth, self._when, self._matching, self._counting = nth, when, matching, True
        if nth == 0:
            self._deeds.watch()

    @contextlib.contextmanager
    def statement(self, sql: str) -> Iterator[None]:
        if not self._counting or self._matching not in sql:
            yield
            return
        with self._lock:
            self.seen += 1
            mine = self.seen == self._nth
            if self._nth == 0:
                kind = " ".join(re.sub(r"--.*", "", sql).split()[:2]).upper()
                self.statements.append(Statement(kind, self._deeds.any()))
        if mine and self._when == "before":
            die()
        yield
        if mine:
            die()
        self._deeds.forget()


class Deeds:
    """Whether this process may have changed what outlives it, by other means than SQLite's.

    By what Python tells its auditors (of files that are opened, made, renamed, locked ...), and by what the kernel counts of
    its writes, be they into a pipe. Once it watches, it does so for ever: so only in a child.
    """

    def __init__(self) -> None:
        self._told = True
        self._written: object = None
        self._counters = -1

    def watch(self) -> None:
        with contextlib.suppress(OSError):  # where the kernel does not count, there may always have been something
            self._counters = os.open("/proc/self/io", os.O_RDONLY)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: object) -> None:
        if event.startswith(("open", "os.", "fcntl.", "socket.", "sqlite3.")):
            self._told = True

    def any(self) -> bool:
        return self._told or self._written != self._count()

    def forget(self) -> None:
        self._told, self._written = False, self._count()

    def _count(self) -> object:
        return os.pread(self._counters, 4096, 0).split()[7] if self._counters >= 0 else object()


def die() -> None:
    """End this process as kill -9 does: nothing is flushed, closed or undone."""
    os.kill(os.getpid(), signal.SIGKILL)


def watch_statements() -> Killer:
    """Let every connection that this process opens from now on report to a Killer, which it returns.

    For ever: so only in a child. ``close`` counts too, since the last one checkpoints; litequeue's commits are
    statements of their own.
    """
    killer = Killer()

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
            with killer.statement(sql):
                return super().execute(sql, *more)

        def executemany(self, sql: str, *more: Any) -> sqlite3.Cursor:
            with killer.statement(sql):
                return super().executemany(sql, *more)

        def close(self) -> None:
            with killer.statement("CLOSE"):
                super().close()

    connect = sqlite3.connect
    sqlite3.connect = lambda *words, **options: connect(*words, **{**options, "factory": Watched})
    return killer


def kill_at(nth: int, when: When, matching: str = "") -> None:
    """The whole fault in one call, for the ``fault`` of a ``faulty_worker``."""
    watch_statements().arm(nth, when, matching)


class Victim(NamedTuple):
    """The child's side of ``run_victim``."""

    arm: Callable[[], None]  # count from here: what came before was only to get there
    say: Callable[[str], object]  # tell the parent, at once and for good, what a caller was told


class End(NamedTuple):
    """What became of a victim."""

    killed: bool
    said: list[str]
    statements: list[Statement]  # those that it executed, if it lived


def run_victim(work: Callable[[Victim], None], nth: int = 0, when: When = "before") -> End:
    """Run ``work`` in a forked child that dies at its nth statement after ``arm()``; 0: it lives, and counts.

    The parent may have no database open, since SQLite does not survive a fork.
    """
    hear, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)  # no orphan, should the parent be gone
        try:
            os.close(hear)
            killer = watch_statements()
            work(Victim(lambda: killer.arm(nth, when), lambda line: os.write(tell, f"{line}\n".encode())))
            os.write(tell, f"{json.dumps(killer.statements)}\n".encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child of a fork must not go on as a second pytest
            os.write(tell, traceback.format_exc().encode())
            os._exit(1)
    os.close(tell)
    with open(hear) as file:
        said = file.read().splitlines()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, -signal.SIGKILL), "\n".join(said)
    if status == 0:
        return End(False, said[:-1], [Statement(*words) for words in json.loads(said[-1])])
    return End(True, said, [])


def kill_points(statements: list[Statement]) -> Iterator[tuple[int, When]]:
    """Where to kill the next victim of this kind, so that each kill finds something else than all others.

    After each of its statements; and before one, where since the one before it the process may have changed something
    itself: else that would be the same kill again. Of the many statements by which a schema is made, one after another in one
    transaction, only the first and the last of each kind: that the file has all of them or none is SQLite's to see to,
    wherever among them the process dies, and that they are in one transaction is seen as well by the first and the last.
    """
    making = ("CREATE TABLE", "CREATE INDEX", "ALTER TABLE")
    kinds = [statement.kind for statement in statements]
    for nth, (kind, busy) in enumerate(statements, 1):
        if kind in making and kind in kinds[: nth - 1] and kind in kinds[nth:]:
            continue
        if busy or nth == 1:
            yield nth, "before"
        yield nth, "after"


def die_at_deed(nth: int) -> Callable[[], int]:
    """Die before the nth thing by which this process may change a file, as kill -9 does; 0: only count. What it says how many there were.

    By what Python tells its auditors, and by the statements; for ever, so only in a child. What only looks is left out: a kill before it finds what one
    before the next change does.
    """
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            die()

    def hear(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            if given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                count()
        elif event.startswith("os.") and event not in ("os.listdir", "os.scandir", "os.getxattr"):
            count()

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
            if not sql.startswith(("SELECT", "PRAGMA")) or "journal_mode =" in sql or "checkpoint(" in sql:
                count()
            return super().execute(sql, *more)

        def backup(self, *words: Any, **more: Any) -> None:
            count()
            super().backup(*words, **more)

        def close(self) -> None:
            count()
            super().close()

    connect = sqlite3.dbapi2.connect  # not as ``watch_statements`` may have left it
    sqlite3.connect = lambda *words, **options: connect(*words, **{**options, "factory": Watched})
    sys.addaudithook(hear)
    return lambda: seen


def cli_with(fault: str) -> str:
    """The command line as code for ``python -c``, in which ``faults.{fault}`` is called before anything else."""
    return f"import sys; from tests import faults; faults.{fault}; from litequeue.cli import main; sys.exit(main())"


@contextlib.contextmanager
def faulty_worker(db: Path, fault: str, *flags: object) -> Iterator[subprocess.Popen[str]]:
    """A worker process with a fault; yields once it has registered, or died of it."""
    program = (sys.executable, "-c", cli_with(fault))
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with worker_process(db, *flags, wait=False, program=program, **streams) as process:
        wait_until(lambda: registered(db, process.pid) or process.poll() is not None, what="the worker registers")
        yield process


def patience(seconds: float) -> None:
    """Give up on locks sooner than after the usual 30 s; in a child, as the ``fault`` of ``cli_with``."""
    from litequeue.store.file.database import Database

    Database.__init__.__kwdefaults__["patience"] = seconds


def shift_clock(path: str) -> None:
    """Let this process's wall clock be off by the seconds that stand in a file; as the ``fault`` of ``cli_with``."""
    real = time.time_ns

    def shifted() -> int:
        try:
            return real() + int(Path(path).read_text() or "0") * 1_000_000_000
        except FileNotFoundError:
            return real()

    time.time_ns = shifted


# -- outsiders ------------------------------------------------------------------------------------------

_SQLITE_LOCK = "connection.execute('BEGIN IMMEDIATE')"
_HALF_READ = "cursor = connection.execute('SELECT * FROM litequeue_jobs'); assert cursor.fetchone()"
_GATE = "gate = open(sys.argv[1] + '-lock', 'r+'); fcntl.lockf(gate, fcntl.LOCK_EX)"
_OUTSIDER = """
import fcntl, select, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
{hold}
print("held", flush=True)
select.select([sys.stdin], [], [], float(sys.argv[2]))
"""


class Outsider(NamedTuple):
    """A process that does not use litequeue, and holds something until it ends."""

    pid: int
    since: float  # monotonic


@contextlib.contextmanager
def _held(hold: str, db: Path, seconds: float) -> Iterator[Outsider]:
    process = subprocess.Popen(
        [sys.executable, "-c", _OUTSIDER.format(hold=hold), str(db), str(seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield Outsider(process.pid, time.monotonic())
    finally:
        process.communicate()


def hog_of_sqlite(db: Path, seconds: float = 60) -> contextlib.AbstractContextManager[Outsider]:
    """Somebody's transaction holds SQLite's write lock: until the block ends, or for ``seconds``."""
    return _held(_SQLITE_LOCK, db, seconds)


def hog_of_the_gate(db: Path, seconds: float = 60) -> contextlib.AbstractContextManager[Outsider]:
    """Somebody holds the kernel lock on ``DB-lock``, which every writer of litequeue's takes first."""
    return _held(_GATE, db, seconds)


def half_read(db: Path, seconds: float = 60) -> contextlib.AbstractContextManager[Outsider]:
    """Somebody has read one row of the jobs and not the rest: no checkpoint can pass their snapshot."""
    return _held(_HALF_READ, db, seconds)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """SIGSTOP a process for the length of the block: it is frozen, not dead, and keeps its locks."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


# -- disks ----------------------------------------------------------------------------------------------


def _mount(*words: object) -> bool:
    return subprocess.run(["mount", *map(str, words)], capture_output=True, check=False).returncode == 0


class SmallDisk(NamedTuple):
    """A mounted tmpfs of a few hundred kilobytes."""

    path: Path

    def fill(self) -> None:
        """Leave no byte free."""
        block = 1 << 16
        with open(self.path / "filler", "ab", buffering=0) as file:
            while block:  # what falls short is tried again with less
                try:
                    file.write(b"x" * block)
                except OSError as error:
                    assert error.errno == errno.ENOSPC
                    block //= 2

    def free(self) -> None:
        (self.path / "filler").unlink()

    def read_only(self) -> None:
        assert _mount("-o", "remount,ro", self.path)


@contextlib.contextmanager
def small_disk(path: Path, size: str = "1m") -> Iterator[SmallDisk]:
    """A small file system of its own at ``path``; skips the test where this user cannot mount one."""
    path.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", path):
        pytest.skip("needs root on Linux, and leave to mount a tmpfs")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextlib.contextmanager
def failing(pid: int, calls: str, path: str) -> Iterator[None]:
    """Inside the block these system calls of a running process on one file fail with EIO; needs strace."""
    fault = ["-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO"]
    words = [strace(), "-f", "-p", str(pid), "-P", path, "-o", os.devnull, *fault]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    try:
        said = ""
        while "attached" not in said:
            line = tracer.stderr.readline()
            assert line, said
            said += line
            if "ptrace" in said:
                pytest.skip("strace may not trace here")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)  # it lets go of the process
        tracer.communicate()


def strace() -> str:
    """The tool that lets system calls fail; skips the test where there is none."""
    return shutil.which("strace") or pytest.skip("needs strace")


@contextlib.contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """RLIMIT_FSIZE for this process: writes beyond are cut short, as on a device without room. In a child only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def damage(db: Path, table: str) -> None:
    """Overwrite 300 bytes at the start of a table's root page. Nobody may have the file open."""
    with contextlib.closing(sqlite3.connect(db)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with open(db, "r+b") as file:
        file.seek((root - 1) * size)
        file.write(bytes(range(7, 7 + 150)) * 2)


def digest(path: Path) -> str:
    """To see that not a byte has changed. Nobody in this process may have the file open in SQLite."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
