"""Alerts: what is watched in a file, who looks at it, and who is told.

Read ``watching`` first, one round of looks and what is told of it, by whoever makes it: a worker, or ``alert check``. ``face`` is ``app.alerts``, ``telling`` the words and the jobs
that carry them, ``records`` what people are shown. The conditions and the states are pure, in ``base``; their questions and tables are the store's. May import everything below:
the store, ``commands`` and ``client``. Nothing is handed on from here: a file without alerts needs none of it.
"""
