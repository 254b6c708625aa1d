"""What a task is: its code and its options, where the code is found again, and what it can ask while it runs.

Read ``code`` first; ``modules`` names and imports modules, ``finding`` finds the task of a stored name in one, ``context``
is ``current_job()``. Runs no task and opens no file. May import ``options``, ``payload`` and ``base``.
"""

from .code import MARK, TaskCode, Template, check_columns
from .finding import locate, tasks_of
from .modules import import_directory, load, main_name, source_files

__all__ = [
    "MARK", "TaskCode", "Template", "check_columns", "import_directory", "load", "locate", "main_name", "source_files",
    "tasks_of",
]  # fmt: skip
