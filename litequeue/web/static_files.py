"""The style sheet, the script and the icon: read once, from wherever the package lies, and handed out from memory.

Owns which there are, and their tags. A browser keeps each and asks whether it has changed, so that after an upgrade nobody sees a new page in
an old style; addresses stay the same, and pages need not know what is in the files.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from typing import Final, NamedTuple

TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
AT: Final = "/static/"


class Static(NamedTuple):
    """One file."""

    body: bytes
    type: str
    tag: str  # of its content, between quotes


@functools.cache
def files() -> dict[str, Static]:
    """By the path at which each is served."""
    found = {}
    for file in resources.files(__package__).joinpath("static").iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            body = file.read_bytes()
            found[AT + file.name] = Static(body, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
    return found
