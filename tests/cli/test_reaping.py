"""Who waits for all children hears of each end once, as an exit code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ..support import environment

pytestmark = [pytest.mark.beside, pytest.mark.skipif(os.name != "posix", reason="needs waitpid")]

WAITS = """
import subprocess, sys, time
from litequeue.cli.reaping import ended_children
assert list(ended_children()) == [], "there is none"
ends = {3: "raise SystemExit(3)", 137: "import os; os.kill(os.getpid(), 9)", 0: ""}
begun = [subprocess.Popen([sys.executable, "-S", "-c", code]) for code in ends.values()]  # kept: Python waits itself for those that nobody has
started = dict(zip([process.pid for process in begun], ends))
lives = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
found, deadline = [], time.monotonic() + 20
while len(found) < 3 and time.monotonic() < deadline:
    found += ended_children()
print(len(found), dict(found) == started, list(ended_children()))
for process in begun:
    process.returncode = 0
lives.kill()
lives.wait()
"""


def test_each_end_is_told_once_and_who_lives_is_not_waited_for() -> None:
    done = subprocess.run([sys.executable, "-c", WAITS], env=environment(), capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "3 True []\n"
