"""Commands as jobs: the built-in task ``litequeue.command``.

Owns what a command job's arguments are, and the task. What happens when it runs is in ``attempt``, which
is imported then: asyncio and subprocess cost 40 ms that who only enqueues need not pay. Starts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from ..base import checks, stored
from ..base.backoff import BackoffLike
from ..base.backoff import check as check_backoff
from ..base.errors import CommandFailed, InvalidArgument, InvalidType
from ..base.here import absolute
from ..base.masking import COMMAND, OF_COMMANDS
from ..payload import Codec
from ..tasks import MARK, TaskCode
from ..tasks.context import current_job
from .account import SHELL

NAME: Final = COMMAND
OF_SYSTEM: Final = " (--system)"  # at the end of the crontab's name that a command came from: one with a user in each line
GRACE: Final = 5.0  # seconds between SIGTERM and SIGKILL


def check_command(
    argv: Sequence[str] | None = None,
    *,
    command: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    secret_env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    user_env: bool = False,
    user: str | None = None,
    backoff: float | timedelta | Sequence[float | timedelta] | None = None,
    crontab: str | None = None,
) -> dict[str, Any]:
    """The keyword arguments of a command job, checked; what has its default is left out.

    ``argv``: the command and its arguments, run as they are; or ``command``: one string for ``/bin/sh -c``.
    ``cwd``: where it runs, made absolute now; None: where the worker runs. ``env``: added to the worker's own
    environment. ``secret_env``: the same, and shown with ``***`` for each value. ``stdin``: text for its input; None: there is
    none. ``user_env``: through the login shell of the worker's user, so that the profile is read. ``user``: whom it runs as,
    with an environment such as cron makes, in his home if there is no ``cwd``; None: the worker's. ``backoff``: seconds before
    a retry, or a list of them of which the last repeats; None: as for any task. ``crontab``: the crontab that it was imported
    from, which changes nothing of what runs. Raises InvalidArgument or InvalidType.
    """
    if os.name != "posix":
        raise InvalidArgument("commands as jobs run on Unix only: their processes are ended by groups; run it from a task")
    found: dict[str, Any] = {}
    if (argv is None) == (command is None):
        raise InvalidArgument("give argv, a list of words, or command, a string for the shell: one of the two")
    if argv is not None:
        found["argv"] = _words(argv)
    else:
        found["command"] = _text(command, "command")
        if not found["command"].strip():
            raise InvalidArgument("command is empty: give the text that /bin/sh -c is to run")
    if cwd is not None:
        path = _text(os.fspath(cwd) if isinstance(cwd, os.PathLike) else cwd, "cwd")
        if not path:
            raise InvalidArgument("cwd is empty: give a directory, or leave it out for the worker's own")
        found["cwd"] = absolute(path)
    if env is not None:
        found["env"] = _variables(env, "env")
    if secret_env is not None:
        found["secret_env"] = _variables(secret_env, "secret_env", secret=True)
        twice = found["secret_env"].keys() & found.get("env", {}).keys()
        if twice:
            raise InvalidArgument(f"{min(twice)} is in env and in secret_env: give it in one of them")
    if stdin is not None:
        if not isinstance(stdin, str):
            raise InvalidType(f"stdin must be a string, not {type(stdin).__name__}: {stdin!r:.100}")
        found["stdin"] = stdin
    if not isinstance(user_env, bool):
        raise InvalidType(f"user_env must be True or False, not {user_env!r:.100}")
    if user_env:
        found["user_env"] = True
    if user is not None:
        found["user"] = _text(user, "user")
        if not user:
            raise InvalidArgument("user is empty: give the name of an account, or leave it out for the worker's own")
    if backoff is not None:
        delays = backoff if isinstance(backoff, (list, tuple)) else [backoff]
        if not delays:
            raise InvalidArgument("backoff: a list of delays needs at least one, e.g. [10, 60]")
        found["backoff"] = [checks.span(delay, "backoff") / checks.MICROS for delay in delays]
    if crontab is not None:
        found["crontab"] = _text(crontab, "crontab")
    return _without_su(found)


def _without_su(found: dict[str, Any]) -> dict[str, Any]:
    """What an import of a system crontab stored once for another user, as it stores it now: root's worker looked su up in the
    crontab's PATH."""
    words = found.get("argv", [])
    words = ["su", *words[2:]] if words[:2] == ["su", "-p"] else words
    if not found.get("crontab", "").endswith(OF_SYSTEM) or words[:2] != ["su", "-s"] or words[4:5] != ["-c"] or len(words) != 6:
        return found
    shell, found["user"], line = words[2], words[3], words[5]
    del found["argv"]
    found |= {"command": line} if shell == SHELL else {"argv": [shell, "-c", line]}
    found.get("env", {}).pop("USER", None)
    return found


def _words(argv: object) -> list[str]:
    if isinstance(argv, (str, bytes)) or not isinstance(argv, Sequence):
        raise InvalidType(
            f"argv must be a list of words, not {type(argv).__name__}: {argv!r:.100}; "
            "for a line that a shell is to interpret use command"
        )
    words = [_text(word, f"argv[{n}]") for n, word in enumerate(argv)]
    if not words or not words[0]:
        raise InvalidArgument("argv is empty: its first word must name the command to run")
    return words


def _variables(env: object, what: str, *, secret: bool = False) -> dict[str, str]:
    if not isinstance(env, Mapping):
        raise InvalidType(f"{what} must be a dict of names and values, not {type(env).__name__}{_quoted(env, secret)}")
    for name, value in env.items():
        if not _text(name, f"a name in {what}") or "=" in name:
            raise InvalidArgument(f"{what} has the name {name!r:.100}; a name is not empty and has no '='")
        _text(value, f"{what}[{name!r:.100}]", secret=secret)
    return dict(env)


def _text(value: object, what: str, *, secret: bool = False) -> str:
    """A string that can be handed to another program."""
    if not isinstance(value, str):
        raise InvalidType(f"{what} must be a string, not {type(value).__name__}{_quoted(value, secret)}")
    if "\0" in value:
        raise InvalidArgument(f"{what} has a NUL character, which no program can be given{_quoted(value, secret)}")
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{what} cannot be encoded for another program: {error}") from None
    return value


def _quoted(value: object, secret: bool) -> str:
    return "" if secret else f": {value!r:.100}"


async def run_command(
    argv: Sequence[str] | None = None,
    *,
    command: str | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    secret_env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    user_env: bool = False,
    user: str | None = None,
    backoff: float | Sequence[float] | None = None,
    crontab: str | None = None,
    grace: float = GRACE,
) -> dict[str, Any]:
    """Run a command inside a job; its usage, which the job's context has too, however the command ends.

    Arguments as ``check_command`` takes them; ``grace``: seconds between SIGTERM and SIGKILL. Raises CommandFailed.
    """
    if os.name != "posix":
        raise CommandFailed(
            "commands as jobs need process groups, which this system does not have; "
            "write a task in Python that calls subprocess.run"
        )
    from .attempt import run

    given = check_command(
        argv, command=command, cwd=cwd, env=env, secret_env=secret_env, stdin=stdin, user_env=user_env, user=user,
        backoff=backoff, crontab=crontab,
    )  # fmt: skip
    return await run(current_job(), given, grace)


class _Command(TaskCode):
    """Each of its jobs may say how long to wait before it is tried again."""

    __slots__ = ()

    def backoff(self, kwargs: str) -> BackoffLike:
        delays = stored.loads(kwargs).get("backoff")
        return super().backoff(kwargs) if delays is None else check_backoff(delays)


TASK: Final = _Command(run_command, Codec(), lambda path: None, {"name": NAME})
TASK.secret = OF_COMMANDS
setattr(run_command, MARK, TASK)  # so that it is found where a job's origin says it is
