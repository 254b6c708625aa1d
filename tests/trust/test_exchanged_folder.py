"""Root at a user's file, whose folder its owner exchanges for a link while root is at work. Nothing comes to be, or is gone, in the
folder of root's that it leads to, at whatever moment.

The moments are the calls that Python sees of what goes by a path; at each one in turn a fork of this process, which is the
one that is root at work, exchanges the folder and goes on.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base import accounts
from litequeue.base.as_owner import User, acting_as, user_at
from litequeue.base.errors import CannotOpen, StoreError
from litequeue.base.lockfolder import LockFolder, Locks, hold_for_life
from litequeue.base.softguard import SoftGuard
from litequeue.store import Store
from litequeue.store.file import connections
from litequeue.store.file.connections import open_connection

from ..support import wait_until
from .world import OTHER, OWNER, World, as_user, environment, interpreter, python, run

pytestmark = pytest.mark.beside

BY_PATH = {"stat", "open", "mkdir", "connect", "execute", "close", "unlink"}
EMPTY, QUEUE, SPIN = "an empty folder", "a queue of root's", "a queue of root's, and back, and so on"


def enqueue(db: Path) -> None:
    with LiteQueue(db, durability="normal") as app:
        app.enqueue("t")


def work(db: Path) -> None:
    store = Store(str(db), durability="normal")
    store.workers.register(name="w", host="h", wake_port=None, queues=None, slots={}, now=1).close()
    store.workers.forget(10**18, 10**18)
    store.close()


def work_in_a_pool(db: Path) -> None:
    """As a process of a worker's pool begins, and the guard of its group."""
    hold_for_life(Locks(f"{db}-workers/{'b' * 16}", User(OWNER, OWNER))).close()


def before_call(number: int, strike: Callable[[], None], *, and_all_after: bool) -> Callable[[], int]:
    """Have it done just before that call of what goes by a path. Returns how to end that, and how many calls there were."""
    seen, last = 0, ""

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal seen, last
        name = getattr(argument, "__name__", "")
        if event != "c_call" or name not in BY_PATH:
            return
        if name != "stat" or last != "stat":  # what changes before each of a row of looks changes before the first
            seen += 1
            if seen == number or and_all_after and seen > number > 0:
                strike()
        last = name

    def end() -> int:
        sys.setprofile(None)
        return seen

    sys.setprofile(watch)
    return end


def content(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    found = [folder, *sorted(folder.rglob("*"))]
    return {str(path): (s.st_uid, s.st_mode, s.st_ino, s.st_size) for path in found for s in [path.lstat()]}


def bait(world: World, roots: Path) -> None:
    """What a worker or SQLite would take for its own there."""
    world.queue(roots, uid=0, name="x")
    world.file(roots / "x-wal", "a log", uid=0, mode=0o600)
    workers = world.folder(f"{roots.name}/x-workers", uid=0)
    os.utime(world.file(workers / f"{'a' * 16}.lock", "", uid=0, mode=0o600), (1, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "what"), [(enqueue, EMPTY), (enqueue, SPIN), (work, EMPTY), (work, QUEUE), (work_in_a_pool, QUEUE)],
    ids=lambda it: getattr(it, "__name__", it),
)  # fmt: skip
def test_nothing_is_made_or_lost_where_an_exchanged_folder_leads(world: World, act: Callable[[Path], None], what: str) -> None:
    number, calls = 0, 0
    while number <= calls:  # the first time nothing is exchanged
        home = world.folder(f"home{number}")
        db = world.queue(world.folder(f"home{number}/q"), name="x")
        world.folder(f"home{number}/q/x-workers", mode=0o700)
        roots = world.folder(f"roots{number}", uid=0)
        if what != EMPTY:
            bait(world, roots)
        link = home / "link"
        link.symlink_to(roots)
        os.lchown(link, OWNER, OWNER)
        before = content(roots)

        def strike(home: Path = home, link: Path = link) -> None:
            os.rename(home / "q", home / "away")
            os.rename(link, home / "q")
            os.rename(home / "away", link)

        def at_work(db: Path = db, strike: Callable[[], None] = strike, number: int = number) -> int:
            end = before_call(number, strike, and_all_after=what == SPIN)
            with contextlib.suppress(Exception):
                act(db)
            return end()

        calls = max(calls, as_user(0, at_work))
        assert content(roots) == before, f"at call {number} of {calls}"
        number += 1
    assert calls > (5 if act is work_in_a_pool else 20)


def test_an_empty_folder_of_roots_is_given_to_nobody(world: World) -> None:
    """Also where no thread can act as another user."""
    for number in range(1, 12):
        db = world.queue(world.folder(f"home{number}/q"), name="x")
        workers = world.folder(f"roots{number}/x-workers", uid=0, mode=0o700)
        link = world.root / f"home{number}" / "link"
        link.symlink_to(workers.parent)

        def at_work(db: Path = db, link: Path = link, number: int = number) -> int:
            end = before_call(number, lambda: os.rename(db.parent, f"{db.parent}-away") or os.rename(link, db.parent), and_all_after=False)
            with contextlib.suppress(Exception):
                LockFolder(f"{db}-workers", create=True)
            return end()

        as_user(0, at_work)
        assert workers.stat().st_uid == 0, f"at call {number}"


def test_only_the_thread_at_a_users_file_has_that_users_permissions(world: World) -> None:
    closed = world.file(world.folder("roots", uid=0, mode=0o700) / "secret", "word", uid=0, mode=0o600)
    user = user_at(str(world.folder("home")))
    assert user == User(OWNER, OWNER)
    inside, go_on, said = threading.Event(), threading.Event(), list[str]()

    def act() -> None:
        with acting_as(user):
            inside.set()
            go_on.wait(10)
            for path in (closed, world.root / "made"):
                try:
                    path.open("a")
                except PermissionError:
                    said.append(path.name)
        said.append(closed.read_text())

    thread = threading.Thread(target=act)
    thread.start()
    assert inside.wait(10)
    assert closed.read_text() == "word"
    closed.write_text("another")
    with LiteQueue(closed.parent / "db.sqlite") as app:
        app.enqueue("t")
    go_on.set()
    thread.join()
    assert said == ["secret", "made", "another"]
    assert {path.lstat().st_uid for path in closed.parent.iterdir()} == {0}


def test_groups_of_roots_are_nothing_to_a_user(world: World) -> None:
    shared = world.folder("shared", uid=0, mode=0o770, gid=OTHER)
    user = user_at(str(world.folder("home")))
    before = os.getgroups()

    def act() -> bool:
        os.setgroups([0, OTHER])
        with acting_as(user), contextlib.suppress(PermissionError):
            (shared / "made").touch()
        return os.getgroups() == [0, OTHER]

    assert as_user(0, act)
    assert list(shared.iterdir()) == []
    assert os.getgroups() == before


def test_what_a_change_of_permissions_resets_is_as_before(world: World) -> None:
    import ctypes

    def act() -> tuple[int, int]:
        libc = ctypes.CDLL(None)
        libc.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, by which a pool's process dies with its worker
        with acting_as(User(OWNER, OWNER)):
            pass
        signal = ctypes.c_int()
        libc.prctl(2, ctypes.byref(signal), 0, 0, 0)
        return signal.value, libc.prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE

    as_before = (9, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
    assert as_user(0, act) == as_before


def give_up_root() -> None:
    os.setgroups([])
    os.setgid(OTHER)
    os.setuid(OTHER)


@pytest.mark.parametrize("give_up", [give_up_root, lambda: os.seteuid(OTHER)], ids=["for good", "for a while"])
def test_root_that_a_program_gives_up_meanwhile_stays_given_up(give_up: Callable[[], None]) -> None:
    """The C library has all threads give it up; the kernel closes the process to its new user, whom root's secrets are none of."""

    def act() -> bool:
        import ctypes

        libc, inside, go_on, said = ctypes.CDLL(None), threading.Event(), threading.Event(), list[object]()

        def us() -> tuple[object, ...]:
            with open("/proc/thread-self/status") as file:
                return libc.prctl(3, 0, 0, 0, 0), *(line for line in file if line.startswith(("Uid", "CapEff")))

        def other() -> None:
            with acting_as(User(OWNER, OWNER)):
                inside.set()
                go_on.wait(10)
            said.append(us())

        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
        give_up()
        now = us()
        go_on.set()
        thread.join()
        return said == [now]

    assert as_user(0, act)


class Late(Exception):
    """As a handler of the program's raises that gives something a time limit."""


def at_line(number: int, act: Callable[[], None]) -> Callable[[], int]:
    """Have it done before that line of ours, from now on. Returns how to end that, and how many there were."""
    seen = 0

    def watch(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.endswith(("as_owner.py", "softguard.py", "contextlib.py")):
            return None
        if event == "line":
            seen += 1
            if seen == number:
                act()
        return watch

    def end() -> int:
        sys.settrace(None)
        return seen

    sys.settrace(watch)
    return end


@pytest.mark.slow
def test_a_handler_of_a_signal_that_raises_leaves_root_himself() -> None:
    def us() -> tuple[str, ...]:
        with open("/proc/thread-self/status") as file:
            return tuple(line for line in file if line.startswith(("Uid", "Gid", "Groups", "Cap", "SigBlk")))

    def act() -> tuple[int, int, set[tuple[str, ...]]]:
        came = 0

        def late(*_: object) -> None:
            nonlocal came
            came += 1
            raise Late

        signal.signal(signal.SIGALRM, late)
        os.setgroups([0, OTHER])
        number, lines, became = -1, 0, {us()}
        while number <= lines:
            with contextlib.suppress(Late):
                end = at_line(number, lambda: os.kill(os.getpid(), signal.SIGALRM))
                try:
                    with acting_as(User(OWNER, OWNER)):
                        pass
                finally:
                    seen = end()
                if number == 0:  # the first time it imports
                    lines = seen
                wait_until(lambda number=number: came >= number, what="the signal has come")  # type: ignore[misc]
            sys.settrace(None)
            became.add(us())
            number += 1
        return lines, came, became

    lines, came, became = as_user(0, act)
    assert lines > 20 and came == lines
    assert len(became) == 1, became


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_root_who_waits_at_a_users_file_can_be_ended(world: World, number: signal.Signals) -> None:
    """SQLite waits as long as the user likes, in a pipe that he calls -wal, or for a lock."""
    pipe = str(world.folder("home") / "x-wal")
    os.mkfifo(pipe)
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(number, signal.SIG_DFL)
        with acting_as(User(OWNER, OWNER)):
            os.write(tell, b".")
            os.open(pipe, os.O_RDONLY)
        os._exit(0)
    assert os.read(told, 1)
    os.kill(pid, number)
    try:
        ended = wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG), what="it has ended")
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    assert ended.si_status == number


def test_no_soft_timeout_is_raised_where_a_thread_acts_as_another_user() -> None:
    asked, said = threading.Event(), list[str]()

    def act() -> None:
        guard = SoftGuard()

        def task() -> None:
            with acting_as(User(OWNER, OWNER)):
                guard.fire()
                for _ in range(10_000):
                    pass
                said.append("acted")
            said.append("not here")

        guard.run(task)
        asked.set()

    threading.Thread(target=act).start()
    assert asked.wait(10)
    assert said == ["acted"]


@pytest.mark.slow
def test_a_folder_that_root_closed_above_the_users_lets_root_read_no_file_of_his_own(world: World) -> None:
    """The one capability that passes any directory reads any file too, and the user's own way there may be another one: he has
    entered by a group, or is in a container of his own."""
    closed = world.folder("closed", uid=0, mode=0o750, gid=OTHER)
    db = world.queue(world.folder("closed/q"))
    roots = world.queue(world.folder("roots", uid=0, mode=0o700), uid=0)
    user = user_at(str(db))
    assert user == User(OWNER, OWNER, is_shut_out=True)
    with acting_as(user), pytest.raises(PermissionError):
        roots.read_bytes()
    done = run(0, "enqueue", db, "t")
    assert f"closed to uid {OWNER}, as whom root opens files there: let all pass it (chmod o+x)" in done.stderr
    assert os.listdir(db.parent) == [db.name]
    closed.chmod(0o751)
    assert run(0, "enqueue", db, "t").stdout == "1\n"


@pytest.mark.slow
def test_a_folder_mounted_in_a_closed_one_is_roots_where_whoever_writes_there_is_trusted(world: World) -> None:
    """As a user's folder of the host below the home of a container's root, who has no capability to pass it as that user."""
    world.folder("root", uid=0, mode=0o700)
    db = world.queue(world.folder("root/app"))
    done = run(0, "enqueue", db, "t", env={"LITEQUEUE_TRUST": "anyone"})
    assert done.stdout == "1\n", done.stderr
    assert {path.name: path.stat().st_uid for path in db.parent.iterdir()} == dict.fromkeys(os.listdir(db.parent), OWNER)


def test_a_folder_that_the_user_enters_by_a_group_of_his_is_passed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    account = pwd.getpwnam("daemon")
    world.folder("team", uid=0, mode=0o750, gid=OTHER)
    db = world.queue(world.folder("team/q", uid=account.pw_uid, gid=account.pw_gid), uid=account.pw_uid, gid=account.pw_gid)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, OTHER] if name == "daemon" else [])
    assert user_at(str(db)) == User(account.pw_uid, account.pw_gid, groups=(account.pw_gid, OTHER))
    enqueue(db)
    assert {path.name: path.stat().st_uid for path in db.parent.iterdir()} == dict.fromkeys(os.listdir(db.parent), account.pw_uid)


FULL = """
import os, resource, sys
from litequeue import LiteQueue
import litequeue.store, litequeue.client, litequeue.base.as_owner
from litequeue.base.errors import CannotOpen
with LiteQueue(sys.argv[2]) as own:
    own.enqueue("t"), own.jobs()
def look():
    try:
        with LiteQueue(sys.argv[1]) as app:
            return len(app.jobs())
    except CannotOpen:
        return "refused"
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
said = [look()]
for fd in held: os.close(fd)
os.chmod(sys.argv[1], 0)
said.append(look())
os.chmod(sys.argv[1], 0o600)
print(*said, look())
"""


@pytest.mark.slow
def test_a_want_of_descriptors_makes_root_no_more_than_the_user(world: World) -> None:
    """At the first import of ctypes, which takes some."""
    db, own = world.queue(world.folder("home")), world.folder("roots", uid=0) / "own"
    script = world.file(world.root / "full.py", FULL, uid=0)
    words = [str(interpreter()), "-P", *map(str, (script, db, own))]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.split()[-3:] == ["refused", "refused", "0"], done.stdout + done.stderr


def test_a_folder_that_the_user_closed_makes_root_no_more_than_him(world: World) -> None:
    db = world.queue(world.folder("home", mode=0))
    assert user_at(str(db)) == User(OWNER, OWNER)
    with pytest.raises(CannotOpen, match=rf"{db.parent} belongs to uid {OWNER} with mode 0, and you are uid 0, acting as uid {OWNER} here"):
        enqueue(db)
    assert os.listdir(db.parent) == [db.name]


@pytest.mark.slow
def test_root_is_himself_where_the_folders_are_his(world: World) -> None:
    """As with a copy of a user's file that root has made somewhere."""
    db = world.queue(world.folder("roots", uid=0))
    assert user_at(str(db)) is None
    assert run(0, "enqueue", db, "t").stdout == "1\n"
    shared = world.folder("home", uid=OTHER)
    db = world.queue(shared, uid=0)
    done = run(0, "enqueue", db, "t", env={"LITEQUEUE_TRUST": "anyone"})
    assert done.stdout == "1\n", done.stderr


ENDS = """
import os
from litequeue import LiteQueue
app = LiteQueue({!r})
app.enqueue("t")
os.chown({!r}, 0, 0)  # from here on root alone could delete anything there
{}
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["", "app.itself = app; del app", "if os.fork(): os.wait(); os._exit(0)"])
def test_a_program_that_ends_with_an_app_open_closes_nothing_as_root(world: World, how: str) -> None:
    """The last connection that closes unlinks the log by its path, wherever that leads by then."""
    db = world.queue(world.folder("home"))
    done = python(0, ENDS.format(str(db), str(db.parent), how))
    assert done.returncode == 0, done.stderr
    assert {f"{db.name}-wal", f"{db.name}-shm"} <= set(os.listdir(db.parent))


def test_a_connection_that_cannot_be_closed_as_the_user_is_left_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where memory is short, and at the end of the program, when the names of modules are gone."""
    db = world.queue(world.folder("home"))

    def nobody(user: User | None) -> None:
        raise MemoryError

    def act() -> list[str]:
        connection = open_connection(str(db), user_at(str(db)), patience=1, synced=True)
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        monkeypatch.setattr(connections, "acting_as", nobody)
        del connection
        gc.collect()
        return sorted(os.listdir(db.parent))

    assert as_user(0, act) == [db.name, f"{db.name}-shm", f"{db.name}-wal"]


def test_an_app_that_is_dropped_closes_what_it_had_open_of_a_users(world: World) -> None:
    db = world.queue(world.folder("home"))

    def act() -> list[str]:
        app = LiteQueue(db)
        app.enqueue("t")
        del app
        gc.collect()
        return sorted(os.listdir(db.parent))

    assert as_user(0, act) == [db.name, f"{db.name}-lock"]


def first_write(store: Store, exchange: Callable[[], object], durable: bool = True) -> None:
    with store.database.write(durable=durable) as connection:
        connection.execute("PRAGMA user_version = 7")
        exchange()


def first_write_that_is_not_synced(store: Store, exchange: Callable[[], None]) -> None:
    first_write(store, exchange, durable=False)


def first_write_of_many(store: Store, exchange: Callable[[], None]) -> None:
    with store.database.side_connection() as connection, store.database.write(durable=True, on=connection):
        connection.execute("PRAGMA user_version = 7")
        exchange()


def first_checkpoint(store: Store, exchange: Callable[[], None]) -> None:
    first_write(store, lambda: store.database.guard(store.database.held()), durable=True)  # what is opened later is refused
    first_write(store, exchange, durable=False)
    store.database.checkpoint()


@pytest.mark.parametrize("act", [first_write, first_write_that_is_not_synced, first_write_of_many, first_checkpoint])
def test_root_opens_no_folder_to_sync_it_by_a_path(world: World, act: Callable[[Store, Callable[[], None]], None]) -> None:
    """SQLite does so as a connection first syncs the log, and opens what the path leads to, a pipe, say, or a device."""
    db, roots = world.queue(world.folder("home/q")), world.folder("roots", uid=0, mode=0o700)

    def exchange() -> None:
        os.rename(db.parent, f"{db.parent}-away")
        db.parent.symlink_to(roots)

    def at_work() -> bytes:
        import ctypes

        libc = ctypes.CDLL(None)
        watch = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(watch, bytes(roots), 0x20)  # IN_OPEN
        act(Store(str(db)), exchange)
        with contextlib.suppress(BlockingIOError):
            return os.read(watch, 4096)
        return b""

    assert as_user(0, at_work) == b""


def test_root_works_on_with_no_connection_that_goes_by_paths(world: World) -> None:
    """One that has no log makes a journal at each write, wherever the folder leads by then."""
    db = world.queue(world.folder("home"))

    def act() -> list[str]:
        store = Store(str(db))
        with store.database.read() as connection:
            connection.execute("SELECT 1")
        said = [path for fd in os.listdir("/proc/self/fd") for path in _target(fd)]
        store.close()
        store.database.open()
        for suffix in ("-wal", "-shm"):
            os.unlink(f"{db}{suffix}")
        with db.open("r+b") as file:
            os.pwrite(file.fileno(), b"\1\1", 18)  # SQLite's word for a file that has a journal
        with pytest.raises(StoreError, match="out of WAL mode"), store.database.read():
            pass
        return said

    assert {f"{db}{suffix}" for suffix in ("", "-wal", "-shm")} <= set(as_user(0, act))


def _target(fd: str) -> list[str]:
    try:
        return [os.readlink(f"/proc/self/fd/{fd}")]
    except OSError:
        return []


def test_a_user_has_the_group_of_his_account(world: World) -> None:
    """Not that of his folder, which may be one that he is not in."""
    import pwd

    account = pwd.getpwnam("daemon")
    found = user_at(str(world.folder("home", uid=account.pw_uid, gid=OTHER)))
    assert found == User(account.pw_uid, account.pw_gid)


@pytest.mark.skipif(accounts._numbers("uid") != accounts._ALL, reason="this user namespace has no number for him")
def test_a_user_with_one_of_the_highest_numbers_is_one_as_well(world: World) -> None:
    """The C library answers with a number without a sign, and where that was read as one with it, all was done as root."""
    home, highest = world.folder("home"), 2**32 - 2
    with acting_as(User(highest, highest)), pytest.raises(PermissionError):
        (home / "made").touch()


def test_a_lock_of_roots_beside_a_users_file_is_that_users(world: World) -> None:
    db = world.queue(world.folder("home"))

    def act() -> int:
        with LiteQueue(db) as app, app.lock("one", timeout=1):
            return os.stat(f"{db}-locks").st_uid

    assert as_user(0, act) == db.stat().st_uid != 0
