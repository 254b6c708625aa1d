"""``completion``: what lets a shell complete the command line.

Read ``answering`` first, what can be typed next: it runs at each Tab, by its path and without the package. It is handed the ``tree``, which is made of the parsers once, when
``command`` prints the functions for a shell (``scripts``). May import what ``cli`` may; ``answering`` imports nothing of ours, and finds the names that are in a file by
the path of ``store/suggested``.
"""
