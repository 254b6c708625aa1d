"""Django's own tests of task backends, with ours in the place of its dummy (``django_own``): Django's from 6.0 on, and the package ``django_tasks`` on an older one.

They are in no wheel, and the package's archive has none either; so .ci/run downloads the source of Django's newest release, whose tests are the package's too. Where this
Python is too old for that Django, it makes an environment of a newer one, if there is one. Both lie in ``peers`` in this environment, or where LITEQUEUE_PEERS says.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support import environment

pytestmark = [pytest.mark.beside, pytest.mark.slow]

PEERS = Path(os.environ.get("LITEQUEUE_PEERS") or Path(sys.prefix) / "peers")
ASK = "import django; print(*django.VERSION[:2])"
# Of the dummy's, what changes the dummy's own memory and looks at that.
NOT_OURS = {"test_refresh_result", "test_refresh_result_async"}
# What is new in Django 6.1: older ones cannot do it, whatever the backend.
NEW = {"test_pickle_task", "test_pickle_task_result", "test_run_after_in_decorator", "test_unpickle_arbitrary_string", "test_unpickle_non_task_object"}


@functools.cache
def version(python: str) -> tuple[int, ...]:
    done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split()))


def with_django_6() -> str:
    """A Python that has it."""
    own = PEERS / "django6" / "bin" / "python"
    found = next((python for python in (sys.executable, str(own)) if os.path.exists(python) and version(python) >= (6, 0)), None)
    if found is None:
        pytest.skip(f"Django 6 is neither installed here nor in {own.parent.parent}; .ci/run installs it where there is a Python from 3.12 on")
    return found


def with_the_package() -> str:
    if version(sys.executable) >= (6, 0) or importlib.util.find_spec("django_tasks") is None:
        pytest.skip("the package django_tasks is not installed beside a Django before 6; .ci/run installs it")
    return sys.executable


@pytest.mark.parametrize("find", [with_django_6, with_the_package], ids=["django", "package"])
def test_djangos_own_tests_pass_with_this_backend(tmp_path: Path, find: object) -> None:
    python = find()  # type: ignore[operator]
    sources = sorted(PEERS.glob("[dD]jango-*.tar.gz"))
    if not sources:
        pytest.skip(f"there is no source of Django's in {PEERS}; .ci/run downloads it")
    program = Path(__file__).parent / "django_own.py"
    done = subprocess.run(
        [python, "-W", "ignore", program, sources[-1], tmp_path], env={**environment(), "DJANGO_SETTINGS_MODULE": ""}, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    ends = {name: end for name, end in json.loads(done.stdout).items() if name.rpartition(".")[2] not in (NOT_OURS if "dummy" in name else ())}
    beyond = NEW if version(python) < (6, 1) else set()
    wrong = {name: end for name, end in ends.items() if end and name.rpartition(".")[2] not in beyond}
    assert not wrong, "\n".join(f"{name}: {end}" for name, end in wrong.items())
    passed = [name for name, end in ends.items() if not end]
    assert sum(".test_tasks." in name for name in passed) >= 39 - len(beyond)
    assert sum(".test_dummy_backend." in name for name in passed) >= 15
