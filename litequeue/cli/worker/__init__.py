"""The command ``worker``: what only a worker *process* may do.

``command`` opens the file and runs until it is told to stop; ``imports`` is what ``--import`` names; ``process_1`` is what a container without an
init needs of its first process.
"""
