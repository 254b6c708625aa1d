"""litequeue's own version, for all floors: ``litequeue.__version__`` and what is built from here are taken from it."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
