"""Schedules as users write them: ``app.schedules``, and the declaring of them in code. The firing is the worker's.

Read ``definition`` first, what a schedule is and the checks of it; ``face`` is ``app.schedules``, ``changes``
what an update makes of one, ``decorators``
declare schedules in code, ``declarations`` finds what a loaded module declares. May import everything below: the store, ``triggers``, and what users
hold (``task``, ``job``, ``client``). ``face`` and ``definition`` need time zones and cron, which a program without schedules
does not pay for: so nothing is handed on from here.
"""
