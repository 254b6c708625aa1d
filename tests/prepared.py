"""The command line in processes that need not start: each is forked from one that has imported everything.

A process of its own all the same, with its own streams, exit code, locks and end, for a tenth of what starting one
costs. Whether ``python -m litequeue`` starts and ends as it should is for other tests; so are inherited limits and
umasks, which a process has from its parent, and that is not the one that asks for it here.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
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
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .support import PROGRAM, ROOT, environment, registered, wait_until

MESSAGE = 1 << 20  # bytes; the longest, with all of an environment in it


def litequeue(*words: object, cwd: Path | None = None, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end: ``support.litequeue``, sooner."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = Process(words, out.fileno(), err.fileno(), cwd=cwd)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode().replace("\r\n", "\n"))
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
    """What tests ask of a ``subprocess.Popen``. Another process is the parent, and tells of the end."""

    def __init__(self, words: tuple[object, ...], out: int, err: int, *, cwd: Path | str | None = None) -> None:
        self.args = [*PROGRAM, *map(str, words)]
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.connect(address())
        asked = {"words": [*map(str, words)], "cwd": str(cwd or Path.cwd()), "env": environment()}
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


@functools.cache
def begun() -> tuple[str, IO[bytes]]:
    """The process that others are forked from, on its way: where it will be asked, and what says that it can be."""
    folder = tempfile.mkdtemp(prefix="litequeue-prepared-")
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, f"{folder}/socket"], cwd=ROOT, env=environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None

    def end(to: IO[bytes] = process.stdin) -> None:
        to.close()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return f"{folder}/socket", process.stdout


@functools.cache
def address() -> str:
    """Where to ask. Forks of the process that asks first share it."""
    path, listens = begun()
    listens.read(1)
    listens.close()
    return path


# -- the other side ----------------------------------------------------------------------------------------


def serve(path: str) -> None:
    """Run what is asked for, each in a fork, until the one who started this is gone."""
    for module in pkgutil.walk_packages([str(ROOT / "litequeue")], "litequeue."):
        if not module.name.endswith("__main__"):
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


def become(streams: list[int], words: list[str], cwd: str, env: dict[str, str]) -> None:
    """``python -m litequeue``, in this process, which ends with it."""
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
    sys.path[0] = cwd
    sys.argv = ["litequeue", *words]
    try:
        runpy.run_module("litequeue", run_name="__main__", alter_sys=True)
    except SystemExit as exit:
        if not isinstance(exit.code, int):
            raise
        code = exit.code
    leave(code)


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
