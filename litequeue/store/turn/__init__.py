"""A worker's turn at the file: one transaction in which it settles what ended and claims what it has room for.

Read ``pipeline`` first, the list of its steps; ``state`` is what they share. Each step is a function in a file of its own,
with its SQL beside it and a sentence that says what it may assume: ``settle``, ``suspend``, ``replace``, ``output``, ``progress``, ``usage``, ``count``, ``adopt``, ``look``, ``cancels``,
``expire``, ``promote``, ``tell``, ``fill``, ``claim``, ``listen``. The next step is one more file and one more entry in that list.

Batches travel as *one* JSON parameter or one JSON cell, so that a whole batch is one ``sqlite3_step``. sqlite3 drops the
GIL around each step, and a thread that computes makes us wait up to the switch interval (5 ms) to get it back: 300 jobs
settled by ``executemany`` beside such a thread held the write lock for 1448 ms, by one UPDATE from json_each for 39 ms; a
claim with 300 rows of RETURNING took 1163 ms. Literal states repeat the partial indexes' own, so that SQLite can use
them; the tests run EXPLAIN QUERY PLAN over each statement and forbid a scan of the jobs table.
"""

from .state import Demand, Look, Turn, Waiting

__all__ = ["Demand", "Look", "Turn", "Waiting"]
