"""What a task is: its code and its options, where the code is found again, and what it can ask while it runs.

Read ``code`` first; ``finding`` names modules and imports them, ``context`` is ``current_job()``. Runs no task and opens
no file. May import ``payload`` and ``base``.
"""

from .code import (
    MARK,
    MAX_PRIORITY,
    MAX_RETRIES,
    TaskCode,
    check_timeouts,
    import_directory,
    load,
    locate,
    main_name,
    source_files,
    tasks_of,
)

__all__ = [
    "MARK", "MAX_PRIORITY", "MAX_RETRIES", "TaskCode", "check_timeouts", "import_directory", "load", "locate", "main_name",
    "source_files", "tasks_of",
]  # fmt: skip
