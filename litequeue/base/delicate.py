"""Where an exception out of nowhere would break what all threads of a process share.

Owns the rule by which a running thread is looked at before SoftTimeout is raised in it. The standard library keeps locks of
the whole process: those of ``logging`` and its handlers, of the import system, of starting threads. An exception that comes
just after such a lock was taken leaves it taken for ever (measured: a task that logged in a loop hung its worker after 1 to
18 timeouts), and a module whose import was cut short stays broken. So: never while something is imported; and in a file that
has such locks only inside a ``try`` or ``with``, whose end gives back what was taken. A rule by function names would do
less: whoever logs without pause is met nearly always where the record is written, which is inside one.

Pure, but for looking at frames. What a task's own locks guard is its own affair (``pool="process"`` is the way out).
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from itertools import cycle, takewhile
from operator import attrgetter, call, eq, is_, itemgetter
from types import CodeType, FrameType
from typing import Final

COLLECTS: Final = sys.version_info < (3, 11, 9)
MOST_FRAMES: Final = 500  # deeper ones are not looked at: the look has to be quick
_IMPORTING: Final = "<frozen importlib."
_STARTING: Final = threading.Thread.start.__code__
_WAITING: Final = threading.Condition.wait.__code__
_LIBRARY: Final = os.path.dirname(os.__file__)
# Files of the standard library that keep locks of the whole process, and the functions that hold them: all, or these.
_SHARED: Final[dict[str, frozenset[str] | None]] = {
    os.path.join(_LIBRARY, *parts): functions
    for parts, functions in (
        (("logging", "__init__.py"), None),
        (("logging", "handlers.py"), None),
        (("logging", "config.py"), None),
        (("concurrent", "futures", "thread.py"), None),
        (("concurrent", "futures", "process.py"), None),
        (("multiprocessing", "resource_tracker.py"), None),
        (("multiprocessing", "resource_sharer.py"), None),
        (("multiprocessing", "forkserver.py"), None),
        (("multiprocessing", "heap.py"), None),
        (("multiprocessing", "managers.py"), None),
        (("multiprocessing", "util.py"), None),
        (("_strptime.py",), None),
        (("asyncio", "events.py"), None),
        (("asyncio", "mixins.py"), None),
        (("importlib", "util.py"), None),
        (("sysconfig.py",), None),
        (("sysconfig", "__init__.py"), None),
        (("webbrowser.py",), None),
        (("functools.py",), None),
        (("tempfile.py",), None),
        (("weakref.py",), None),
        (("_weakrefset.py",), None),
        # The rest of it guards what a task makes for itself, and is where tasks wait.
        (
            ("threading.py",),
            # Of ``with condition:`` too, which are functions of Python: a queue that a handler of ``logging`` writes to has one.
            frozenset({"__init__", "__enter__", "__exit__", "_delete", "_stop", "_bootstrap_inner", "active_count", "enumerate", "start"}),
        ),
    )
}

# From Python 3.13 on the exception comes one look of the interpreter later than where the thread is met: at the end of a ``with``
# as its __exit__ begins, where that is a function (as of the lock of ``warnings`` from 3.14 on). Within these it waits for their
# end, but where they wait themselves.
_WHOLLY: Final = tuple(os.path.join(_LIBRARY, name) for name in ("queue.py", "warnings.py", "_py_warnings.py"))


def is_delicate(frame: FrameType | None, until: CodeType) -> bool:
    """Whether a thread whose innermost frame this is must be left alone for now; frames below ``until`` are not its task's,
    and others of that file are who raises it: one more would take its place."""
    if frame is None:
        return False
    functions = _SHARED.get(frame.f_code.co_filename, ())
    if (functions is None or frame.f_code.co_name in functions) and not _is_protected(frame):
        return True
    waits = frame.f_code is _WAITING
    looked: FrameType | None = frame
    for _ in range(MOST_FRAMES):
        if looked is None or looked.f_code is until:
            return False
        # A thread that is being started has its maker's number until it runs (Python 3.11), and the exception would come there.
        file = looked.f_code.co_filename
        if looked.f_code is _STARTING or file.startswith(_IMPORTING) or file in _WHOLLY and not waits or file == until.co_filename:
            return True
        looked = looked.f_back
    return False


def innermost(thread: int) -> FrameType | None:
    """Where a thread is now; None if it has ended."""
    return next(_all_frames()).get(thread)


def while_at(thread: int, frame: FrameType, at: int) -> Iterator[int]:
    """``at`` as long as this is its innermost frame, at this instruction (``f_lasti``): then those that called it have not moved
    either. It looks each time that it is asked, by functions of C alone, between which Python does not give the GIL away."""
    frames = map(itemgetter(thread), _all_frames())
    return takewhile(partial(eq, at), map(attrgetter("f_lasti"), takewhile(partial(is_, frame), frames)))


def _all_frames() -> Iterator[dict[int, FrameType]]:
    """Where all threads are, each time that it is asked, by functions of C alone.

    Without the collector up to Python 3.11.8 (bpo: gh-106883): a finalizer that it ran in there gave the GIL away, and the lock of the
    list of threads not: the next thread that was started, or looked like this, waited for that with the GIL, and so did all
    others, for ever (seen of a worker's threads, once in some 100,000 timeouts).
    """
    if COLLECTS and gc.isenabled():
        steps = map(call, cycle((gc.disable, sys._current_frames, gc.enable)))
        return map(itemgetter(1), zip(steps, steps, steps, strict=False))
    return iter(sys._current_frames, None)


def _is_protected(frame: FrameType) -> bool:
    """Whether an exception raised here meets a handler of the frame's own function: an ``except``, a ``finally``, the end of
    a ``with``."""
    return any(start <= frame.f_lasti < end for start, end in _protected(frame.f_code))


def _protected(code: CodeType) -> Iterator[tuple[int, int]]:
    """The stretches of a function that a handler guards, in the unit of ``f_lasti``.

    The table's format is CPython's own, the same from 3.11 to 3.14 (its Objects/exception_handling_notes.txt): numbers of 6
    bits a byte, the highest first, 64 where more follow, 128 at the start of an entry; start, length, target, depth.
    """
    numbers: list[int] = []
    number = 0
    for byte in code.co_exceptiontable:
        number = number << 6 | byte & 63
        if not byte & 64:
            numbers.append(number)
            number = 0
    for start, length, _target, _depth in zip(*[iter(numbers)] * 4, strict=False):
        yield start * 2, (start + length) * 2
