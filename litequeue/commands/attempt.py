"""A command job's attempt, from the job's context to what its ending means.

Owns what a command finds in its environment, how its output is handed on, and the verdict: exit code 0 is
success, all else is ``CommandFailed``. A coroutine, since waiting for another process needs no thread. The output
goes to the job's context as it comes, bounded by ``capped``; what is kept of that is the receiver's matter.
Starts nothing itself (``supervised`` does) and stops nothing itself (``supervisor`` does).

Cancelling (a timeout, a cancelled job, shutdown) sends SIGTERM to all that belongs to the command, and SIGKILL
after a grace, which is shorter where the worker cannot wait; cancelling once more kills at once. If the command
ended before that got to it, its own ending counts. What a command leaves running in the background lives on, as
with cron, but nobody reads its output a second later: a daemon has to send it elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..base.errors import CommandFailed, InvalidArgument, Snooze
from ..base.log import Log
from ..base.trust import SAY_SO, cure, why_untrusted
from ..tasks.context import JobContext
from .account import account_of, environment_of, why_expired, why_not_as
from .capped import CHUNK, Capped
from .supervised import Supervised

if TYPE_CHECKING:
    import pwd

log = Log("litequeue.jobs")

LINGER: Final = 1.0  # seconds for the output's end when the command has ended and others hold its pipes
PACE: Final = 0.25  # seconds between two chunks of one stream
PROMPT: Final = 0.02  # seconds before the first: lines that are written together go together
AGAIN: Final = 1.0  # seconds until a command runs again that was ended together with its worker
MENDED: Final = 60.0  # seconds until one is tried again that somebody else could have written

NOT_FOUND: Final = 127  # the shell's codes for what could not be run
NOT_RUN: Final = 126
_POSIX_SHELLS: Final = {"sh", "ash", "bash", "dash", "ksh", "mksh", "yash", "zsh"}


async def run(context: JobContext, given: dict[str, Any], grace: float) -> dict[str, Any]:
    """Run the command that ``check_command`` let pass. Raises CommandFailed, Snooze, CancelledError."""
    _refuse_where_it_cannot_run(context)
    fields, text = _fields(context, given), given.get("stdin")
    output = _Output(context)
    run = Supervised(output.feed)
    try:
        run.start(fields, None if text is None else text.encode("utf-8", "surrogatepass"))
        cancelled = await _until_gone(run, context, grace)
        said = run.reports()
        if "exit_code" not in said and "failed" not in said:
            await run.clear_away()
        # Cancelling can no longer stop anything, and the result is worth a moment.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([run.silent], timeout=LINGER if not cancelled else 2 * PROMPT)
        code = run.reap()
        if not run.silent.done() and not cancelled:
            output.remark = "[litequeue: the command left processes behind; what they write from now on is lost]\n"
    finally:
        run.close()
        output.close()
    context._usage = usage = output.count(said)
    if cancelled and said.get("stopped", "exit_code" not in said):
        raise asyncio.CancelledError
    _judge(fields, said, usage, output, code)
    return usage


async def _until_gone(run: Supervised, context: JobContext, grace: float) -> bool:
    """Wait for the end, whatever is cancelled: that stops the command, and what is stopped ends too. Whether."""
    cancelled = False
    while not run.gone.done():
        try:
            await asyncio.wait([run.gone])
        except asyncio.CancelledError:
            if cancelled:
                run.kill()
            else:
                run.stop(grace if context._grace is None else min(grace, context._grace))
            cancelled = True
    return cancelled


# -- what is run -----------------------------------------------------------------------------------------


def _refuse_where_it_cannot_run(context: JobContext) -> None:
    if not sys.executable or getattr(sys, "frozen", False):
        raise CommandFailed("commands as jobs need a Python interpreter, and this program was frozen without one")
    if context._database is not None and not context._trusts_anyone:
        why = why_untrusted(context._database)
        if why is not None:
            # As with a worker that starts now, it waits: a wrong chmod, soon mended, is no failure of the command's.
            log.error(
                "job %d waits a minute: no command that %s names is run, since %s; %s, or say %s",
                context.id, context._database, why, cure(why), SAY_SO,
            )  # fmt: skip
            raise Snooze(MENDED)


def _environment(context: JobContext) -> dict[str, str]:
    """What the command is told about its job."""
    told = {"LITEQUEUE_JOB_ID": str(context.id), "LITEQUEUE_ATTEMPT": str(context.attempt)}
    if context._database is not None:
        told["LITEQUEUE_DB"] = context._database
    if context.scheduled_for is not None:
        told["LITEQUEUE_TICK"] = context.scheduled_for.isoformat()
    return told


def _account(user: str) -> pwd.struct_passwd:
    """The one that a command of this user's is to run as."""
    try:
        account = account_of(user)
    except InvalidArgument as error:
        raise CommandFailed(f"the command was not run: {error}") from None
    why = why_not_as(account) or why_expired(user)
    if why is not None:
        raise CommandFailed(f"the command was not run: {why}")
    return account


def _own_account() -> pwd.struct_passwd:
    import pwd

    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:  # a container that is started with any number
        raise CommandFailed(
            f"user_env is the environment of an account, and uid {os.getuid()} has no account here: give what the command needs with env"
        ) from None


def _through_login_shell(words: list[str], user: pwd.struct_passwd) -> tuple[list[str], dict[str, str]]:
    """The words as the user's login shell runs them, and what such a shell expects to find."""
    shell = user.pw_shell or "/bin/sh"
    kind = os.path.basename(shell)
    if kind in _POSIX_SHELLS:
        wrapped = [shell, "-l", "-c", 'exec "$@"', kind, *words]
    elif kind == "fish":
        wrapped = [shell, "-l", "-c", "exec $argv", *words]
    else:
        raise CommandFailed(
            f"user_env does not know how to run a command through {shell}, the login shell of {user.pw_name}; "
            "set what the command needs with env, or give that user bash, zsh, fish or a POSIX shell"
        )
    return wrapped, {"HOME": user.pw_dir, "SHELL": shell, "USER": user.pw_name, "LOGNAME": user.pw_name}


def _fields(context: JobContext, given: dict[str, Any]) -> list[bytes]:
    """What ``Supervised.start`` wants."""
    words = given["argv"] if "argv" in given else ["/bin/sh", "-c", given["command"]]
    account = _account(given["user"]) if "user" in given else None
    variables = {} if account is None else environment_of(account)
    if given.get("user_env"):
        words, more = _through_login_shell(words, account or _own_account())
        variables |= more
    variables |= _environment(context) | given.get("env", {}) | given.get("secret_env", {})
    pairs = [f"{name}={value}" for name, value in variables.items()]
    if account is None:
        cwd, user = given.get("cwd", ""), ""
    else:
        cwd, user = given.get("cwd") or variables["HOME"], f"{account.pw_uid} {account.pw_gid} {account.pw_name}"
    return [os.fsencode(field) for field in (cwd, user, str(len(pairs)), *pairs, *words)]


# -- what its ending means -------------------------------------------------------------------------------


def _judge(fields: list[bytes], said: dict[str, Any], usage: dict[str, Any], output: _Output, code: int) -> None:
    """Return if the command succeeded."""
    if "failed" in said:
        _could_not_run(fields, said, usage)
    if "exit_code" not in said:
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        raise CommandFailed(f"the supervisor of the command {how}, and the command was killed{output.tail()}", usage)
    if said["exit_code"] == 0:
        return
    if said["signalled"]:
        # systemd stops a service by signalling all of its processes: this was no failure of the command.
        raise Snooze(AGAIN)
    after = f" after {said['seconds']:.1f} s{output.tail()}"
    if said["signal"] is not None:
        raise CommandFailed(f"killed by {_signal_name(said['signal'])}{after}", usage)
    raise CommandFailed(f"exit code {said['exit_code']}{after}", usage)


def _could_not_run(fields: list[bytes], said: dict[str, Any], usage: dict[str, Any]) -> NoReturn:
    why = os.strerror(said["errno"])
    usage["exit_code"] = NOT_RUN
    if said["failed"] == "directory":
        raise CommandFailed(f"the command was not run: cwd {os.fsdecode(fields[0])!r}: {why} (exit code {NOT_RUN})", usage)
    if said["failed"] == "user":
        name = os.fsdecode(fields[1]).split(" ", 2)[2]
        raise CommandFailed(f"the command was not run: its process could not become {name}: {why} (exit code {NOT_RUN})", usage)
    count = int(fields[2])
    name = os.fsdecode(fields[3 + count])
    if said["errno"] == errno.ENOENT:
        usage["exit_code"] = NOT_FOUND
        paths = [pair[5:] for pair in fields[3 : 3 + count] if pair.startswith(b"PATH=")]
        path = os.fsdecode(paths[-1]) if paths else os.environ.get("PATH", "")
        why = "no such file, or its interpreter is missing" if "/" in name else f"not found in PATH={path}"
    raise CommandFailed(f"the command {name!r} could not be run: {why} (exit code {usage['exit_code']})", usage)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# -- its output ------------------------------------------------------------------------------------------


class _Output:
    """Both streams on their way to the job's context: at most one chunk of each per ``PACE``."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._streams = {"stdout": Capped(), "stderr": Capped()}
        self._timer: asyncio.TimerHandle | None = None
        self._emitted_at = 0.0
        self.remark = ""  # a last word of ours

    def feed(self, name: str, data: bytes) -> None:
        self._streams[name].feed(data)
        if self._timer is None:
            due = max(self._emitted_at + PACE, self._loop.time() + PROMPT)
            self._timer = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._emitted_at = now = self._loop.time()
        for name, stream in self._streams.items():
            self._say(name, stream.take())
        if any(stream.waiting for stream in self._streams.values()):
            self._timer = self._loop.call_at(now + PACE, self._flush)

    def _say(self, name: str, text: str) -> None:
        if self._context._keeps:
            for start in range(0, len(text), CHUNK):
                self._context._emit(name, text[start : start + CHUNK])

    def close(self) -> None:
        """Hand on all that waits."""
        if self._timer is not None:
            self._timer.cancel()
        for name, stream in self._streams.items():
            while stream.waiting:
                self._say(name, stream.take())
            self._say(name, stream.finish())
        self._say("stderr", self.remark)

    def count(self, said: dict[str, Any]) -> dict[str, Any]:
        """What the command used, and how much it wrote."""
        usage = {key: said.get(key) for key in ("exit_code", "seconds", "cpu_seconds", "max_rss_bytes")}
        return usage | {f"{name}_bytes": stream.total for name, stream in self._streams.items()}

    def tail(self) -> str:
        """The end of stderr, for a message."""
        lines = self._streams["stderr"].last_lines()
        return f": {lines}" if lines else ""
