"""One SQLite file: how it is opened, written by one at a time, and kept safe from what happens to files.

Read ``database`` first: connections and transactions. ``connections`` opens and closes one, ``write`` is one
transaction, ``joined`` one that a program holds open, ``borrowed`` its own connection, ``gate`` the lock that a write takes,
``handles`` what a process holds of a file, ``files`` makes it, ``mark`` and ``identity`` notice that it was emptied,
replaced or put beside the log of another, ``draft`` is a file that is being made, ``swap`` puts it in the place of another, ``look`` reads one that
nobody works on, ``wal`` sees to the log, ``compacting`` gives room back, ``sqlerrors`` turns SQLite's
errors into ours, ``lock_holder`` says who holds its lock. Knows the schema and nothing of jobs. May import ``base``, and ``schema`` from beside it.
"""

from .database import Database

__all__ = ["Database"]
