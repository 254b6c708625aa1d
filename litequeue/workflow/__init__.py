"""Workflows: calls that are put together before they are enqueued, and the handle of what was.

Read ``shapes`` first, what a program writes; ``compiling`` makes jobs and edges of it, and ``flow`` is the handle of those; ``batch`` is one that grows. ``face`` is
what an app has of all that. ``written`` makes text of a shape, and back,
``called_back`` a callback of a signature. How jobs wait for each other
is in ``store/links``. May import ``job`` and all that is below it.
"""
