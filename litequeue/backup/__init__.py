"""Copies of a queue: made of a busy file, kept in number, and put back.

Read ``making`` first: one copy, whole or not at all. ``names`` says what copies in a folder are called, and which of them go; ``restoring`` puts one
in the place of a file; ``face`` is what an app has of it, ``telling`` what is said of a file that is a copy. The rows of a copy are the store's (``store/copies``). May import
``client`` and what is below.
"""
