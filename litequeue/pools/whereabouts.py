"""Where a call was when its time was up: its stack, as text like that of an exception's traceback.

Owns how that is had. A thread and a coroutine are looked at from this process. A pool's process is asked by a signal, which ``faulthandler``
answers in C, whatever the task does: with the GIL held in a C function, in a loop that catches all, blocked in a system call. It writes
into a file of ours, and not to the task's stderr. The signal is a real-time one that nobody uses (SIGUSR1 and 2 belong to users' code,
SIGALRM to their timeouts); only the child itself gets it, and what it starts by ``exec`` has it as it was. On Windows there is none, and nothing is told.

Measured from the timeout to the end of the process, which has to wait for that: 6 ms (medians of 12: asleep, computing, in C that holds the GIL), 9 with 120
threads. One that is stopped, or waits for a broken disk, answers nothing, and is killed after ``PATIENCE``; a thread waits for that, and never the
coordinator. Lines of source are read afterwards, by the worker, and of files alone.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import re
import signal
import stat
import threading
import time
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ..base.clock import monotonic
from ..base.delicate import innermost

SIGNAL: Final[int | None] = getattr(signal, "SIGRTMAX", None) or getattr(signal, "SIGVTALRM", None)  # macOS has no real-time ones
PATIENCE: Final = 0.25  # seconds until the kill, if there is no answer
PAUSE: Final = 0.001
MOST_TEXT: Final = 512 << 10  # bytes of an answer that are read: a hundred threads with a hundred frames each are more
MOST_FRAMES: Final = 100  # innermost
MOST_SOURCE: Final = 4 << 20  # bytes of a file of which a line is shown
MOST_THREADS: Final = 5
FRAMES_OF_OTHERS: Final = 10

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY: Final = os.path.dirname(os.__file__) + os.sep
_CALLED: Final = (os.path.join(_PACKAGE, "pools", "call.py"), "_called")  # what stands below it is the task's
_AWAITED: Final = (os.path.join(_PACKAGE, "pools", "coroutines.py"), "_run")
_OF_MAIN: Final = os.path.join(_PACKAGE, "pools", "child.py")
_THREAD: Final = re.compile(r"^(?:Current thread|Thread) 0x[0-9a-f]+.*\(most recent call first\):$")
_FRAME: Final = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<name>.*)$')
_ESCAPED: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
_ENDS: Final = (b" in <module>\n", b"  ...\n", b"\n...\n")  # of the main thread, which is told last; of too many frames; of too many threads

Frame = tuple[str, int, str]  # file, line, function; the innermost is the last

_answers: int | None = None  # the descriptor, once this process does


# -- in the child ------------------------------------------------------------------------------------------


def answer(fd: int) -> None:
    """From now on: write into that file, at the signal. In the main thread."""
    global _answers
    if _answers is None and SIGNAL is not None:
        import faulthandler  # 1 ms, for tasks with a timeout alone

        signal.signal(SIGNAL, signal.SIG_DFL)  # whoever started the worker may have had it ignored, or blocked
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (SIGNAL,))
        faulthandler.register(SIGNAL, fd, all_threads=True)
        _answers = fd


# -- in the worker -----------------------------------------------------------------------------------------


def ask(pid: int, fd: int, then: Callable[[], None], is_gone: Callable[[], bool]) -> None:
    """Have the child write where it is, and do what comes ``then``, in any case, soon, in a thread. ``fd``: of the file; it may be closed meanwhile."""
    try:
        own = os.dup(fd)
    except OSError:  # no more descriptors
        then()
        return
    thread = threading.Thread(target=_wait, args=(pid, own, then, is_gone), name="litequeue-whereabouts", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads
        os.close(own)
        then()


def _wait(pid: int, fd: int, then: Callable[[], None], is_gone: Callable[[], bool]) -> None:
    try:
        assert SIGNAL is not None
        os.kill(pid, SIGNAL)
        until, before = monotonic() + PATIENCE, b""
        while monotonic() < until and not is_gone():
            time.sleep(PAUSE)
            text = read(fd)
            if text == before and text.endswith(_ENDS):
                break
            before = text
    except OSError:  # it has ended
        pass
    finally:
        then()
        os.close(fd)


def read(fd: int) -> bytes:
    """What it has written."""
    return os.pread(fd, MOST_TEXT, 0)


def as_traceback(answer: bytes, last: str) -> str:
    """What a child has written, as a traceback that ends with that line; other threads of the task's before it. "" if that is nothing."""
    threads = _threads_of(answer.decode("ascii", "replace"))
    main = next((thread for thread in reversed(threads) if any(file == _OF_MAIN for file, _, _ in thread)), threads[-1] if threads else [])
    if not main:
        return ""
    others = [thread for thread in threads if thread is not main and _is_the_tasks(thread)]
    text = "".join(f"Another thread of its process (most recent call last):\n{_listed(thread[-FRAMES_OF_OTHERS:])}\n" for thread in others[:MOST_THREADS])
    if len(others) > MOST_THREADS:
        text += f"... {len(others) - MOST_THREADS} more threads ...\n\n"
    return text + _traceback(_below(main, _CALLED), last)


def of_thread(number: int, last: str) -> str:
    """Where a thread of this process is. "" if it has ended."""
    frame, found = innermost(number), list[Frame]()
    while frame is not None and len(found) < MOST_FRAMES:
        found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return _traceback(_below(found[::-1], _CALLED), last)


def of_coroutine(task: Any, last: str) -> str:
    """Where a task of asyncio waits, through what it awaits, and through tasks that it waits for. In the loop's thread."""
    found: list[Frame] = []
    waits: Any = task.get_coro()
    while waits is not None and len(found) < MOST_FRAMES:
        frame = next((frame for name in ("cr_frame", "gi_frame", "ag_frame") if (frame := getattr(waits, name, None)) is not None), None)
        if isinstance(frame, types.FrameType):
            found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        below = next((below for name in ("cr_await", "gi_yieldfrom", "ag_await") if (below := getattr(waits, name, None)) is not None), None)
        if frame is None or below is None:
            task = getattr(task, "_fut_waiter", None)  # another task, perhaps
            below = task.get_coro() if hasattr(task, "get_coro") else None
        waits = below
    return _traceback(_below(found, _AWAITED), last)


# -- as text -----------------------------------------------------------------------------------------------


def _threads_of(text: str) -> list[list[Frame]]:
    threads: list[list[Frame]] = []
    for line in text.splitlines():
        if _THREAD.match(line):
            threads.append([])
        elif threads and (match := _FRAME.match(line)) is not None:
            number = int(match["line"]) if match["line"].isdigit() else 0
            threads[-1].append((_unescaped(match["file"]), number, _unescaped(match["name"])))
    return [thread[::-1] for thread in threads]


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(min(int(next(filter(None, found.groups())), 16), 0x10FFFF)), text)


def _is_the_tasks(thread: Sequence[Frame]) -> bool:
    """Not one of ours, nor one that only waits in the standard library for something to do."""
    files = [file for file, _, _ in thread]
    return not any(file.startswith(_PACKAGE) for file in files) and not all(file.startswith(_LIBRARY) and "-packages" not in file for file in files)


def _below(frames: list[Frame], caller: tuple[str, str]) -> list[Frame]:
    """Without ours, which called it."""
    at = next((number for number, (file, _, name) in enumerate(frames) if (file, name) == caller), -1)
    return frames[at + 1 :]


def _traceback(frames: Sequence[Frame], last: str) -> str:
    return f"Traceback (most recent call last):\n{_listed(frames)}{last}\n" if frames else ""


def _listed(frames: Iterable[Frame]) -> str:
    lines = []
    for file, number, name in frames:
        lines.append(f'  File "{file}", line {number}, in {name}\n')
        if source := _source(file, number):
            lines.append(f"    {source}\n")
    return "".join(lines)


def _source(file: str, number: int) -> str:
    """A line, if it is one of a file that is not too large: what is compiled may be called anything, /dev/zero too."""
    with contextlib.suppress(Exception):
        found = os.stat(file)
        if stat.S_ISREG(found.st_mode) and found.st_size <= MOST_SOURCE:
            linecache.checkcache(file)
            return linecache.getline(file, number).strip()
    return ""
