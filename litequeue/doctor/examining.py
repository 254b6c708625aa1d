"""What is wrong with a file, or may become so, one line each.

Owns the order of the checks, and the judgement of the file's own; what is around it is in ``host``, who
serves it in ``work``, what waits for other jobs in ``waits``. The facts come from the store's inspection and reports. Every check stands alone: one that a
damaged or busy file refuses says so, and the next one is made.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Callable, Iterator

from ..backup.telling import said_of
from ..base.checks import MICROS, aware
from ..base.clock import SystemClock
from ..base.durations import about
from ..base.errors import CannotOpen, LitequeueError, NotAQueue
from ..store import Store
from ..store.file.wal import LIMIT
from ..store.inspection import Inspection, damage_told
from . import host, waits, work
from .finding import BUSY, DAMAGED, NOTE, OK, WRONG, Finding, refused

PATIENCE = 2.0  # seconds for the write lock
SLOW_LOCK = 0.5
TOUCHING = ("lock", "wal")
OLD = 300.0  # seconds that a job may be due and not started
STEP = 5.0  # seconds of the clock
WAL_RESET_FIXED = ((3, 51, 3), (3, 50, 7))


def examine(path: str, *, full: bool, touches: bool = True) -> Iterator[Finding]:
    """Every check in turn. The last one is named "open" where the file could not even be opened. Not ``touches``: without those that take the
    write lock, or make a checkpoint."""
    yield sqlite_version(sqlite3.sqlite_version_info)
    yield from host.trust(path)
    store, parts = Store(path, create=False, adopt=False), host.parts(path)
    store.database.patience = PATIENCE
    inspection, now = Inspection(store.database), SystemClock().now()
    try:
        try:
            store.reports.state(0)
        except LitequeueError as error:
            if not isinstance(error, (CannotOpen, NotAQueue)):
                yield from host.disk(path)
            yield refused("open", error)
            return
        yield from host.modes(path, parts)
        yield from host.disk(path)
        yield from host.zone()
        yield from host.process_1()
        checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("integrity", lambda: _integrity(inspection, path, full)),
            ("lock", lambda: _lock(inspection)),
            ("wal", lambda: _wal(inspection, path)),
            ("copy", lambda: _copy(store, path, now)),
            ("clock", lambda: _clock(inspection, now)),
            ("workers", lambda: work.workers(store, inspection, now)),
            ("tasks", lambda: work.tasks(store, inspection, now)),
            ("jobs", lambda: _jobs(store, now)),
            ("workflows", lambda: waits.workflows(inspection, path, now, full)),
            ("schedules", lambda: work.schedules(store, inspection, now)),
            ("notices", lambda: work.notices(store, inspection)),
            ("alerts", lambda: work.alerts(store, now)),
        )
        for name, check in checks if touches else (each for each in checks if each[0] not in TOUCHING):
            try:
                with damage_told(store.database):
                    yield from check()
            except LitequeueError as error:
                yield refused(name, error)
    finally:
        store.close()


def alive(path: str, host: str) -> Iterator[Finding]:
    """The one check that a supervisor of this host's worker wants: whether it is to be restarted."""
    store = Store(path, create=False, adopt=False)
    try:
        with damage_told(store.database):
            yield from work.lives(store, Inspection(store.database), host, SystemClock().now())
    except LitequeueError as error:
        yield refused("open", error)
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


# -- the file's ----------------------------------------------------------------------------------------


def _integrity(inspection: Inspection, path: str, full: bool) -> Iterator[Finding]:
    if not full and inspection.is_large():
        yield Finding("integrity", OK, "not looked at, since the file is large (--full reads all of it)")
        return
    damage = inspection.damage(full=full)
    for line in "\n".join(damage).splitlines():
        if not line.startswith("***"):  # SQLite's heading: "in database main"
            yield Finding("integrity", DAMAGED, line)
    if damage:
        advice = f"restore a backup, or salvage what can be read: sqlite3 {shlex.quote(path)} .recover"
        yield Finding("integrity", DAMAGED, f"stop what uses it, and {advice}")
    else:
        yield Finding("integrity", OK, "every table and index entry" if full else "every table (--full checks the indexes too)")


def _lock(inspection: Inspection) -> Iterator[Finding]:
    seconds = inspection.lock_wait()
    level = WRONG if seconds > SLOW_LOCK else OK
    yield Finding("lock", level, f"the write lock was had after {about(seconds)}")


def _wal(inspection: Inspection, path: str) -> Iterator[Finding]:
    wal = inspection.wal()
    if wal is None:
        yield Finding("wal", BUSY, f"no checkpoint can be made: {inspection.held_up() or 'its lock is held'}")
        return
    text = f"{wal.bytes / 1e6:.1f} MB, {wal.copied} of {wal.frames} pages are in the database"
    if wal.copied >= wal.frames or wal.bytes < 2 * LIMIT:
        yield Finding("wal", OK, text)
        return
    holders = inspection.readers()
    if holders:
        who = ", ".join(f"{pid or 'one that cannot be named'}{'' if uid is None else f' (uid {uid})'}" for pid, uid in holders)
        kinds = "of a transaction that is open for long, or of who may only read the file"
        yield Finding("wal", WRONG, f"{text}: a reader's lock on {path}-shm, {kinds}, is held by {who}")
        return
    users = ", ".join(map(str, host.users(path))) or "some process"
    yield Finding("wal", WRONG, f"{text}: a transaction that only reads was open for long, in one of {users}")


def _copy(store: Store, path: str, now: int) -> Iterator[Finding]:
    said = said_of(store.marks.read(), path, now)
    if said is not None:
        yield Finding("copy", NOTE, said)


def _clock(inspection: Inspection, now: int) -> Iterator[Finding]:
    newest = inspection.newest()
    ahead = 0.0 if newest is None else (newest - now) / MICROS
    if ahead > STEP:
        text = f"somebody wrote a time that is {about(ahead)} from now: the clock was set back"
        yield Finding("clock", WRONG, f"{text}; jobs and leases of that time wait for it")
    else:
        yield Finding("clock", OK, "nobody wrote a time to come")


def _jobs(store: Store, now: int) -> Iterator[Finding]:
    stats = store.reports.stats()
    age = 0.0
    if stats.oldest_available is not None:
        age = (aware(now) - stats.oldest_available).total_seconds()
    counts = ", ".join(f"{count} {state}" for state, count in sorted(stats.states.items())) or "none"
    paused = f"; paused: {', '.join(stats.paused)}" if stats.paused else ""
    text = f"{counts}{paused}"
    if age > OLD:
        yield Finding("jobs", WRONG, f"{text}; the oldest available one has waited for {about(age)}")
    else:
        yield Finding("jobs", OK, text)
