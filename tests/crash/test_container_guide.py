"""The files of the guide's chapter on containers: as process 1 of namespaces, with what Docker does to it, and with Docker where that is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue import LiteQueue
from litequeue.base.durations import parse

from ..support import ROOT, children_of, environment, wait_until

FILES = ROOT / "examples" / "container"
CHAPTER = (ROOT / "litequeue" / "guide" / "containers.md").read_text()
DOCKERFILE = (FILES / "Dockerfile").read_text().replace("\\\n", "")
COMPOSE = (FILES / "compose.yaml").read_text()
# The process tree, the host's name and the loopback network: what a container has of its own.
UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--net", "--")
SET_UP = "hostname {name}; ip link set lo up 2>/dev/null; exec \"$@\""


def words(command: str, text: str) -> list[str]:
    found = re.search(rf"{command} *(\[.*?\])", text, re.DOTALL)
    assert found
    return [sys.executable if word == "python" else word for word in json.loads(found[1])]


WORKER, CHECK, WEB = words("\nCMD", DOCKERFILE), words("HEALTHCHECK [^[]*CMD", DOCKERFILE), words("command:", COMPOSE)


def test_the_chapter_has_the_files_as_they_are() -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", CHAPTER, re.DOTALL | re.MULTILINE)
    assert all(path.read_text() in blocks for path in FILES.iterdir() if path.is_file())
    asks = ", ".join(CHECK[1:]).replace("db.sqlite", "/data/db.sqlite")
    assert f"[python, {asks}]" in " ".join(CHAPTER.split()), "Kubernetes is told to ask what Docker is"


def test_docker_waits_longer_for_a_stop_than_the_worker_does() -> None:
    grace = parse(WORKER[WORKER.index("--grace") + 1])
    stop = re.search(r"stop_grace_period: (\w+)", COMPOSE)
    assert stop and parse(stop[1]) >= grace + parse("10s")
    probes = re.search(r"timeoutSeconds: (\d+)", CHAPTER)
    assert probes and int(probes[1]) == 10 and "--timeout=10s" in DOCKERFILE


class Container(NamedTuple):
    """Processes with namespaces of their own, in the folder of a volume."""

    first: int  # process 1, seen from outside
    process: subprocess.Popen[str]
    volume: Path

    def exec(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """As ``docker exec`` does."""
        enter = ["nsenter", "-t", str(self.first), "-p", "-u", "-n", "-m", f"--wd={self.volume}"]
        return subprocess.run([*enter, *command], env=env_of(self.volume), capture_output=True, text=True, timeout=30, check=False)


def env_of(volume: Path) -> dict[str, str]:
    return {**environment(), "PYTHONPATH": f"{volume.parent / 'app'}:{environment()['PYTHONPATH']}"}


@contextlib.contextmanager
def container(volume: Path, name: str, command: list[str]) -> Iterator[Container]:
    log = volume.parent / f"{name}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*UNSHARE, "sh", "-c", SET_UP.format(name=name), "sh", *command], cwd=volume, env=env_of(volume), stdout=file, stderr=file, text=True
        )  # fmt: skip
    try:
        (first,) = wait_until(lambda: children_of(process.pid), what="process 1")
        wait_until(lambda: Path(f"/proc/{first}/cmdline").read_bytes().startswith(sys.executable.encode()), what="it is no shell any more")
        yield Container(first, process, volume)
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    if shutil.which("unshare") is None or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare, and root or leave to make namespaces")
    (tmp_path / "app").mkdir()
    shutil.copy(FILES / "tasks.py", tmp_path / "app")
    with (tmp_path / "app" / "tasks.py").open("a") as file:
        file.write("\n@app.task\ndef slow():\n    import time\n    time.sleep(1.5)\n    return 'done'\n")
    (tmp_path / "volume").mkdir(0o700)
    return tmp_path / "volume"


def ours(*command: object) -> list[str]:
    return [sys.executable, "-P", "-m", "litequeue", *map(str, command)]


@pytest.mark.slow
@pytest.mark.beside
def test_the_worker_of_the_chapter_is_healthy_works_backs_up_and_stops_as_docker_has_it_stop(volume: Path) -> None:
    with container(volume, "box", WORKER) as box:
        wait_until(lambda: box.exec(CHECK).returncode == 0, 15, "it is healthy")
        done = box.exec(CHECK)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert box.exec(ours("enqueue", "db.sqlite", "tasks.add", "1", "2", "--wait", "10s")).stdout.split()[-1] == "3"
        assert box.exec(ours("schedule", "run", "db.sqlite", "tasks.back_up")).returncode == 0
        copy = volume / "backup.sqlite"
        wait_until(copy.exists)
        assert copy.stat().st_mode & 0o777 == 0o600
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT task, result FROM litequeue_jobs ORDER BY id LIMIT 1").fetchone() == ("tasks.add", "3")
        with LiteQueue(volume / "db.sqlite") as app:
            slow = app.send_task("tasks.slow")
            wait_until(lambda: slow.state == "running")
            os.kill(box.first, signal.SIGTERM)
            assert box.process.wait(20) == 0
            assert (slow.state, slow.info().attempt, slow.info().interruptions) == ("succeeded", 1, 0)
            assert app.stats().workers == ()


@pytest.mark.slow
@pytest.mark.beside
def test_the_check_fails_for_a_worker_that_is_frozen_and_not_for_one_of_another_container(volume: Path) -> None:
    with container(volume, "box", WORKER) as box, container(volume, "other", [sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        wait_until(lambda: box.exec(CHECK).returncode == 0, 15, "it is healthy")
        done = other.exec(CHECK)
        assert done.returncode == 1 and "no worker of this host, other, serves" in done.stdout
        assert other.exec(ours("doctor", "db.sqlite", "--quiet")).returncode == 0, "from there its lock is seen all the same"
        for pid in (box.first, *children_of(box.first)):
            os.kill(pid, signal.SIGSTOP)
        done = box.exec(CHECK)
        assert done.returncode == 1 and len(done.stdout.splitlines()) == 1 and done.stderr == "", done


@pytest.mark.slow
@pytest.mark.beside
def test_the_page_and_a_producer_of_other_containers_see_and_are_seen(volume: Path) -> None:
    with container(volume, "box", WORKER) as box:
        wait_until(lambda: box.exec(CHECK).returncode == 0, 15, "it is healthy")
        with container(volume, "page", WEB) as page:
            token = wait_until(lambda: (volume / "web.token").exists() and (volume / "web.token").read_text().strip())
            asks = f"import urllib.request as u; print(u.urlopen(u.Request('http://127.0.0.1:8010/workers', headers={{'Authorization': 'Bearer {token}'}})).read().decode())"
            told = wait_until(lambda: page.exec([sys.executable, "-c", asks]).stdout)
            assert "box-" in told and "frozen" not in told
            began = time.monotonic()
            assert page.exec(ours("enqueue", "db.sqlite", "tasks.add", "1", "2", "--wait", "10s")).stdout.split()[-1] == "3"
            assert time.monotonic() - began < 5, "no datagram comes there, and it looks every half second"


@pytest.mark.slow
def test_with_docker_the_image_is_healthy_and_stops(tmp_path: Path) -> None:
    if shutil.which("docker") is None or subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        pytest.skip("needs Docker, and its daemon")
    shutil.copytree(ROOT / "litequeue", tmp_path / "litequeue", ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES.iterdir():
        shutil.copy(file, tmp_path)
    name = f"litequeue-test-{os.getpid()}"

    def docker(*command: str) -> str:
        return subprocess.run(["docker", *command], capture_output=True, text=True, timeout=300, check=True).stdout.strip()

    try:
        docker("build", "-t", name, str(tmp_path))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the image cannot be built here: {error.stderr[-300:]}")
    try:
        docker("run", "-d", "--name", name, "-v", f"{name}:/data", "--health-interval", "1s", name)
        wait_until(lambda: docker("inspect", "-f", "{{.State.Health.Status}}", name) == "healthy", 60, "it is healthy")
        docker("stop", "-t", "40", name)
        assert docker("inspect", "-f", "{{.State.ExitCode}}", name) == "0"
    finally:
        for command in (("rm", "-f", name), ("volume", "rm", name), ("rmi", name)):
            subprocess.run(["docker", *command], capture_output=True, check=False)
