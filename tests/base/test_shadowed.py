"""A file of a project that has the name of a module of Python's, where somebody types ``python -m litequeue``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from litequeue.base import shadowed

from ..support import environment

pytestmark = pytest.mark.beside


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("json/__init__.py", "X = 1"), ("queue.py", "X = 1"), ("token.py", ""),
        ("typing.py", ""), ("logging.py", "raise ValueError"), ("socket.py", ""),
    ],
)  # fmt: skip
def test_a_file_that_stands_in_for_one_of_pythons_is_told_in_a_line_with_what_helps(tmp_path: Path, file: str, text: str) -> None:
    """It was a traceback, out of Python's own modules."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, *flags, "-m", "litequeue", "worker", "db.sqlite", "--burst"]
        return subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30, check=False)

    done = run()
    name = file.partition("/")[0].removesuffix(".py")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "is new" not in line]
    assert line.startswith(f"litequeue: {tmp_path / file} stands in for Python's own {name}, ") and "python -P -m litequeue" in line
    assert run("-P").returncode == 0


def test_any_other_error_is_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where such a file lies there, and nobody has imported it; and in a virtual environment there, which has all of them."""
    (tmp_path / "queue.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        exec(compile("1 / 0", tmp_path / "venv/lib/json/__init__.py", "exec"), {})  # noqa: S102
    except ZeroDivisionError as error:
        shadowed.tell(type(error), error, error.__traceback__)
    assert "Traceback" in capsys.readouterr().err
    with monkeypatch.context() as there:
        shadowed.watch()
        there.setattr(sys, "argv", ["-m"])
        there.setattr(sys, "orig_argv", ["python", "-m", "shop"])
        shadowed.watch()
    assert sys.excepthook is not shadowed.tell
