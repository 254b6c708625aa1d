"""Arguments and results as JSON: tagged where JSON has no such type, exact in both directions, and never pickle.

Read ``codec`` first; the types that it knows are in ``types``, and
``derived`` is how Enum classes and dataclasses do without code of their own. May import ``base``.
"""

from .codec import MAX_BYTES, Codec

__all__ = ["MAX_BYTES", "Codec"]
