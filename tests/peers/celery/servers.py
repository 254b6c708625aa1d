"""What the tests of the bridge share: a Redis of their own, and programs of the shop beside it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import environment, wait_until

SHOP = Path(__file__).parent / "shop"


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@contextlib.contextmanager
def ended(process: subprocess.Popen[Any], with_signal: int = signal.SIGTERM) -> Iterator[subprocess.Popen[Any]]:
    """The process in the block; and its end, whatever it takes."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(with_signal)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """Its port. Skips where Redis is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed; .ci/run installs it")
    port = free_port()
    words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with ended(subprocess.Popen(words, stdout=subprocess.DEVNULL)):
        wait_until(lambda: _answers(port), what="Redis answers")
        yield port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as asked:
            asked.sendall(b"PING\r\n")
            return asked.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def shop(folder: Path) -> Path:
    """A copy of the shop."""
    folder.mkdir(exist_ok=True)
    for file in SHOP.glob("*.py"):
        shutil.copy(file, folder)
    return folder


def env_of(port: int, database: int = 0, **more: str) -> dict[str, str]:
    """Databases two by two, so that tests that share a Redis do not share its queues."""
    found = {**environment(), "BROKER": f"redis://127.0.0.1:{port}/{database}", "BACKEND": f"redis://127.0.0.1:{port}/{database + 1}", **more}
    if "PYTHONWARNINGS" not in more:
        found.pop("PYTHONWARNINGS", None)
    return found


@contextlib.contextmanager
def celery_worker(folder: Path, env: dict[str, str], *flags: str) -> Iterator[subprocess.Popen[str]]:
    """One that is ready; what it says is in the file ``celery.log``."""
    log = folder / "celery.log"
    with log.open("w") as out:
        words = [sys.executable, "-m", "celery", "-A", "celeryapp", "worker", "-l", "info", "--without-gossip", "--without-mingle", "--without-heartbeat", *flags]
        process = subprocess.Popen(words, cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT, text=True)
        with ended(process):
            try:
                wait_until(lambda: " ready." in log.read_text() or process.poll() is not None, 30, "Celery's worker is ready")
                assert process.poll() is None, log.read_text()
                yield process
            except BaseException:
                print(log.read_text(), file=sys.stderr)
                raise


def run(folder: Path, env: dict[str, str], *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """A program of the shop, to its end."""
    return subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=timeout, check=False)


def python(folder: Path, env: dict[str, str], code: str) -> str:
    """What a line of code in the shop prints, which is to fail in nothing."""
    done = run(folder, env, "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


