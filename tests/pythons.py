"""Run the suite on every Python that is found here: ``python -m tests.pythons [ARGUMENTS OF PYTEST]``.

Looks for python3.11 to python3.15, also without the GIL (3.14t), on the PATH and among pyenv's versions; each gets an
environment of its own with nothing but pytest in a temporary directory. A line for each says how it ended; what failed is
printed. Exit 1 if any did.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
OLDEST, NEWEST = 11, 15
ASK = "import sys, sysconfig; print(*sys.version_info[:2], bool(sysconfig.get_config_var('Py_GIL_DISABLED')), sys.version.split()[0])"


def found() -> dict[str, str]:
    """A program for each version, by its name."""
    names = [f"python3.{minor}{kind}" for minor in range(OLDEST, NEWEST + 1) for kind in ("", "t")]
    candidates = [path for path in map(shutil.which, names) if path is not None]
    candidates += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")), reverse=True)
    pythons: dict[str, str] = {}
    for path in candidates:
        asked = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=False)
        if asked.returncode:
            continue  # a shim of a version that is not installed
        major, minor, free, version = asked.stdout.split()
        if major == "3" and OLDEST <= int(minor) <= NEWEST:
            pythons.setdefault(version + ("t" if free == "True" else ""), path)
    return pythons


def run(python: str, arguments: list[str]) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory(prefix="litequeue-pythons-") as folder:
        subprocess.run([python, "-m", "venv", folder], check=True, capture_output=True)
        inside = f"{folder}/bin/python"
        subprocess.run([inside, "-m", "pip", "install", "-q", "pytest"], check=True, capture_output=True)
        done = subprocess.run(
            [inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
    return done.returncode == 0, done.stdout


def main() -> int:
    worst = 0
    for version, python in sorted(found().items()):
        began = time.monotonic()
        try:
            passed, text = run(python, sys.argv[1:])
        except subprocess.CalledProcessError as error:
            passed, text = False, f"{error}\n{(error.stderr or b'').decode(errors='replace')}"
        said = re.findall(r"^=* ?(\d+ (?:passed|failed).*?)(?: in .*)?$", text, re.MULTILINE)
        print(f"{version:<10} {'passed' if passed else 'FAILED'}  {time.monotonic() - began:.0f} s  {''.join(said[-1:])}", flush=True)
        if not passed:
            worst = 1
            print(text, flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main())
