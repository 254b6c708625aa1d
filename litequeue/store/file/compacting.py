"""How a file gives back the room that holds nothing any more: SQLite's VACUUM, in place, under the write lock, while all who have the file open wait.

Owns that choice, what it needs, and for how long others may be held up. The file stays the file that it was, so nobody has to close or reopen it, readers
included; and it is one transaction of SQLite's: killed at any moment, the file is as it was, or compact, and what was committed is there. First a copy of what
is left is made, in a file of SQLite's that has no name; it goes into the log, which is its commit; and from there over the file, which is then cut short.

It takes as long as what is *left* takes to be written twice: 150 MB of a million jobs 1.3 to 1.8 s here, the 15 MB of a file that was nine tenths empty
0.13 s. That is why it may be done beside workers: a file that has much to give back has little to copy. What was not begun to be written by a third of its time
is given up, since from then on nothing ends it; nothing is changed by that, and a worker's or a producer's patience for the lock is longer.

Not taken: ``auto_vacuum``, which every file would have to be made with, and which keeps a map of pages up to date with each that is written; and a copy that is
put in the place of the file, since every program that has it open would have to stop, and would stop (``identity``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from typing import Final, NamedTuple

from ...base import forkguard
from ...base.as_owner import acting_as
from ...base.clock import monotonic
from ...base.errors import QueueBusy, StorageFull
from ...base.softguard import shielded
from .connections import Connection, waiting
from .database import Database
from .files import log_size, size
from .sqlerrors import translated

PAGES: Final = "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
SHARE: Final = 3  # of its time may go by before it is written
SPARE: Final = 1.02  # of what is copied: the log has a head for each page
LOOK_EVERY: Final = 10_000  # instructions of SQLite's, a millisecond
READERS: Final = 5.0  # seconds to wait for them, before the file can be cut short


class Room(NamedTuple):
    """Bytes of a file."""

    file: int  # as long as it is
    log: int
    used: int  # pages of it that hold something
    free: int  # and that hold nothing


def room(database: Database) -> Room:
    with database.read() as connection:
        pages, free, each = connection.execute(PAGES).fetchone()
    return Room(size(database.path), log_size(database.path), (pages - free) * each, free * each)


def refuse_little_room(path: str, needed: int) -> None:
    """Raise StorageFull where the copy has no room. It lies once among SQLite's temporary files, and once in the log beside the file."""
    places = {os.path.dirname(path), _temporary()}
    shared = len({_device(place) for place in places}) == 1
    for place in sorted(places):
        wanted = int(needed * SPARE) * (2 if shared else 1)
        free = shutil.disk_usage(place).free
        if free < wanted:
            what = "the copy, and it once more in the log" if shared else "the copy" if place == _temporary() else "the copy, in the log"
            raise StorageFull(
                f"{path}: {wanted / 1e6:,.1f} MB are needed in {place}, for {what}, and {free / 1e6:,.1f} are free. Nothing was changed"
                + ("" if shared or place != _temporary() else "; SQLITE_TMPDIR names another folder for it")
            )


def _temporary() -> str:
    """Where SQLite makes its temporary files."""
    if os.name == "nt":
        import tempfile

        return tempfile.gettempdir()
    asked = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp")
    return next((place for place in asked if place and os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)), ".")


def _device(place: str) -> int:
    return os.stat(place).st_dev


def compact(database: Database, seconds: float) -> bool:
    """Give back what holds nothing; whether the file is as short already: else somebody reads it, and whoever writes the log into it next
    cuts it. Raises QueueBusy if that would take longer than ``seconds``, or another StoreError; then nothing has changed."""
    handles = database.held()
    with shielded, forkguard.inside, translated(database.path):
        turn = handles.enter(min(database.patience, seconds))
        try:
            handles.identity.verify()
            connection = database.writer(handles, True)
            try:
                with acting_as(database.user):
                    _vacuum(connection, database.path, seconds / SHARE)
            except BaseException:
                _shorten(connection, 0)  # what it had written there is nobody's
                raise
            return _shorten(connection, READERS)
        finally:
            turn.leave()


def _vacuum(connection: Connection, path: str, seconds: float) -> None:
    until = monotonic() + seconds
    ended: list[BaseException | None] = []

    def look() -> int:
        try:
            if monotonic() < until:
                return 0
            ended.append(None)
        except BaseException as error:  # noqa: BLE001 - a signal's handler has raised: sqlite3 would swallow it
            ended.append(error)
        return 1

    connection.set_progress_handler(look, LOOK_EVERY)
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if not ended:
            raise
        if ended[0] is not None:
            raise ended[0] from None
        raise QueueBusy(
            f"{path}: a copy of what is left was not made within {seconds:.3g} s, a third of the time for which others may be held up. Nothing was changed. "
            "Stop the workers and programs that use the file, and give it longer, such as --within 10m"
        ) from error
    finally:
        connection.set_progress_handler(None, 0)


def _shorten(connection: Connection, seconds: float) -> bool:
    """Write the log into the file, and cut both short; whether nobody was in the way."""
    with contextlib.suppress(sqlite3.Error), waiting(connection, seconds):
        return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return False
