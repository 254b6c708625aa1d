"""The options that people give, each list written down once: of an enqueue, of a task, of a schedule, of a worker.

Read ``option`` first, what is said of one; ``kinds`` are the kinds of values. ``jobs`` has the options of a task and of an
enqueue, ``schedules`` those of a schedule, ``workers`` those of a worker, ``web`` those of the page, ``alerts`` those of an alert. ``habits`` is what
people who come from elsewhere call them, and ``missing`` what objects say of such names. From a list follow the signature that type
checkers see (``**options: Unpack[EnqueueOptions]``), the checks, the arguments of the command line with their help, and the
tables of the guide (tests/options/test_options.py holds the guide to it). To add an option is to add its line here, the column
that keeps it, and the code that acts on it. None given for an option is the same as leaving it out. May import ``base``.
"""

from .jobs import WHEN, EnqueueOptions, JobOptions, TaskOptions
from .option import Option, checked, complete, options_of, refuse_unknown, stored

__all__ = [
    "WHEN", "EnqueueOptions", "JobOptions", "Option", "TaskOptions", "checked", "complete", "options_of",
    "refuse_unknown", "stored",
]  # fmt: skip
