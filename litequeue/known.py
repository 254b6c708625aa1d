"""Who looks at which file in this process, for handles that come out of a pickle: the client of an app, or one made for such handles alone.
And which apps it has, for those that belong to none.

Owns these tables. Weak, so that a file is closed as soon as nobody needs it; and no WeakValueDictionary, whose clean-up is Python code
that runs in whatever thread collects garbage, where a SoftTimeout for a task would be lost in it.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from .base.errors import NotBound

_known: dict[str, ref[Any]] = {}
_apps: list[ref[Any]] = []
shared: dict[str, Any] = {}  # by name, what stands for the app of a shared task
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


def note_app(app: object) -> None:
    """This process has one more."""
    _apps[:] = [*(known for known in _apps if known() is not None), ref(app)]


def apps() -> list[Any]:
    """Those of this process, in the order in which they were made."""
    return [app for app in [known() for known in _apps] if app is not None]


def the_app(whose: str, several: str) -> Any:
    """The one app of this process. Raises NotBound where it has none, or ``several``, which says what to do about that."""
    found = apps()
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotBound(f"{whose}, and this process has no app: make one, app = LiteQueue(...), in a module that is imported, or that is kept")
    raise NotBound(f"{whose}, and this process has {len(found)} apps, {' and '.join(map(repr, found))}: {several}")
