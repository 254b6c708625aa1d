"""The command line in processes that need not start: each is forked from one that has imported everything.

A process of its own all the same, with its own streams, exit code, locks and end, and a user of its own if need be, for
a tenth of what starting one costs. Whether ``python -m litequeue`` starts and ends as it should is for other tests; so
are inherited limits and umasks, which a process has from its parent, and that is not the one that asks for it here.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from .support import PROGRAM, ROOT, environment, registered, wait_until

MESSAGE = 1 << 20  # bytes; the longest, with all of an environment in it


class Who(NamedTuple):
    """A user to be, with nobody's privileges but his own."""

    uid: int
    gid: int
    groups: list[int]


def litequeue(
    *words: object, cwd: Path | str | None = None, timeout: float = 30, errors: str = "strict", **how: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end: ``support.litequeue``, sooner. ``how`` is for the ``Process``."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = Process(words, out.fileno(), err.fileno(), cwd=cwd, **how)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors=errors).replace("\r\n", "\n"))
    return subprocess.CompletedProcess(process.args, process.wait(), *said)


@contextlib.contextmanager
def worker_process(
    db: Path, *flags: object, wait: bool = True, cwd: Path | str | None = None, stdout: IO[Any] | None = None
) -> Iterator[Process]:
    """A worker process that serves ``db``; killed at the end if it still runs: ``support.worker_process``, sooner.

    What it prints comes through a pipe, unless ``stdout`` is a file.
    """
    ours, theirs = (-1, stdout.fileno()) if stdout is not None else os.pipe()
    try:
        process = Process(("worker", db, *flags), theirs, theirs, cwd=cwd)
    finally:
        if stdout is None:
            os.close(theirs)
    process.stdout = os.fdopen(ours) if stdout is None else None
    try:
        if wait:
            wait_until(lambda: registered(db, process.pid), what="the worker registers")
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


class Process:
    """What tests ask of a ``subprocess.Popen``. Another process is the parent, and tells of the end.

    With ``code``, a program of these lines instead of the command line, which has ``words`` after its name.
    """

    def __init__(
        self, words: tuple[object, ...], out: int, err: int, *, cwd: Path | str | None = None, env: dict[str, str] | None = None,
        code: str | None = None, who: Who | None = None, server: Server | None = None,
    ) -> None:  # fmt: skip
        self.args = [*PROGRAM, *map(str, words)]
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.connect((server or OURS).address())
        env = environment() if env is None else env
        asked = {"words": [*map(str, words)], "cwd": str(cwd or Path.cwd()), "env": env, "code": code, "who": who}
        socket.send_fds(self._line, [json.dumps(asked).encode()], [out, err])
        self.pid = int(self._line.recv(MESSAGE))

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = int(self._line.recv(MESSAGE))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._line.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait for the end of the process and of what it prints, and give that."""
        said: list[str] = []
        if self.stdout is not None and not self.stdout.closed:
            reader = threading.Thread(target=lambda read=self.stdout.read: said.append(read()), daemon=True)
            reader.start()
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.stdout.close()
        self.wait(timeout)
        return "".join(said), None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # its parent has reaped it, and is about to tell; as Popen does
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Server:
    """The process that others are forked from: ``words`` that come to ``serve``, with the socket's path after them, in the ``env``
    that there is when it begins."""

    def __init__(self, words: Sequence[str], env: Callable[[], dict[str, str]]) -> None:
        self._words, self._env = words, env
        self._path = ""
        self._listens: IO[bytes] | None = None

    def begin(self) -> None:
        """Let it start, while we do something else."""
        if self._path:
            return
        folder = tempfile.mkdtemp(prefix="litequeue-prepared-")
        self._path = f"{folder}/socket"
        words = [*self._words, self._path]
        process = subprocess.Popen(words, cwd=ROOT, env=self._env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        self._listens = process.stdout

        def end(to: IO[bytes] = process.stdin) -> None:
            to.close()
            process.wait(10)
            shutil.rmtree(folder, ignore_errors=True)

        atexit.register(end)

    def address(self) -> str:
        """Where to ask. Forks of the process that asks first share it."""
        self.begin()
        if self._listens is not None:
            self._listens.read(1)
            self._listens.close()
            self._listens = None
        return self._path


OURS = Server([sys.executable, "-m", __name__], environment)


# -- the other side ----------------------------------------------------------------------------------------


def serve(path: str) -> None:
    """Run what is asked for, each in a fork, until the one who started this is gone."""
    for module in pkgutil.walk_packages([str(ROOT / "litequeue")], "litequeue."):
        # No command needs the last ones, which want pytest, or what bridges lead to.
        if not module.name.endswith("__main__") and not module.name.startswith(("litequeue.testing", "litequeue.celery", "litequeue.django")):
            importlib.import_module(module.name)
    gc.freeze()  # or each child's collections would copy all this memory
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the one who asks ends, and then so does this
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(path)
        door.listen()
        os.write(1, b"!")
        os.close(1)
        while door in select.select([door, 0], [], [])[0]:
            asking, _ = door.accept()
            if os.fork() == 0:
                door.close()
                answer(asking)
                os._exit(0)
            asking.close()


def answer(asking: socket.socket) -> None:
    """Run one command to its end, or to that of the one who asks."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(asking, MESSAGE, 2)
    pid = os.fork()
    if pid == 0:
        asking.close()
        become(streams, **json.loads(message))
    for stream in streams:
        os.close(stream)
    asking.send(str(pid).encode())

    def outlive_nobody() -> None:
        if not asking.recv(1):
            with contextlib.suppress(ProcessLookupError):  # it has ended, and is done with
                os.kill(pid, signal.SIGKILL)

    threading.Thread(target=outlive_nobody, daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        asking.send(str(code).encode())


def become(
    streams: list[int], words: list[str], cwd: str, env: dict[str, str], code: str | None, who: Sequence[Any] | None
) -> None:
    """``python -m litequeue``, or ``python -c``, in this process, which ends with it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    if who is not None:
        be(Who(*who))
    if not sys.flags.safe_path:
        sys.path[0] = cwd
    ended: object = 0
    try:
        if code is None:
            sys.argv = ["litequeue", *words]
            runpy.run_module("litequeue", run_name="__main__", alter_sys=True)
        else:
            sys.argv = ["-c", *words]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(code, "<string>", "exec"), main.__dict__)  # noqa: S102 - a test's own lines
    except SystemExit as exit:
        ended = exit.code
    except BaseException:  # noqa: BLE001 - what nobody caught is shown, as ever
        sys.excepthook(*sys.exc_info())
        ended = 1
    if not isinstance(ended, int | None):  # a text, to be shown
        print(ended, file=sys.stderr)
        ended = 1
    leave(ended or 0)


def be(who: Who) -> None:
    """As if it had been started by that user, from a program that he may read."""
    os.setgroups(who.groups)
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
    os.umask(0o022)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as after a start; else its /proc/self were root's


def leave(code: int) -> None:
    """As the interpreter ends, but for taking all modules apart: their memory would be copied, for two thirds of the
    time that a command takes."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
