"""Arguments and results as JSON: tagged where JSON has no such type, exact in both directions, and never pickle unless a task asks for it.

Read ``codec`` first; ``plain`` is its quick way for plain values, the types that it knows are in ``types``, and
``zones`` is how their time zones are carried, ``registering`` what it takes to add one, ``derived`` how Enum classes and dataclasses do without
code of their own, ``refusal`` the errors, and ``ways`` what they say to do,
``collisions`` what a stored set or dict may cost to build. ``coded`` is for tasks whose calls and results are written otherwise: as it is with
``pickled`` ones, they are signed (``signing``). May import ``base``.
"""

from ..base.stored import MAX_BYTES
from .codec import Codec

__all__ = ["MAX_BYTES", "Codec"]
