"""The doctor's look at what is around the file: modes, trust, the disk, the file system, the variable TZ, process 1, who has it open.

Asks the system alone, and opens none of the files.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator

from ..base.denied import is_a_link
from ..base.errors import InvalidArgument
from ..base.trust import (
    SAY_SO,
    VARIABLE,
    cure,
    is_anyone,
    why_not_its_own,
    why_open_folder,
    why_untrusted,
)
from .finding import NOTE, OK, WRONG, Finding

LITTLE_ROOM = 100e6  # bytes
# Locks, or shared memory between processes, do not work there as SQLite needs them: of a network, and of the host of a virtual machine. What
# Docker Desktop mounts of its host's folders (virtiofs, fakeowner) gives no error, and damages a file that is written to within minutes.
NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "gpfs", "beegfs", "fuse.sshfs", "fuse.glusterfs",
    "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "davfs", "vboxsf", "vmhgfs", "fuse.vmhgfs-fuse", "prl_fs", "virtiofs", "fakeowner",
    "fuse.grpcfuse", "fuse.osxfs",
}  # fmt: skip
_LOCKED = ("", "-shm", "-lock")  # the first gives its mode to the second
IN_MEMORY = {"tmpfs", "ramfs"}
SHELLS = {"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh", "fish"}


def parts(path: str) -> list[str]:
    """The file, and what lies beside it. To be asked before it is opened: some of that is there only while somebody has it open."""
    real = os.path.realpath(path)
    return [suffix for suffix in ("", "-wal", "-shm", "-lock", "-locks", "-workers") if os.path.lexists(real + suffix)]


def modes(path: str, suffixes: Iterable[str]) -> Iterator[Finding]:
    """Of those parts, for a file that is known to be a queue: to another the advice could do harm. So it could where others are meant
    to write it, and to what a link leads to."""
    meant, real = is_anyone(None), os.path.realpath(path)
    for suffix in suffixes:
        name = real + suffix
        try:
            found = os.lstat(name)
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode):
            yield Finding("file", WRONG, is_a_link(name))
            continue
        who = f"{name}: owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}"
        others = what_others_can(found.st_mode)
        if others:
            holds = suffix in _LOCKED and found.st_mode & (stat.S_IRGRP | stat.S_IROTH)
            others += ", and hold up all who write, by a lock for reading" if holds else ""
            advice = "" if meant else f"; chmod go= {shlex.quote(name)}"
            yield Finding("file", NOTE if meant else WRONG, f"{who}: {others}{advice}")
        elif not suffix:
            yield Finding("file", OK, who)


# Who judges, what is well if he finds nothing, and what comes of it else.
_JUDGES: tuple[tuple[Callable[[str], str | None], str, str], ...] = (
    (why_open_folder, "only its owner and root can write its directory, or one above", "it is not opened"),
    (why_not_its_own, "what SQLite keeps beside it is its owner's", "it is not opened"),
    (why_untrusted, "only its owner and root can write it, so workers believe where it says that code is", "workers import no code and run no command that this file names"),
)  # fmt: skip


def trust(path: str) -> Iterator[Finding]:
    """Whether somebody else can decide what is in the file, before it is opened; of one that is there."""
    if not os.path.isfile(path):
        return
    meant, told = is_anyone(None), set()
    for judge, well, consequence in _JUDGES:
        with contextlib.suppress(OSError):
            why = judge(path)
            if why is None:
                yield Finding("trust", OK, well)
            elif judge is why_not_its_own and why == why_not_its_own(path, anyone=True):  # which nobody can say is meant
                yield Finding("trust", WRONG, f"{why}: {consequence}; {cure(why)}")
            elif meant:
                if why not in told:  # of a folder two of them say the same
                    yield Finding("trust", NOTE, f"{why}: {VARIABLE}=anyone says that this is meant")
                told.add(why)
            elif judge is why_untrusted and _is_good_for_its_owner(path):
                yield Finding("trust", NOTE, f"its owner's workers run what it names; yours, root's, would run nothing of it, since {why}")
            else:
                yield Finding("trust", WRONG, f"{why}: {consequence}; {cure(why)}, or say {SAY_SO}")


def _is_good_for_its_owner(path: str) -> bool:
    """Where root looks at the queue of a user, whose own worker serves it."""
    owner = os.stat(path).st_uid
    return os.geteuid() == 0 != owner and why_untrusted(path, owner) is None


def what_others_can(mode: int) -> str:
    """In words, what the group and everybody else may do with a file; empty if nothing."""
    said = []
    for who, shift in (("its group", 3), ("everybody", 0)):
        bits = mode >> shift & 0o7
        rights = [word for word, bit in (("read", 4), ("write", 2), ("enter", 1)) if bits & bit]
        if not stat.S_ISDIR(mode):
            rights = ["execute" if word == "enter" else word for word in rights]
        if rights:
            said.append(f"{who} can {' and '.join(rights)} it")
    return ", ".join(said)


def disk(path: str) -> Iterator[Finding]:
    try:
        room = shutil.disk_usage(os.path.dirname(path)).free
    except OSError:
        return
    yield Finding("disk", WRONG if room < LITTLE_ROOM else OK, f"{room / 1e6:,.0f} MB free")
    kind = file_system(os.path.realpath(path))
    if kind in NETWORK:
        why = "SQLite's locks fail there, or the memory that its users share, and the file may be damaged"
        yield Finding("disk", WRONG, f"file system {kind}: {why}: keep it on a disk of this system; in a container, in a volume that is no folder of the host's")
    elif kind is not None and re.match(r"fuse(blk)?\b", kind):
        why = "a program serves it, and few have the locks and the shared memory that SQLite needs"
        yield Finding("disk", NOTE, f"file system {kind}: {why}: a disk of this system is the safe place")
    elif kind in IN_MEMORY:
        yield Finding("disk", NOTE, f"file system {kind}: it is in memory, and its jobs are gone when the machine restarts")
    elif kind is not None:
        yield Finding("disk", OK, f"file system {kind}")


def zone() -> Iterator[Finding]:
    """Whether the variable TZ names a zone, where it is set: of the doctor's environment, which need not be the workers'."""
    if "TZ" in os.environ:
        from ..cron import zones  # few environments have that variable

        try:
            zones.local_name()
        except InvalidArgument as error:
            yield Finding("zone", NOTE, str(error))


def process_1(cmdline: str = "/proc/1/cmdline") -> Iterator[Finding]:
    """Whether a container's first process is a shell; where the system tells (Linux)."""
    try:
        with open(cmdline, encoding="utf-8", errors="surrogateescape") as file:
            name = os.path.basename(file.read().partition("\0")[0])
    except OSError:
        return
    if name in SHELLS:
        yield Finding(
            "process 1", NOTE,
            f"the first process here is a shell, {name}, which passes no SIGTERM on: a worker below it is killed at a stop instead of finishing what it "
            "runs; give the container the worker's command as a list of words, or let the shell exec it",
        )  # fmt: skip


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


def users(path: str) -> list[int]:
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
