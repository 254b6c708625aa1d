"""Modules of Python's own that a file of the working directory stands in for, in ``python -m litequeue``.

Owns the line that is said of an error there instead of its traceback. Plain ``-m`` has that directory first on ``sys.path``, and a
``queue.py`` of somebody's project is not the queue that Python's own modules, and ours, import. Costs nothing until something fails;
and imports nothing that is not there before the first file is looked for, since it could be that one.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing may be the one
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


def watch() -> None:
    """Be asked of whatever ends the program, if it is ``python -m litequeue``, without -P."""
    if sys.argv[:1] == ["-m"] and "litequeue" in sys.orig_argv and not sys.flags.safe_path:  # it has not come to __main__ yet
        sys.excepthook = tell


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    for file, name in _stand_ins(sys.path[0], trace):
        print(
            f"litequeue: {file} stands in for Python's own {name}, since python -m looks in the working directory first "
            f"({kind.__name__}: {error}): python -P -m litequeue does not, and nor does another directory", file=sys.stderr,
        )  # fmt: skip
        return
    sys.__excepthook__(kind, error, trace)


def _stand_ins(here: str, trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    """What has been imported, or has failed as it was."""
    files = {getattr(sys.modules.get(name), "__file__", None) for name in sys.stdlib_module_names}
    while trace is not None:
        files.add(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    for name in sorted(sys.stdlib_module_names):
        for file in (os.path.join(here, name, "__init__.py"), os.path.join(here, f"{name}.py")):
            if file in files:
                yield file, name
