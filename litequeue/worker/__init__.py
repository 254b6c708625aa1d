"""One worker's life: it claims jobs, has them run, and settles what they came to.

Read ``worker`` first, how one starts and ends, then ``coordinator``, the one thread that changes its state. That asks
``planning`` how many jobs to take (where slots move within a range, ``elastic`` says how many there are), ``admission`` which, ``settling`` what an outcome means, ``looking`` whether and where to look
for jobs, ``slow_look`` when to do so unasked. ``dispatch`` makes calls of jobs, ``running`` has those that it holds, with their ``timeouts``, ``pooling`` makes
the pools, ``outgoing`` keeps what is to be written, with the ``tally`` of what came of it, ``patience`` says how long a turn waits for the lock, ``neighbours`` is what it asks of the rest and tells it,
``reporting`` tells of discarded jobs, ``telling`` an app's own functions of what ended, ``journal`` has the log's
lines; all else reaches it through the ``inbox``.

``building`` puts one together for an app, ``config`` has the settings, ``discovery`` finds the code of tasks (``lacking``: of which it has not), ``importing`` imports it beside all that, ``staleness`` tells
whether its files were changed since. ``embedded`` runs a worker inside an app, ``single`` one for one job that somebody has chosen, ``signals`` stops one,
``leaving`` ends its process although it has not stopped, ``repeated_warning`` says once what
happens often. What ticks in threads of its own lives in ``services``. May import ``schedules``, ``store``, ``pools``, ``commands`` and all that is below them.
"""
