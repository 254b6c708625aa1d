"""The list of addresses: which page answers where.

Owns that list and nothing else. The style sheet, the events and the login are ``site``'s own.
"""

from __future__ import annotations

from typing import Final

from .routing import Route

ROUTES: Final[tuple[Route, ...]] = ()
