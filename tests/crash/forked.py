"""The command line in a fork of pytest: a process as good as any, without the start of an interpreter."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TextIO

from litequeue.cli import (
    commands,  # noqa: F401 - imported here once, not by each fork
    main,
    render,  # noqa: F401
    serve,  # noqa: F401
)


def litequeue(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end, as ``support.litequeue`` does.

    Nobody here may have the file open, since SQLite does not survive a fork. Not for jobs of the process pool,
    whose processes start from the program that this one was started as.
    """
    argv = [str(word) for word in words]
    assert not _is_open(os.path.realpath((cwd or Path()) / argv[1]))
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        pid = os.fork()
        if pid == 0:
            os._exit(_become(argv, cwd, out, err))
        status = os.waitpid(pid, 0)[1]
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(argv, os.waitstatus_to_exitcode(status), out.read(), err.read())


def _is_open(path: str) -> bool:
    """Whether this process has the file open, as far as Linux tells."""
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" and os.path.isfile(path) else ():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{number}") == path:
                return True
    return False


def _become(argv: list[str], cwd: Path | None, out: TextIO, err: TextIO) -> int:
    """What the interpreter does around ``main``."""
    code = 70  # none of ours
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)
        logging.getLogger().handlers.clear()  # pytest's, which keep the worker from having its own
        for number, file in ((1, out), (2, err)):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        if cwd is not None:
            os.chdir(cwd)
        code = main(argv)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - a child of a fork must not go on as a second pytest
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code
