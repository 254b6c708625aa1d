"""Directories, queues and programs of several users of one host.

Owns the ways to be somebody else: ``as_user`` runs a function in a fork that has become that user, ``run`` the command line,
``python`` a piece of code, each in a process of its own with an environment of its own. The users are numbers without
accounts; who needs an account takes one of the system's.

A world lies in /var/tmp, as far from pytest's folders as need be: those are closed to others, and lie in one that everybody
may write. So does a world, but nobody else may write in it; that is what is to be good enough for a farther ancestor. The
package is copied there too: the checkout, or the Python of a developer, may be in a home that is closed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from litequeue.store import Store

from .. import prepared
from ..support import ROOT

OWNER = 54_321  # whose queue it is
OTHER = 54_322  # another user of the host
PLACE = "/var/tmp"
MARKS = "marks"  # the folder in which what ran leaves a mark

T = TypeVar("T")

# Whether the command line and pieces of code run in forks of one process that has imported the package (``prepared``), for
# a fifth of what starting an interpreter costs. Not where it matters from where an interpreter imports its own modules.
forking = True


# -- being somebody else ------------------------------------------------------------------------------------


def as_user(uid: int, act: Callable[[], T], *, gid: int | None = None) -> T:
    """What ``act`` returned in a fork that is that user, and cannot be anybody else again; what it raised is raised here."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with os.fdopen(writer, "wb") as told:
            try:
                os.setgroups([])
                os.setresgid(*[uid if gid is None else gid] * 3)
                os.setresuid(uid, uid, uid)
                os.umask(0o022)
                said = pickle.dumps((act(), None))
            except BaseException as error:  # noqa: BLE001 - raised by the parent
                said = pickle.dumps((None, error))
            told.write(said)
            told.flush()
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        result, error = pickle.loads(file.read())
    os.waitpid(pid, 0)
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


@functools.cache
def why_not() -> str | None:
    """Why nobody can be somebody else here; None if it can be done."""
    if os.name != "posix" or os.geteuid() != 0:
        return "needs root, to be other users"
    return None if interpreter() else "needs a Python that other users can start"


@functools.cache
def interpreter() -> str | None:
    """This Python, or the system's where this one is in a home that is closed to others."""
    asks = "import sys, sqlite3; sys.exit(sys.version_info < (3, 11) or sqlite3.sqlite_version_info < (3, 37))"
    for found in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")):
        with contextlib.suppress(OSError):
            if found and subprocess.run([found, "-I", "-c", asks], check=False, capture_output=True, **_user(OTHER)).returncode == 0:
                return found
    return None


def _user(uid: int, gid: int | None = None, groups: Sequence[int] = ()) -> dict[str, Any]:
    return {"user": uid, "group": uid if gid is None else gid, "extra_groups": list(groups)}


@functools.cache
def installed() -> str:
    """The entry of sys.path of a copy of the package that anybody may read and root alone may write."""
    folder = tempfile.mkdtemp(prefix="litequeue-installed-", dir=PLACE)
    atexit.register(_remove_by_its_maker, folder, os.getpid())
    os.chmod(folder, 0o755)
    shutil.copytree(ROOT / "litequeue", f"{folder}/litequeue", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([str(interpreter()), "-m", "compileall", "-q", folder], check=True, env={"PATH": os.defpath}, umask=0o022)
    for path in Path(folder).rglob("*"):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)
    return folder


def _remove_by_its_maker(folder: str, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def server() -> prepared.Server:
    """What forks the command line as any user, from the package where all can read it."""
    serve = f"import sys; sys.path.append({str(ROOT)!r}); from tests import prepared; sys.path.pop(); prepared.serve(sys.argv[1])"
    return prepared.Server([str(interpreter()), "-P", "-c", serve], environment)


def _can_fork(env: Mapping[str, str] | None) -> bool:
    """An interpreter reads what concerns itself as it starts."""
    return forking and not any(name.startswith("PYTHON") for name in env or ())


def _who(uid: int, gid: int | None, groups: Sequence[int]) -> prepared.Who:
    return prepared.Who(uid, uid if gid is None else gid, list(groups))


def environment(**more: str) -> dict[str, str]:
    """What a program of anybody's finds in it: nothing of ours but the way to the package."""
    return {"PATH": os.defpath, "PYTHONPATH": installed(), "PYTHONUNBUFFERED": "1", **more}


def command(*words: object, flags: tuple[str, ...] = ("-P",)) -> list[str]:
    """``python -m litequeue`` with these words."""
    return [str(interpreter()), *flags, "-m", "litequeue", *map(str, words)]


def run(
    uid: int, *words: object, cwd: Path | str = "/", env: Mapping[str, str] | None = None, gid: int | None = None, timeout: float = 30,
    groups: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """The command line to its end, as that user."""
    if _can_fork(env):
        how = {"env": environment(**(env or {})), "who": _who(uid, gid, groups), "server": server()}
        return prepared.litequeue(*words, cwd=cwd, timeout=timeout, errors="surrogateescape", **how)
    return subprocess.run(
        command(*words), cwd=cwd, env=environment(**(env or {})), capture_output=True, text=True, timeout=timeout,
        check=False, errors="surrogateescape", stdin=subprocess.DEVNULL, umask=0o022, **_user(uid, gid, groups),
    )  # fmt: skip


@contextlib.contextmanager
def started(
    uid: int, words: list[str], *, cwd: Path | str = "/", env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A program of that user's, killed at the end if it still runs."""
    process = subprocess.Popen(
        words, cwd=cwd, env=environment(**(env or {})), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, umask=0o022, **_user(uid),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def python(
    uid: int, code: str, *, cwd: Path | str = "/", env: Mapping[str, str] | None = None, gid: int | None = None, groups: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """A program of a few lines, as that user."""
    if _can_fork(env):
        how = {"env": environment(**(env or {})), "who": _who(uid, gid, groups), "server": server()}
        return prepared.litequeue(cwd=cwd, code=code, **how)
    return subprocess.run(
        [str(interpreter()), "-P", "-c", code], cwd=cwd, env=environment(**(env or {})), capture_output=True, text=True, timeout=30,
        check=False, stdin=subprocess.DEVNULL, umask=0o022, **_user(uid, gid, groups),
    )  # fmt: skip


# -- what there is in a world --------------------------------------------------------------------------------


@functools.cache
def _empty_queue() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Store(f"{folder}/db").open_and_close()
        return Path(folder, "db").read_bytes()


class World:
    """A tree of files with owners; ``root`` belongs to root, and anybody may look into it."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="litequeue-world-", dir=PLACE))
        self.root.chmod(0o755)
        self.marks = self.folder(MARKS, uid=0, mode=0o777)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def folder(self, name: str, uid: int = OWNER, mode: int = 0o755, gid: int | None = None) -> Path:
        """One that is new; those above it are root's."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
        return self.give(path, uid, mode, gid)

    def file(self, path: Path, content: str | bytes, uid: int = OWNER, mode: int = 0o644, gid: int | None = None) -> Path:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.give(path, uid, mode, gid)

    def give(self, path: Path, uid: int, mode: int, gid: int | None = None) -> Path:
        os.chown(path, uid, uid if gid is None else gid)
        path.chmod(mode)
        return path

    def queue(self, folder: Path, uid: int = OWNER, mode: int = 0o600, gid: int | None = None, name: str = "db.sqlite") -> Path:
        """An empty queue, as a program of that user's leaves it that has ended."""
        return self.file(folder / name, _empty_queue(), uid, mode, gid)

    # -- marks ----------------------------------------------------------------------------------------------

    def leaves_mark(self, name: str = "ran") -> str:
        """A line of Python that shows who ran it."""
        return f"import os as _os; open({str(self.marks / name)!r} + str(_os.geteuid()), 'w').close()\n"

    def command(self, name: str = "ran") -> str:
        """The same for the shell."""
        return f": > {self.marks / name}$(id -u)"

    def ran(self) -> list[str]:
        """The marks that were left: a name, and who ran it."""
        return sorted(os.listdir(self.marks))

    # -- jobs -----------------------------------------------------------------------------------------------

    def tasks(self, folder: Path, before: str = "", name: str = "tasks.py", uid: int = OWNER, mode: int = 0o644) -> Path:
        """A module with the task ``f``, which leaves the mark ``task``."""
        return self.file(folder / name, before + self.task_module(), uid, mode)

    def task_module(self, pool: str = "thread") -> str:
        mark = self.leaves_mark("task")
        return f"from litequeue import LiteQueue\napp = LiteQueue('x.sqlite')\n@app.task(pool={pool!r})\ndef f():\n    {mark}"

    def job(self, db: Path, folder: Path, module: str = "tasks", uid: int = OWNER, pool: str = "thread", gid: int | None = None) -> None:
        """One of the task ``f`` of a module, of which a producer has recorded where it is."""
        task = f"{module.removeprefix('./')}.f"

        def insert(connection: sqlite3.Connection) -> None:
            row = (task, module, "f", str(folder), "{}", 0)
            connection.execute("INSERT OR REPLACE INTO litequeue_tasks VALUES (?, ?, ?, ?, ?, ?)", row)
            connection.execute("INSERT INTO litequeue_jobs (task, pool, max_attempts) VALUES (?, ?, 1)", (task, pool))

        sql(uid, db, insert, gid=gid)

    def command_job(self, db: Path, text: str | None = None, uid: int = OWNER, gid: int | None = None) -> None:
        """One that runs a command; without another, one that leaves the mark ``ran``."""
        kwargs = json.dumps({"command": self.command() if text is None else text})
        line = "INSERT INTO litequeue_jobs (task, kwargs, pool, max_attempts) VALUES ('litequeue.command', ?, 'async', 1)"
        sql(uid, db, lambda connection: connection.execute(line, (kwargs,)) and None, gid=gid)


def sql(uid: int, db: Path, act: Callable[[sqlite3.Connection], T], gid: int | None = None) -> T:
    """Whatever a user's own sqlite3 can do to a file; the files beside it are gone afterwards."""

    def do() -> T:
        with contextlib.closing(sqlite3.connect(db, timeout=10)) as connection, connection:
            return act(connection)

    return as_user(uid, do, gid=gid)


def burst(uid: int, db: Path, *flags: object, cwd: Path | str = "/", gid: int | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """A worker that runs what there is and ends."""
    return run(uid, "worker", db, "--burst", "--grace", 1, *flags, cwd=cwd, env=env, gid=gid)
