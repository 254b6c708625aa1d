"""The examples for observers, with the real libraries and what they keep in memory."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..support import ROOT, environment
from ..test_examples import SAYS

pytestmark = pytest.mark.beside


@pytest.mark.slow
@pytest.mark.parametrize(("example", "library"), [("tracing", "opentelemetry.sdk"), ("errors", "sentry_sdk")])
def test_an_example_of_an_observer_works_with_its_library(example: str, library: str, tmp_path: Path) -> None:
    if find_spec(library.partition(".")[0]) is None:
        pytest.skip(f"there is no {library}")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{example}.py")], cwd=tmp_path, env={**environment(), "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "skipped" not in done.stdout, done.stdout + done.stderr
    assert re.search(SAYS[example], done.stdout), done.stdout


def test_examples_of_observers_say_what_is_missing() -> None:
    for example in ("tracing", "errors"):
        assert "skipped: there is no" in (ROOT / "examples" / f"{example}.py").read_text()
