"""The fuzz run: what others may have written is made up at random, read, and must do no more than be refused.

``python -m tests.fuzz --seconds N --seed S`` prints a verdict and exits 1 on a fault, with the seed, the kind, the number of
the case and its input; ``--kind KIND --case NUMBER`` runs that one again. Each kind is a module with one generator, ``make``,
and one judge, ``judge``: ``rows``, ``schemas``, ``crontabs``, ``expressions``, ``payloads``, ``datagrams`` and ``requests``. ``oracle``
has what all judges ask for, ``mutations`` what all generators draw from, ``planting`` puts what was made into a file.
"""
