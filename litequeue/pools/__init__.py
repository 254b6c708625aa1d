"""Where calls run. ``base`` has the protocol; ``threads``, ``processes`` and ``coroutines`` fill it in;
``call`` is the edge where exceptions become outcomes. Never sees the store.
"""
