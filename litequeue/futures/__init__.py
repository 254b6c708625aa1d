"""``app.executor()``: jobs as futures of ``concurrent.futures``.

Read ``executor`` first, what a program holds; ``future`` is what it gives for each call, ``pending`` has those that are not done, the thread that completes
them and the executor's own worker; ``functions`` makes tasks of plain functions. ``face`` is what an app has of that. May import ``worker`` and all that is below it.
"""
