"""The command line: ``python -m litequeue COMMAND DB ...``. A user's mistake is one line on stderr, never a traceback.

Read ``entry`` first, the way in. ``grammar`` has the commands and their arguments. What they do: ``worker``,
``top``, ``completion`` and ``bench`` have rooms of their own; ``jobs`` has those that look at a file, ``acts`` those that change jobs and queues, ``outputs`` what one of them printed, ``following`` what it prints while it runs, ``logs`` what all of them print (``lines``: as lines), ``run`` the one that runs a job in this process (``post_mortem``: its debugger), ``flows`` the one that shows a workflow (``tree``: its picture), ``events`` those about events, ``limits`` the one about limits, ``signing`` the one that makes a key, ``schedules`` and
``crontabs`` and ``crontab_export`` those of that name (``crontab_plans``: which of a crontab's jobs stands already), ``alerts`` those about alerts, ``doctor`` prints what is wrong, ``backups`` makes copies and puts them back, ``service`` prints ``units``, ``fleet`` is ``worker`` with ``--workers``, ``notify`` tells a service manager, ``reaping`` waits for children, ``web`` serves the page, ``looking`` has a child look at the alerts meanwhile, ``metrics`` prints what collectors read, ``compact`` gives room back, ``carrying`` takes jobs out as lines and in, ``celery_migrate`` moves jobs to Celery, ``demo`` is a show, ``help`` prints the guide. What they share:
``calls`` (the words of a command line as a call), ``printing`` (how a command says anything), ``render`` (tables and JSON), ``bars`` (beside a table), ``notes`` (what is only noted), ``exits``
(the exit codes). May import everything; nothing but ``__main__`` imports it.
"""

from .entry import main

__all__ = ["main"]
