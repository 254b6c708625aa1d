"""What an object says of an attribute that it has not, if that is somebody's habit.

Owns the one ``__getattr__`` of apps, tasks and handles. It is an AttributeError as any other, so that ``hasattr`` and ``getattr`` work; what there
is costs nothing, and the words are loaded with the first name that there is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING


class Missing:
    """A base of what users hold."""

    __slots__ = ()

    if not TYPE_CHECKING:  # to a type checker every name would be one that there is

        def __getattr__(self, name):
            if name[:1] == "_":  # asked by those who look at objects: what is marked as a task, what can be copied
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
            from .habits import no_attribute

            raise no_attribute(self, name)
