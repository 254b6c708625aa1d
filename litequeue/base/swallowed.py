"""What became of an exception that was raised in a thread from outside: handled by the task, or thrown away by Python.

Owns the rule for that. A ``__del__``, a generator's ``close()``, a weakref's or ``gc``'s callback, a callback of ``sqlite3``
are called by C code that writes "Exception ignored in" or nothing at all, and goes on. What tells the two apart is the
function that the exception came to last, in its traceback: it has caught it if it still runs, or ended somewhere else than
where the exception passed through it.

Pure, but for looking at frames.
"""

from __future__ import annotations

from types import FrameType
from typing import Final

COROUTINE: Final = 0x80  # inspect.CO_COROUTINE


def is_swallowed(error: BaseException, frame: FrameType | None, kept: bool = False) -> bool:
    """Whether no function of Python caught it. ``frame`` is where its thread is now; ``kept``: it is still there, and an event
    loop keeps what a coroutine raised to raise it again."""
    import opcode

    trace = error.__traceback__
    if trace is None:  # it did not come to any; on 3.11 it has one from its first handler on
        return True
    left = trace.tb_frame
    if kept and left.f_code.co_flags & COROUTINE:
        return False
    while frame is not None:
        if frame is left:
            return False
        frame = frame.f_back
    # A function that has returned, or raised something else, ended elsewhere.
    at = left.f_lasti
    operation, argument = left.f_code.co_code[at : at + 2]
    name = opcode.opname[operation]
    return at == trace.tb_lasti or name == "RERAISE" or name == "RAISE_VARARGS" and not argument
