"""The command ``worker``: what only a worker *process* may do.

``command`` opens the file and runs until it is told to stop; ``imports`` is what ``--import`` names; ``parent`` is the process before it that a container
without an init needs, and one with a program beside the worker.
"""
