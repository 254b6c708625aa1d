"""What of a function says whether and how it can be a task: its kind, its parameters and their names, where it is being defined.

Owns these looks at functions and frames. Keeps nothing, and calls nothing.
"""

from __future__ import annotations

import inspect
import re
import sys
from types import CodeType
from typing import Any

from ..base.errors import InvalidType, PayloadError


def nobody_passes(signature: inspect.Signature) -> str:
    """What to do about a method's first parameter, for who waits for Python to fill it in, or some queues' ``bind=True``."""
    first = next(iter(signature.parameters), "")
    if first not in ("self", "cls"):
        return ""
    return f"; nobody passes a task its {first}: make it a @staticmethod, or a function, and ask current_job() about the running job"


def check_function(function: Any) -> None:
    """Raise InvalidType for what is none, or one that a worker could not call."""
    named = isinstance(getattr(function, "__name__", None), str) and hasattr(function, "__module__")
    if not callable(function) or isinstance(function, type) or not named:
        hint = "; make it a @staticmethod, which takes no class" if isinstance(function, classmethod) else ""
        raise InvalidType(f"a task must be a function (write one with def), not {function!r:.100}{hint}")
    if inspect.ismethod(function) and not isinstance(function.__self__, type):
        raise InvalidType(
            f"{function.__qualname__} is bound to an object, which a worker does not have: write a function that makes or "
            "finds the object and calls the method, and make that the task"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidType(
            f"{function.__qualname__} is a generator: calling it runs nothing. "
            "Return a list, or enqueue one job per item"
        )


def top_level() -> CodeType | None:
    """The code of a module, or of a notebook's cell, that is being executed; None where none is, or cannot be told."""
    frame = inspect.currentframe()
    # A function has locals of its own, and so has the body of a class.
    while frame is not None and (frame.f_code.co_flags & inspect.CO_NEWLOCALS or frame.f_locals is not frame.f_globals):
        frame = frame.f_back
    return None if frame is None else frame.f_code


def positional_arity(signature: inspect.Signature) -> tuple[int, int] | None:
    """(least, most) positional arguments of a call without keywords; None if keywords are needed."""
    least, most = 0, 0
    for p in signature.parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            most = sys.maxsize
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            most += 1
            least += p.default is p.empty
        elif p.kind is p.KEYWORD_ONLY and p.default is p.empty:
            return None
    return least, most


def with_name(error: PayloadError, task: str, signature: inspect.Signature) -> PayloadError:
    """The same error, with the name of the argument beside its place, if it says one of a call that fits."""
    where, said = f"{task}: ", str(error)
    found = re.match(r"args\[(\d+)\]", said.removeprefix(where))
    if found is None:
        return error
    taken = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    parameter = taken[min(int(found[1]), len(taken) - 1)]
    name = f"*{parameter.name}" if parameter.kind is parameter.VAR_POSITIONAL else parameter.name
    return PayloadError(said.replace(where, f"{where}argument {name}, ", 1))
