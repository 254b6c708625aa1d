"""How a process of the pool is started: it looks for nothing in the directory that it starts in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..support import environment

pytestmark = pytest.mark.beside


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "wanted"), [([], 1), (["-P"], 1), (["-I"], 0)])
def test_python_is_told_once_not_to_look_there(tmp_path: Path, flags: list[str], wanted: int) -> None:
    """-I says it too."""
    code = (
        f"import sys; sys.path.insert(0, {environment()['PYTHONPATH']!r})\n"
        "from multiprocessing import spawn\nfrom litequeue.pools.spawning import look_nowhere_but_there as look\n"
        "look(); look(); print(spawn.get_command_line(pipe_handle=3).count('-P'))"
    )
    done = subprocess.run([sys.executable, *flags, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == f"{wanted}\n"
