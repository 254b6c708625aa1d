"""The command line in processes that need not start: each is forked from one that has imported everything.

A process of its own all the same, with its own streams, exit code, locks and end, for a tenth of what starting one
costs. Whether ``python -m litequeue`` starts as it should is for other tests; so are inherited limits and umasks,
which a process has from its parent, and that is not the one that asks for it here.
"""

from __future__ import annotations

import atexit
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
import time
from pathlib import Path
from typing import IO

from .support import PROGRAM, ROOT, environment

MESSAGE = 1 << 20  # bytes; the longest, with all of an environment in it


def litequeue(*words: object, cwd: Path | None = None, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end: ``support.litequeue``, sooner."""
    asked = {"words": [str(word) for word in words], "cwd": str(cwd or Path.cwd()), "env": environment()}
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        asking.connect(address())
        socket.send_fds(asking, [json.dumps(asked).encode()], [out.fileno(), err.fileno()])
        pid = int(asking.recv(MESSAGE))
        asking.settimeout(timeout)
        try:
            code = int(asking.recv(MESSAGE))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired([*PROGRAM, *map(str, words)], timeout) from None
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode().replace("\r\n", "\n"))
    return subprocess.CompletedProcess([*PROGRAM, *map(str, words)], code, *said)


@functools.cache
def address() -> str:
    """Where to ask. Forks of the process that asks first share it."""
    folder = tempfile.mkdtemp(prefix="litequeue-prepared-")
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, f"{folder}/socket"], cwd=ROOT, env=environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    process.stdout.read(1)  # it listens
    process.stdout.close()

    def end(to: IO[bytes] = process.stdin) -> None:
        to.close()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return f"{folder}/socket"


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
    """Run one command to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(asking, MESSAGE, 2)
    pid = os.fork()
    if pid == 0:
        asking.close()
        become(streams, **json.loads(message))
    asking.send(str(pid).encode())
    asking.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def become(streams: list[int], words: list[str], cwd: str, env: dict[str, str]) -> None:
    """``python -m litequeue``, in this process; ends in its SystemExit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv = ["litequeue", *words]
    runpy.run_module("litequeue", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(sys.argv[1])
