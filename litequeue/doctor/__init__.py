"""What is wrong with a file, or may become so: for the command ``doctor`` and the page, a line each.

Read ``examining`` first, the order of the checks and those of the file itself; ``host`` looks at what is around the file,
``work`` judges the workers, the waiting jobs, the schedules, the notices and the alerts (``stats`` shows its word on a worker too),
``waits`` what waits for other jobs, ``finding`` is one line and how bad it is. May import the store and all that is below it, ``commands`` and ``tasks``.
"""
