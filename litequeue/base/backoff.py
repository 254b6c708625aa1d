"""When to try again: pure functions from (backoff, failures so far, exception) to a delay.

Owns the formula and the validation of every form of ``backoff=``. The randomness is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from . import checks
from .errors import InvalidArgument, InvalidType
from .signatures import signature_of

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter.

    The n-th retry waits ``uniform(0, min(cap, base * factor**(n-1)))`` seconds: "full jitter" of
    Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), which spreads a crowd of
    failed jobs better than equal or no jitter. ``jitter=False`` waits the whole of it. ``base`` and ``cap`` may be given as
    timedeltas, or as text such as "10m", and are seconds then.
    """

    base: float | str | timedelta = 1.0
    factor: float = 2.0
    cap: float | str | timedelta = 600.0
    jitter: bool = True

    def __post_init__(self) -> None:
        for name in ("base", "cap"):
            object.__setattr__(self, name, checks.span(getattr(self, name), f"Backoff({name})") / checks.MICROS)
        if isinstance(self.factor, bool) or not isinstance(self.factor, (int, float)):
            raise InvalidType(f"Backoff(factor) must be a number, not {type(self.factor).__name__}: {self.factor!r:.100}")
        checks.flag(self.jitter, "Backoff(jitter)")
        if not 1 <= self.factor < float("inf"):
            raise InvalidArgument(f"Backoff(factor) must be at least 1, and finite, not {self.factor}")

    def delay(self, retry: int, rng: random.Random) -> float:
        """Seconds before the ``retry``-th retry, counted from 1."""
        step, cap = cast(float, self.base), cast(float, self.cap)  # they are seconds by now
        if step == 0:
            return 0.0
        # Multiply only while below the cap: factor**1000 overflows a float.
        for _ in range(min(retry - 1, 10_000)):
            if step >= cap or self.factor == 1:
                break
            step *= self.factor
        ceiling = min(step, cap)
        return rng.uniform(0, ceiling) if self.jitter else ceiling


DEFAULT = Backoff()

BackoffLike = Backoff | float | int | str | timedelta | Sequence[Any] | Callable[[int, BaseException], Any]


def check(value: object) -> BackoffLike:
    """Validate a ``backoff=`` option: a Backoff, a length of time, a list of them, or a callable."""
    value = checks.whole(value)
    if isinstance(value, Backoff):
        return value
    if callable(value):
        _check_parameters(value)
        return value
    if isinstance(value, (list, tuple)):
        if not value:
            raise InvalidArgument("backoff: a list of delays needs at least one, e.g. [1, 10, 60]")
        for position, item in enumerate(value):
            checks.span(item, f"backoff[{position}]")
        return tuple(value)
    if isinstance(value, str) and "," in value:
        raise InvalidArgument(f"backoff: several delays are a list, such as {[part.strip() for part in value.split(',')]}")
    if isinstance(value, (int, float, timedelta, str)):
        checks.span(value, "backoff")
        return value
    raise InvalidType(
        "backoff must be Backoff(...), a length of time (seconds, a timedelta, or text such as '10m'), a list of those, or a "
        f"function of (attempt, exception), not {type(value).__name__}: {value!r:.100}"
    )


def _check_parameters(function: Callable[..., Any]) -> None:
    try:
        signature = signature_of(function)
    except (TypeError, ValueError):  # a builtin that does not tell
        return
    try:
        signature.bind(1, None)
    except TypeError as error:
        raise InvalidArgument(
            f"backoff: a function must take (attempt, exception); this one takes {signature}: {error}"
        ) from None


def delay_micros(
    backoff: BackoffLike, retry: int, error: BaseException, rng: random.Random
) -> int:
    """Microseconds before the ``retry``-th retry (from 1).

    The last delay of a list repeats. A callable gets the number of the attempt that failed and its
    exception; what it raises, or an answer that is no delay, propagates to the caller.
    """
    if isinstance(backoff, Backoff):
        return checks.span(backoff.delay(retry, rng), "backoff")
    if isinstance(backoff, (tuple, list)):
        return checks.span(backoff[min(retry, len(backoff)) - 1], "backoff")
    if callable(backoff):
        return checks.span(backoff(retry, error), "the delay that the backoff function returned")
    return checks.span(backoff, "backoff")
