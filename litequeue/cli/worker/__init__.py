"""The command ``worker``: what only a worker *process* may do.

``command`` finds the code, opens the file and runs until it is told to stop; ``process_1`` is what a container without an
init needs of its first process.
"""
