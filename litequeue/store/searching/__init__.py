"""Which jobs a search means, found without reading more than there is time for.

Read ``finding`` first: how a search goes on window by window. ``sources`` are the ways in which jobs can be walked, each by an index, ``conditions`` what the terms
of a search come to in SQL, ``masked`` those that are asked of a job without its secrets. May import ``base`` and the rest of the store.
"""

from .finding import Found, Searching

__all__ = ["Found", "Searching"]
