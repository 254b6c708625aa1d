"""Several workers and their supervisor: ``worker DB --workers N``, and ``--reload``.

Read ``plan`` first, which decides what becomes of whom, in the words of ``states``. ``supervisor`` is the process that does it, ``command`` the way in,
``reload`` its look at files. In a worker's process is ``child``, which tells the supervisor what ``messages`` has words for, and looks at the ``memory``.
May import what ``cli`` may; the supervisor opens no database, and imports no code of users'.
"""
