"""Who looks at which file in this process, for handles that come out of a pickle: the client of an app, or one made for such handles alone.

Owns that table. Weak, so that a file is closed as soon as nobody needs it; and no WeakValueDictionary, whose clean-up is Python code
that runs in whatever thread collects garbage, where a SoftTimeout for a task would be lost in it.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

_known: dict[str, ref[Any]] = {}
serving: str | None = None  # the file of which this process runs jobs, if a worker has told it


def note(path: str, client: object) -> None:
    """This one looks at the file from now on."""
    if len(_known) >= 100:
        for gone in [p for p, found in list(_known.items()) if found() is None]:
            _known.pop(gone, None)
    _known[path] = ref(client)


def found(path: str) -> Any:
    """The last one that was noted for it, if it is there still; else None."""
    noted = _known.get(path)
    return None if noted is None else noted()
