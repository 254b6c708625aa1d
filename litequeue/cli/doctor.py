"""``doctor``: what is wrong with a file, or may become so, one line each.

Owns the judgement and its thresholds; the facts come from the store's inspection and reports and from the
system. Every check stands alone: one that a damaged or busy file refuses says so, and the next one is made.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..checks import MICROS, aware, clean
from ..client import database_path
from ..clock import SystemClock
from ..errors import CannotOpen, LitequeueError, NotAQueue, QueueBusy
from ..store import Store
from ..store.inspection import Inspection
from ..store.wal import LIMIT
from ..store.workers import process_state
from ..trust import why_untrusted
from . import exits, render

PATIENCE = 2.0  # seconds for the write lock
SLOW_LOCK = 0.5
OLD = 300.0  # seconds that a job may be due and not started
STEP = 5.0  # seconds of the clock
LITTLE_ROOM = 100e6  # bytes
# Locks, or shared memory between processes, do not work there as SQLite needs them.
NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs", "fuse.glusterfs",
    "fuse.s3fs", "fuse.rclone", "davfs", "vboxsf",
}  # fmt: skip
WAL_RESET_FIXED = ((3, 51, 3), (3, 50, 7))

OK, NOTE, WRONG, DAMAGED = "ok", "note", "wrong", "damaged"


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and in words."""

    check: str
    level: str
    text: str


def run(arguments: argparse.Namespace) -> int:
    path = database_path(arguments.db)
    findings = list(examine(path, full=arguments.full))
    if arguments.json:
        render.print_json([finding._asdict() for finding in findings])
    else:
        for check, level, text in findings:
            print(f"{level:<8} {check:<12} {clean(text)}")
    levels = {finding.level for finding in findings}
    if DAMAGED in levels:
        return exits.DAMAGED
    if WRONG not in levels:
        return exits.OK
    return exits.CANNOT_OPEN if findings[-1].check == "open" else exits.NOT_AS_ASKED


def examine(path: str, *, full: bool) -> Iterator[Finding]:
    """Every check in turn. The last one is named "open" where the file could not even be opened."""
    yield sqlite_version(sqlite3.sqlite_version_info)
    yield from _system(path)
    store = Store(path, create=False, adopt=False)
    store.database.patience = PATIENCE
    inspection, now = Inspection(store.database), SystemClock().now()
    try:
        try:
            store.reports.state(0)
        except (CannotOpen, NotAQueue) as error:
            yield Finding("open", WRONG, str(error))
            return
        except LitequeueError as error:
            yield Finding("open", DAMAGED, str(error))
            return
        checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("integrity", lambda: _integrity(inspection, full)),
            ("lock", lambda: _lock(inspection)),
            ("wal", lambda: _wal(inspection, path)),
            ("clock", lambda: _clock(inspection, now)),
            ("workers", lambda: _workers(store, inspection, now)),
            ("tasks", lambda: _tasks(store, inspection)),
            ("jobs", lambda: _jobs(store, now)),
        )
        for name, check in checks:
            try:
                yield from check()
            except QueueBusy as error:
                yield Finding(name, WRONG, str(error))
            except LitequeueError as error:
                yield Finding(name, DAMAGED, str(error))
    finally:
        store.close()


def sqlite_version(version: tuple[int, ...]) -> Finding:
    text = f"SQLite {'.'.join(map(str, version))}"
    if version >= WAL_RESET_FIXED[0] or version[:2] == (3, 50) and version >= WAL_RESET_FIXED[1]:
        return Finding("sqlite", OK, text)
    return Finding(
        "sqlite", OK,
        f"{text}: it can lose commits that overlap a checkpoint (fixed in 3.51.3). Those of litequeue never "
        "overlap; a program that writes to this file by other means must not checkpoint (wal_autocheckpoint=0)",
    )  # fmt: skip


# -- the system's view -------------------------------------------------------------------------------


def _system(path: str) -> Iterator[Finding]:
    for suffix in ("", "-wal", "-shm", "-lock", "-workers"):
        try:
            found = os.stat(path + suffix)
        except OSError:
            continue
        who = f"{path + suffix}: owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}"
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding("file", WRONG, f"{who}: others can read or write it; chmod go= {path + suffix}")
        elif not suffix:
            yield Finding("file", OK, who)
    try:
        why, room = why_untrusted(os.path.realpath(path)), shutil.disk_usage(os.path.dirname(path)).free
    except OSError:
        return
    if why is not None:
        yield Finding("trust", WRONG, f"{why}: workers import no code that this file names")
    level = WRONG if room < LITTLE_ROOM else OK
    yield Finding("disk", level, f"{room / 1e6:,.0f} MB free")
    kind = file_system(os.path.realpath(path))
    if kind is not None:
        bad = kind in NETWORK
        yield Finding("disk", WRONG if bad else OK, f"file system {kind}" + (": SQLite's locks fail there" if bad else ""))


def file_system(path: str) -> str | None:
    """The kind of file system that a path is on, where the system tells (Linux)."""
    best, kind = -1, None
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                before, _, after = line.partition(" - ")
                point = before.split()[4].encode().decode("unicode_escape")
                inside = path == point or path.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= best:
                    best, kind = len(point), after.split()[0]
    except (OSError, IndexError, UnicodeError):
        return None
    return kind


# -- the file's ----------------------------------------------------------------------------------------


def _integrity(inspection: Inspection, full: bool) -> Iterator[Finding]:
    damage = inspection.damage(full=full)
    for text in damage:
        yield Finding("integrity", DAMAGED, text)
    if not damage:
        yield Finding("integrity", OK, "every table and index entry" if full else "every table (--full checks the indexes too)")
    for name in inspection.triggers():
        yield Finding("schema", WRONG, f"the trigger {name} is on litequeue's tables, and is not litequeue's")


def _lock(inspection: Inspection) -> Iterator[Finding]:
    seconds = inspection.lock_wait()
    level = WRONG if seconds > SLOW_LOCK else OK
    yield Finding("lock", level, f"the write lock was had after {render.duration(seconds)}")


def _wal(inspection: Inspection, path: str) -> Iterator[Finding]:
    wal = inspection.wal()
    if wal is None:
        yield Finding("wal", WRONG, "no checkpoint can be made while the write lock is held")
        return
    text = f"{wal.bytes / 1e6:.1f} MB, {wal.copied} of {wal.frames} pages are in the database"
    if wal.copied >= wal.frames or wal.bytes < 2 * LIMIT:
        yield Finding("wal", OK, text)
        return
    users = ", ".join(map(str, _users(path))) or "some process"
    yield Finding("wal", WRONG, f"{text}: a transaction that only reads is open for long, in one of {users}")


def _users(path: str) -> list[int]:
    """The processes that have the file open, but for this one (Linux, and as far as we may look)."""
    found = []
    real = os.path.realpath(path)
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                links = [os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")]
            except OSError:
                continue
            if real in links:
                found.append(int(entry))
    return sorted(found)


def _clock(inspection: Inspection, now: int) -> Iterator[Finding]:
    newest = inspection.newest()
    ahead = 0.0 if newest is None else (newest - now) / MICROS
    if ahead > STEP:
        text = f"somebody wrote a time that is {render.duration(ahead)} from now: the clock was set back"
        yield Finding("clock", WRONG, f"{text}; jobs and leases of that time wait for it")
    else:
        yield Finding("clock", OK, "nobody wrote a time to come")


def _workers(store: Store, inspection: Inspection, now: int) -> Iterator[Finding]:
    locks, lapsed = inspection.lock_files(), inspection.lapsed(now)
    workers = store.reports.workers()
    for worker in workers:
        name = f"{worker.name} (process {worker.pid})"
        dead = inspection.is_dead(locks[worker.id]) if worker.id in locks else None
        late = lapsed.pop(worker.id, 0)
        beat = render.duration(max((aware(now) - worker.heartbeat_at).total_seconds(), 0))
        if dead:
            yield Finding("workers", WRONG, f"{name} is dead; any live worker takes up its jobs: start one")
        elif late or process_state(worker.pid) in ("T", "t"):
            what = f"; {late} of its leases have run out" if late else ""
            yield Finding("workers", WRONG, f"{name} is frozen: its last beat was {beat} ago{what}")
        elif dead is None:
            yield Finding("workers", WRONG, f"{name} has no lock file: somebody deleted it; restart that worker")
        else:
            yield Finding("workers", OK, f"{name} lives; its last beat was {beat} ago")
    for worker_id, count in lapsed.items():
        yield Finding("workers", WRONG, f"{count} leases of worker {worker_id}, which is not there, have run out")
    if not workers:
        yield Finding("workers", NOTE, "no worker serves this file")


def _tasks(store: Store, inspection: Inspection) -> Iterator[Finding]:
    workers = store.reports.workers()
    waiting = inspection.waiting_tasks()
    lost = 0
    for task, count in waiting.items():
        if workers and all(task in worker.unknown_tasks for worker in workers):
            lost += 1
            why = workers[0].unknown_tasks[task]
            yield Finding("tasks", WRONG, f"{count} jobs of {task} wait, and no worker has its code: {why}")
    if not lost:
        yield Finding("tasks", OK, f"jobs of {len(waiting)} tasks are available, none without code")


def _jobs(store: Store, now: int) -> Iterator[Finding]:
    stats = store.reports.stats()
    age = 0.0
    if stats.oldest_available is not None:
        age = (aware(now) - stats.oldest_available).total_seconds()
    counts = ", ".join(f"{count} {state}" for state, count in sorted(stats.states.items())) or "none"
    paused = f"; paused: {', '.join(stats.paused)}" if stats.paused else ""
    text = f"{counts}{paused}"
    if age > OLD:
        yield Finding("jobs", WRONG, f"{text}; the oldest available one has been due for {render.duration(age)}")
    else:
        yield Finding("jobs", OK, text)
