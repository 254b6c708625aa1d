"""Jobs that wait for jobs: how they come in, how they are told, and what a revival takes back.

Read ``telling`` first: the inbox, and what becomes of those who wait. ``graph`` stores jobs with their edges, ``following`` makes
those that are called once one has ended, ``joining`` adds to a batch, ``revival`` blocks
again what was cancelled for the sake of a job that is put back, ``keeping`` says what must not
be deleted yet, ``invariants`` are what holds after every transaction. May import ``base`` and what lies beside this folder in ``store``; the turn calls ``telling`` behind one column of its look.

Nobody who ends a job knows of any of this. A final job for which others wait is in a partial index, whoever ended it and however:
a settle, a cancel, a deadline, a rescue, plain SQL. That index is the inbox, and who comes next empties it: no way to end a job
can be forgotten, and a kill between the two is harmless.
"""
