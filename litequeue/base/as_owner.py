"""Root at a user's file: a thread that reaches files with that user's permissions alone, for as long as files are opened or made.

Whose folder it is can exchange it for a link at any moment, also between a check of ours and an open of SQLite's, which
then gives what it makes there to the owner of the database (measured: a second user had files of his own in a folder of
root's at the first try). So root makes nothing there that the user could not make himself, and it is his without being given.

Linux keeps permissions by the thread, and the C library passes neither setfsuid nor a bare system call on to the others
(setgroups and setresuid it does). The capabilities that stand above permissions go with them, root's supplementary groups too:
one of them may be able to write. Where a thread cannot do so (another system, a container without CAP_SETUID, a user that it
does not know, no ctypes), all is done as root.

Whose permissions: those of the first directory or link on the way that is not root's. Those before it are root's, so nobody
can make that answer another one, whatever he exchanges. Costs others nothing, and root half a millisecond each time
that he opens a user's file, once 3 ms for ctypes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from .accounts import groups_of
from .softguard import shielded
from .trust import first_not_roots

_FILES: Final = (0, 1, 2, 3, 4, 9, 27, 32)  # of linux/capability.h, CAP_FS_SET: what stands above the permissions of files
_VERSION: Final = 0x2008_0522  # _LINUX_CAPABILITY_VERSION_3
# setgroups with numbers of 32 bits, of the 64-bit systems: the C library's function changes all threads.
_SETGROUPS: Final = {"x86_64": 116, "aarch64": 159, "riscv64": 159, "loongarch64": 159, "ppc64le": 81, "s390x": 206}
# prctl: what a change of permissions resets.
_DEATH_SIGNAL: Final = (2, 1)
_DUMPABLE: Final = (3, 4)
_SIG_ENDS: Final = (1, 2, 3, 15)  # SIGHUP, SIGINT, SIGQUIT, SIGTERM
# pthread_sigmask
_SIG_BLOCK: Final = 0
_SIG_SETMASK: Final = 2


class User(NamedTuple):
    """Whom a thread of root's is to act as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()  # his others, where the way to his folder takes one
    is_shut_out: bool = False  # by a folder of root's above his own, into which he has another way


def user_at(path: str) -> User | None:
    """Who can exchange what lies on the way to a path, if that is another than root, and we are root."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return None
    way = first_not_roots(path)
    if way is None:
        return None
    name, found = way
    user = User(found.st_uid, _group(found))
    if _may_see(user, name):
        return user
    # Only root's directories lie above it. The one capability that passes them, CAP_DAC_READ_SEARCH, would read any file too.
    user = user._replace(groups=groups_of(user.uid))  # not before: a directory of accounts (LDAP) may take long to say
    return user if user.groups and _may_see(user, name) else user._replace(is_shut_out=True)


def _may_see(user: User, name: str) -> bool:
    with acting_as(user):
        try:
            os.lstat(name)
        except PermissionError:
            return False
    return True


def _group(found: os.stat_result) -> int:
    """His own: that of his directory may be one in which he is not."""
    import pwd

    try:
        return pwd.getpwuid(found.st_uid).pw_gid
    except KeyError:
        return found.st_gid


@contextlib.contextmanager
def acting_as(user: User | None) -> Iterator[None]:
    """Inside, this thread opens, makes and deletes what that user may, and no more; of nobody: as ever.

    Nothing may wait inside, nor another greenlet run: it would be that user too. No SoftTimeout is raised inside, and
    no handler of a signal runs: one that raises as the thread becomes that user, or root again, left it the user for good.
    """
    if user is None:
        yield
        return
    with shielded, _signals_held_up():
        become, end = _ways(user)
        try:
            become()
            yield
        finally:
            # With other threads a handler may run even so: they take the signal that the main thread blocks.
            try:
                end()
            except BaseException:
                end()
                raise


@contextlib.contextmanager
def _signals_held_up() -> Iterator[None]:
    """Those that a handler of the program's is called for, in the main thread alone; SQLite's calls let none run anyway. Where there is
    none, one that ends a program ends it here too: what SQLite waits for may be a pipe of the user's, or a lock."""
    libc = _libc()
    if libc is None or threading.get_native_id() != os.getpid():
        yield
        return
    import ctypes
    import signal

    # signal.pthread_sigmask makes an enum of each signal, which takes 0.2 ms.
    before, held = (ctypes.c_ubyte * 128)(), (ctypes.c_ubyte * 128)()  # sigset_t
    libc.sigfillset(held)
    for number in _SIG_ENDS:
        if not callable(signal.getsignal(number)):
            libc.sigdelset(held, number)
    libc.pthread_sigmask(_SIG_BLOCK, None, before)
    try:
        libc.pthread_sigmask(_SIG_BLOCK, held, None)
        yield
    finally:
        libc.pthread_sigmask(_SIG_SETMASK, before, None)  # those that came since have their handlers run here


def _ways(user: User) -> tuple[Callable[[], None], Callable[[], None]]:
    """How to become that user, and root again; where nothing else is to be had both change nothing."""
    libc = _libc()
    if libc is None:
        return _stay, _stay
    import ctypes

    def set_groups(groups: Sequence[int]) -> bool:
        return bool(libc.syscall(_SETGROUPS[os.uname().machine], len(groups), (ctypes.c_uint32 * len(groups))(*groups)) == 0)

    def become() -> None:
        done = set_groups(user.groups)
        libc.setfsgid(user.gid)
        libc.setfsuid(user.uid)
        if not done or libc.capset(header, less) or (libc.setfsuid(-1), libc.setfsgid(-1)) != (user.uid, user.gid):
            end()

    def end() -> None:
        libc.setfsgid(gid)
        set_groups(groups)
        if os.getresuid() != users:  # another thread has given up root for all of them, with which this one has ceased to be that user
            return
        libc.setfsuid(uid)
        libc.capset(header, full)
        libc.prctl(_DEATH_SIGNAL[1], signal)
        libc.prctl(_DUMPABLE[1], dumpable)

    header, full, signal = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)(), ctypes.c_int()
    if libc.capget(header, full):
        return _stay, _stay
    libc.prctl(_DEATH_SIGNAL[0], ctypes.byref(signal))
    dumpable, groups = libc.prctl(_DUMPABLE[0]), os.getgroups()
    less = (ctypes.c_uint32 * 6)(*full)
    for bit in _FILES:
        less[bit // 32 * 3] &= ~(1 << bit % 32)  # of each half: effective, permitted, inheritable
    users, uid, gid = os.getresuid(), libc.setfsuid(-1), libc.setfsgid(-1)  # -1 is nobody, and only asks
    return become, end


def _stay(*_: object) -> None:
    pass


def keeper() -> Callable[[object], object]:
    """What keeps a thing from ever being freed. In a list of ours it was freed with that, as the program ended."""
    if _libc() is None:
        return _stay
    import ctypes

    keep = ctypes.pythonapi["Py_IncRef"]
    keep.argtypes, keep.restype = [ctypes.py_object], None
    return keep


@functools.cache
def _libc() -> Any:
    """The C library; None where it, or the system, does not have all of this. Raises OSError where that cannot be told just now: it is not
    remembered, and nothing is done as root."""
    if sys.maxsize < 2**32 or os.uname().machine not in _SETGROUPS:
        return None
    try:
        import ctypes
    except ModuleNotFoundError:
        return None
    except ImportError as error:  # no more descriptors, say, for its extension
        raise OSError(f"ctypes cannot be imported: {error}") from error
    try:
        libc = ctypes.CDLL(None)
        libc.setfsuid.restype = libc.setfsgid.restype = ctypes.c_uint32
        return libc if all(hasattr(libc, name) for name in ("capget", "capset", "prctl")) else None
    except (OSError, AttributeError):  # it opens no file for this
        return None
