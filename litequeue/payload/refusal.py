"""The error for a value that cannot be stored."""

from __future__ import annotations

from typing import NoReturn

from ..base.errors import PayloadError


def refuse(where: str, why: str) -> NoReturn:
    """Raise the PayloadError for the value at that place."""
    if len(where) > 200:  # deep inside a value that contains itself
        where = f"{where[:100]}...{where[-60:]}"
    raise PayloadError(f"{where} cannot be stored: {why}")
