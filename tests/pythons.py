"""Run the suite on every Python that is found here: ``python -m tests.pythons [--debian FOLDER] [ARGUMENTS OF PYTEST]``.

Looks for python3.11 to python3.15, also without the GIL (3.14t), on the PATH and among pyenv's versions; with ``--debian``,
as root, also for those of Debian's unstable distribution, in a chroot that is made in the folder (with debootstrap, from the
network) or is there from the last time. Each gets an environment of its own with nothing but pytest in a temporary directory.
A line for each says how it ended; what failed is printed. Exit 1 if any did.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
OLDEST, NEWEST = 11, 15
ASK = "import sys, sysconfig; print(*sys.version_info[:2], bool(sysconfig.get_config_var('Py_GIL_DISABLED')), sys.version.split()[0])"
MIRROR = "http://deb.debian.org/debian"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
IN_CHROOT = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


class Python:
    """A program, and what to put before it to run it."""

    def __init__(self, path: str, folder: Path | None = None) -> None:
        """``folder``: of the chroot that it is in."""
        self.path = path
        self.where = folder or Path("/")
        self.prefix = ["chroot", str(folder), "env", "-i", IN_CHROOT, "HOME=/root"] if folder else []
        asked = subprocess.run([*self.prefix, path, "-c", ASK], capture_output=True, text=True, check=False)
        # Otherwise a shim of a version that is not installed.
        major, minor, free, version = asked.stdout.split() if asked.returncode == 0 else ("0", "0", "", "")
        self.fits = major == "3" and OLDEST <= int(minor) <= NEWEST
        self.version = version + ("t" if free == "True" else "")

    def run(self, checkout: Path, arguments: list[str]) -> tuple[bool, str]:
        """Whether the suite passed, and what it said."""
        with tempfile.TemporaryDirectory(prefix="litequeue-pythons-", dir=self.where / "tmp") as made:
            folder, here = f"/{Path(made).relative_to(self.where)}", f"/{checkout.relative_to(self.where)}"
            subprocess.run([*self.prefix, self.path, "-m", "venv", folder], check=True, capture_output=True)
            inside = f"{folder}/bin/python"
            subprocess.run([*self.prefix, inside, "-m", "pip", "install", "-q", "pytest"], check=True, capture_output=True)
            suite = ["sh", "-c", 'cd "$0" && exec "$@"', here, inside, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
            done = subprocess.run([*self.prefix, *suite], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode == 0, done.stdout


def found() -> list[Python]:
    names = [f"python3.{minor}{kind}" for minor in range(OLDEST, NEWEST + 1) for kind in ("", "t")]
    candidates = [path for path in map(shutil.which, names) if path is not None]
    candidates += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")), reverse=True)
    return [Python(path) for path in candidates]


@contextlib.contextmanager
def debian(folder: Path) -> Iterator[Path]:
    """A chroot with all the Pythons that Debian has today, and this checkout in it."""

    def inside(*words: str) -> str:
        done = subprocess.run(["chroot", str(folder), *words], stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout

    if not (folder / "usr/bin/apt-get").exists():
        subprocess.run(["debootstrap", "--variant=minbase", "sid", str(folder), MIRROR], check=True, stdout=subprocess.DEVNULL)
        # A mirror may be some weeks behind.
        inside("apt-get", "-q", "-o", "Acquire::Check-Valid-Until=false", "update")
        have = inside("apt-cache", "search", "--names-only", r"^python3\.[0-9]+-venv$")
        wanted = [f"python3.{minor}-venv" for minor in range(OLDEST, NEWEST + 1) if f"python3.{minor}-venv" in have]
        inside("apt-get", "-q", "install", "-y", "--no-install-recommends", "ca-certificates", "procps", *wanted)
    for file in ("/etc/resolv.conf", BUNDLE):
        if os.path.exists(file):
            shutil.copyfile(file, f"{folder}{file}")
    checkout = folder / "checkout"
    shutil.rmtree(checkout, ignore_errors=True)
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__"))
    with contextlib.ExitStack() as stack:
        # In /dev/shm are the locks of the pools of processes, which everybody may make; what is mounted there does not come with /dev.
        shared = ("-t", "tmpfs", "-o", "mode=1777", "tmpfs")
        for words, point in (
            (("-t", "proc", "proc"), "proc"), (("--bind", "/dev"), "dev"), (("--bind", "/dev/pts"), "dev/pts"), (shared, "dev/shm"),
        ):  # fmt: skip
            subprocess.run(["mount", *words, str(folder / point)], check=True)
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder / point)], check=False)
        yield checkout


def main(words: list[str]) -> int:
    worst, seen = 0, set[str]()
    with contextlib.ExitStack() as stack:
        pythons = [(python, ROOT) for python in found()]
        if words[:1] == ["--debian"]:
            folder, words = Path(words[1]).resolve(), words[2:]
            checkout = stack.enter_context(debian(folder))
            pythons += [(Python(f"/{path.relative_to(folder)}", folder), checkout) for path in folder.glob("usr/bin/python3.??")]
        for python, checkout in sorted(pythons, key=lambda pair: pair[0].version):
            if not python.fits or python.version in seen:
                continue
            seen.add(python.version)
            began = time.monotonic()
            try:
                passed, text = python.run(checkout, words)
            except subprocess.CalledProcessError as error:
                passed, text = False, f"{error}\n{(error.stderr or b'').decode(errors='replace')}"
            said = re.findall(r"^=* ?(\d+ (?:passed|failed).*?)(?: in .*)?$", text, re.MULTILINE)
            verdict = "passed" if passed else "FAILED"
            print(f"{python.version:<10} {verdict}  {time.monotonic() - began:.0f} s  {''.join(said[-1:])}", flush=True)
            if not passed:
                worst = 1
                print(text, flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
