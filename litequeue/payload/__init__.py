"""Arguments and results as JSON: tagged where JSON has no such type, exact in both directions, and never pickle.

Read ``codec`` first; ``plain`` is its quick way for plain values, the types that it knows are in ``types``, and
``zones`` is how their time zones are carried,
``derived`` how Enum classes and dataclasses do without code of their own, ``refusal`` the error of what cannot be stored, ``ways`` what it says to do,
``collisions`` what a stored set or dict may cost to build. May import ``base``.
"""

from ..base.stored import MAX_BYTES
from .codec import Codec

__all__ = ["MAX_BYTES", "Codec"]
