"""Who holds SQLite's locks of a file, for the error of whoever waited for one in vain, and for the doctor.

Owns the reading of Linux's ``/proc/locks``; elsewhere nobody knows. Takes and asks for no lock: a query through a
descriptor of ours would end in closing it, which drops the locks of the whole process.

A lock for reading can be had by whoever may read the -shm file, and it keeps off those for writing for as long as he likes.
SQLite's own readers lock other bytes than its writers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

# https://www.sqlite.org/walformat.html, "WAL Locks": the bytes of the -shm file that stand for WAL_WRITE_LOCK, WAL_CKPT_LOCK
# and WAL_RECOVER_LOCK. Of these SQLite takes the first for reading, for a moment, where it may not write the file; no other.
_WRITE: Final = 120
_LAST: Final = 122
_READERS: Final = (123, 127)  # WAL_READ_LOCK(0) to (4): of honest readers while a transaction is open
_SHARED: Final = 0x4000_0002  # SHARED_FIRST, of the file itself: whoever has it open in WAL mode holds some of these, or all
_SHARED_LAST: Final = 0x4000_01FF


def holder(path: str) -> int | None:
    """The process that writes to the database now; None for nobody, or unknown."""
    return _first(path, _WRITE, _WRITE, "WRITE") or None


def why_held_up(path: str) -> str | None:
    """Who keeps off writers or checkpoints by a lock for reading, in words; None for nobody, or unknown."""
    found = _first(path, _WRITE, _LAST, "READ")
    if found is None:
        return None
    uid = _user(found)
    import shlex  # for the few who see this

    of, db = "" if uid is None else f" of uid {uid}", shlex.quote(path)
    who = f"process {found}{of}" if found else "a process that cannot be named (doctor may, as root)"
    return (
        f"{who} holds a lock for reading on {path}-shm that keeps off all who write, as no SQLite does: it need only "
        f"be allowed to read that. End it, and let nobody else read the file: chmod go= {db} {db}-shm"
    )


def readers(path: str) -> list[tuple[int, int | None]]:
    """The processes that hold a reader's lock now, 0 for one that cannot be named, each with its user, if that can be told; those of
    another user than us first.
    Whoever may read -shm can hold one for ever, and need not have the file open."""
    found = [(pid, _user(pid)) for pid in sorted(set(_held(path, *_READERS, "READ")))]
    return sorted(found, key=lambda it: it[1] == os.geteuid())


def users(path: str) -> list[int]:
    """The processes that have the database open in WAL mode, this one too; 0 for one that cannot be named, and none where the system does not tell."""
    return sorted({pid for kind in ("READ", "WRITE") for pid in _held(path, _SHARED, _SHARED_LAST, kind, "")})


def _first(path: str, first: int, last: int, kind: str) -> int | None:
    return next(_held(path, first, last, kind), None)


def _held(path: str, first: int, last: int, kind: str, suffix: str = "-shm") -> Iterator[int]:
    """By which processes; 0 for one that cannot be named."""
    try:
        found = os.stat(f"{path}{suffix}")
        with open("/proc/locks") as file:
            locks = [line.split() for line in file]
    except OSError:
        return
    shm = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for _number, *words in locks:  # POSIX ADVISORY WRITE <pid> <device and inode> <first byte> <last byte, or EOF>
        # Not FLOCK and LEASE, which keep none of SQLite's off.
        if len(words) != 7 or words[0] not in ("POSIX", "OFDLCK") or words[2] != kind or words[4] != shm:
            continue
        if int(words[5]) <= last and (words[6] == "EOF" or int(words[6]) >= first):
            yield int(words[3]) if words[0] == "POSIX" else _by_descriptor(words)


def _by_descriptor(words: list[str]) -> int:
    """A process with the lock of an open file, which is no process's, and has -1 for its number; 0 if none that we may look into."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fdinfo"):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{number}") as file:
                    if any(line.split()[2:] == words for line in file if line.startswith("lock:")):
                        return int(pid)
    return 0


def _user(pid: int) -> int | None:
    """Whose a process is. Not the owner of its folder: that is root where it keeps others from looking into it."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[2]) for line in file if line.startswith("Uid:"))
    except (OSError, StopIteration):
        return None
