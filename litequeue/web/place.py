"""Where a page is shown: one file, and what is the same for everyone who looks at it.

Owns these fields. Who looks, and what is asked, is a ``Request`` of ``messages``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base.clock import Clock
from ..client import Client


@dataclass(frozen=True, slots=True)
class Place:
    """What every page function is given beside its request."""

    client: Client  # the file: its rows are read through ``client.store``
    path: str  # of the file, to be shown
    may_act: bool  # whether forms do anything here; a request says whether its visitor may use them
    clock: Clock
