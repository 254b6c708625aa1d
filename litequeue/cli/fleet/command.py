"""``worker DB --workers N``, with ``--reload``, ``--max-memory``: what may go together, and the command of each of its workers.

Owns those checks, before anything is begun, and that command: the options are handed on as they were given, but for those that are the supervisor's.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from ...base import checks
from ...base.errors import InvalidArgument
from ...options import options_of
from ...options.workers import WorkerOptions
from ...pools.bounded import memory_of
from ...pools.logs import Lines, write_to_stderr
from ...worker.config import WorkerConfig
from .. import notify
from ..grammar import flag_of
from ..looking import Looking
from . import states
from .reload import Watch
from .supervisor import Supervisor


def supervise(arguments: argparse.Namespace, config: WorkerConfig, path: str) -> int:
    """Be the supervisor; the exit code. Raises InvalidArgument for what cannot be meant."""
    check(arguments, config)
    manager = notify.manager()
    name = config.name or f"{socket.gethostname()}-{os.getpid()}"
    checks.name(f"{name}-{states.MOST}", "--name")
    write_to_stderr(Lines(arguments.log_level, arguments.log_json))
    rules = states.Rules(config.grace, config.lease, ends=config.burst, memory=arguments.max_memory, reloads=arguments.reload)
    watch = Watch() if arguments.reload else None
    return Supervisor(arguments.workers or 1, rules, name, lambda name: words(arguments, path, name), manager, Looking(path), watch).run()


def check(arguments: argparse.Namespace, config: WorkerConfig) -> None:
    option = "--workers" if arguments.workers is not None else "--reload"
    if os.name != "posix":
        raise InvalidArgument(f"{option} needs a Unix, where one process can tell another to end in good order: here start each worker by itself")
    if arguments.program:
        raise InvalidArgument(f"{option} and a program after -- do not go together, since that runs beside one worker: start it by itself")
    if arguments.reload and config.burst:
        raise InvalidArgument("--reload waits for changes, and --burst ends when nothing is left to do: leave one of them out")
    if arguments.max_memory is not None and not memory_of("self")[0]:
        raise InvalidArgument("--max-memory reads /proc, which this system does not have: bound tasks with @app.task(pool='process', memory=...), or workers by --max-jobs")


def words(arguments: argparse.Namespace, path: str, name: str) -> list[str]:
    """The command of the worker of that name."""
    # Of another program, whose command this is, begins with the path of that.
    program: list[str] | None = getattr(arguments, "unit_program", None)
    flags = [*_flags(by_module=program is None), *(["-B"] if arguments.reload else [])]  # one edited twice in a second is told from its bytecode by nobody
    return [sys.executable, *flags, *(program or ["-m", "litequeue", "worker"]), path, f"--name={name}", *_options(arguments)]


def _options(arguments: argparse.Namespace) -> list[str]:
    found = []
    for option in options_of(WorkerOptions):
        value = getattr(arguments, option, None)
        if value is None or option == "name":
            continue
        flag = flag_of(option)
        found += [flag] if value is True else [f"{flag}={one}" for one in (value if isinstance(value, list) else [value])]
    found += [f"--import={module}" for module in arguments.imports or ()]
    found.append(f"--log-level={arguments.log_level}")
    if arguments.log_json:
        found.append("--log-json")
    if arguments.max_memory is not None:
        found.append(f"--max-memory={arguments.max_memory}")
    return found


def _flags(*, by_module: bool) -> Sequence[str]:
    """Those that this Python was started with; and -P where ours is a script, which does not look in the working directory first."""
    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags", list)()
    was_module = getattr(sys.modules.get("__main__"), "__spec__", None) is not None
    return flags if not by_module or was_module or "-P" in flags else [*flags, "-P"]
