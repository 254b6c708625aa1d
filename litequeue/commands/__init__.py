"""Commands as jobs, and telling people of failures by them.

Read ``command`` first: the built-in task ``litequeue.command`` and what its arguments are. ``attempt`` is one run of it,
``supervised`` the command as an event loop sees it, ``supervisor`` the small program that stands between the two and ends
with the worker, ``become`` its way to start a command as another user, ``capped`` bounds what is kept of the output, ``account``
is whose a command is. ``notices`` makes the jobs that tell of failures. May import ``tasks``, ``payload`` and ``base``;
``attempt`` is imported when a command runs, since asyncio and subprocess cost 40 ms that who only enqueues need not pay.
"""
