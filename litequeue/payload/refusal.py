"""The errors of what cannot be stored, and of what cannot be read here."""

from __future__ import annotations

from typing import Any, NoReturn

from ..base.errors import PayloadError, PayloadTooLarge, UnknownTask
from ..base.stored import MAX_BYTES


def refuse(where: str, why: str) -> NoReturn:
    """Raise the PayloadError for the value at that place."""
    if len(where) > 200:  # deep inside a value that contains itself
        where = f"{where[:100]}...{where[-60:]}"
    raise PayloadError(f"{where} cannot be stored: {why}")


def too_large(size: int, what: str, limit: int = MAX_BYTES) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"{what} {size:,} bytes when stored; the limit is {limit:,}. "
        "Store the data elsewhere and pass its path or key"
    )


def not_here(body: Any) -> NoReturn:
    """Raise the UnknownTask for a result that another codec wrote."""
    name, _, task = body[:3]
    raise UnknownTask(
        f"the result was written by the codec {name!r:.100} of the task {task!r:.220}, which this program does not have: import the module that has it, "
        "and ask its app; what is stored is in job.info().result"
    )
