"""What has to hold whatever was read: only errors of litequeue's own family, each also the fitting builtin; on the command
line at most one line of it, and no traceback; and an end within a bounded time."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import re
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from litequeue import LitequeueError

from ..prepared import litequeue

LIMIT = 60.0  # seconds of a command; a machine that is busy with other tests takes several
EXITS = (0, 1, 2, 3, 4, 75)
# What moves a terminal's cursor or is sent back by it. Lines and tabs are what a table consists of.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Fault(AssertionError):
    """What was broken, in words."""


class NotText(Fault):
    """It printed what is no UTF-8."""


class _TooLong(BaseException):
    """Nothing of litequeue's that handles an Exception has to take this for one."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound what runs in this process. What holds the GIL for long is shown, and the process ends."""

    def stop(*_: object) -> NoReturn:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(5 * seconds, exit=True)
    try:
        yield
    except _TooLong:
        raise Fault(f"not done within {seconds:g} s\n{traceback.format_exc()}") from None
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def family(call: Callable[[], Any]) -> Any:
    """What it returns; None where it raised an error of the family."""
    try:
        return call()
    except LitequeueError as error:
        builtins = [base for base in type(error).__mro__ if base.__module__ == "builtins"]
        if builtins == [Exception, BaseException, object]:
            raise Fault(f"{type(error).__name__} is no builtin's kind") from error
        return None
    except Exception:  # noqa: BLE001 - that is the question
        raise Fault(traceback.format_exc()) from None


def command(*words: object, cwd: Path, exits: tuple[int, ...] = EXITS) -> subprocess.CompletedProcess[str]:
    """Run the command line, and judge what it says."""
    shown = " ".join(map(str, words))
    try:
        done = litequeue(*words, cwd=cwd, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise Fault(f"{shown}: not done within {LIMIT:g} s") from None
    except UnicodeDecodeError as error:
        raise NotText(f"{shown}: it printed {error.object!r:.500}") from None
    said = f"{shown}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    if "Traceback" in done.stderr:
        raise Fault(f"a traceback. {said}")
    if done.returncode not in exits:
        raise Fault(f"an exit code of its own. {said}")
    raw = _CONTROL.search(done.stdout) or _CONTROL.search(done.stderr)
    if raw:
        raise Fault(f"{raw[0]!r} as it is. {said}")
    if "--json" in words and done.returncode == 0:
        try:
            json.loads(done.stdout, parse_constant=_no_json)
        except ValueError as error:
            raise Fault(f"no JSON ({error}). {said}") from None
    return done


def refused_in_a_line(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether it did nothing but say why not."""
    if done.returncode in (0, 1):
        return False
    if done.stderr.count("\n") != 1:
        raise Fault(f"not one line: {done.stderr!r:.2000}")
    return True


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
