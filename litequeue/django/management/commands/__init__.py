"""The commands of the app: ``litequeue``, and Django's own ``flush`` with what the queue adds to it."""
