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
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .support import PROGRAM, ROOT, environment

MESSAGE = 1 << 20  # bytes; the longest, with all of an environment in it


def litequeue(*words: object, cwd: Path | None = None, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end: ``support.litequeue``, sooner."""
    asked = {"words": [str(word) for word in words], "cwd": str(cwd or Path.cwd()), "env": environment()}
    server = _server()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        socket.send_fds(server, [json.dumps(asked).encode()], [out.fileno(), err.fileno()])
        pid = int(server.recv(MESSAGE))
        server.settimeout(timeout)
        try:
            code = int(server.recv(MESSAGE))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            server.settimeout(None)
            server.recv(MESSAGE)
            raise subprocess.TimeoutExpired([*PROGRAM, *map(str, words)], timeout) from None
        finally:
            server.settimeout(None)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode().replace("\r\n", "\n"))
    return subprocess.CompletedProcess([*PROGRAM, *map(str, words)], code, *said)


@functools.cache
def _server() -> socket.socket:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(its.fileno())], pass_fds=[its.fileno()], cwd=ROOT, env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours


# -- the other side ----------------------------------------------------------------------------------------


def serve(asking: socket.socket) -> None:
    """Run one command after the other, until nobody is there to ask."""
    for module in pkgutil.walk_packages([str(ROOT / "litequeue")], "litequeue."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()  # or each child's collections would copy all this memory
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the one who asks ends, and then so does this
    while True:
        message, streams, _, _ = socket.recv_fds(asking, MESSAGE, 2)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            asking.close()
            become(streams, **json.loads(message))
        for stream in streams:
            os.close(stream)
        asking.send(str(pid).encode())
        asking.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def become(streams: list[int], words: list[str], cwd: str, env: dict[str, str]) -> None:
    """``python -m litequeue``, in this process; ends in its SystemExit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    serve(socket.socket(fileno=int(sys.argv[1])))
