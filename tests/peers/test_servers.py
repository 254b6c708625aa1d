"""The recipes of the guide's chapter on frameworks, below ``examples/servers``, with the servers themselves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue

from ..support import ROOT, environment, ledger_lines, wait_until
from . import peer

pytestmark = [pytest.mark.beside, pytest.mark.slow]

RECIPES = ROOT / "examples" / "servers"
CHAPTER = (ROOT / "litequeue" / "guide" / "frameworks.md").read_text()

# What a test wants to know, below a recipe: who ran what, and a job that takes its time.
NOTES = """
import os, time

@queue.before_run
def note(job):
    with open("ledger", "a") as file:
        file.write(f"{job.id} {os.getpid()}\\n")

@queue.task(name="slow")
def slow():
    time.sleep(0.6)
"""


class Server:
    """A server's command that runs in ``folder``, in a session of its own."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.port = port
        self.process = process

    def ask(self, method: str, path: str) -> Any:
        """Once it listens."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)

        def answer() -> Any:
            try:
                with urllib.request.urlopen(request, timeout=10) as reply:
                    return json.load(reply)
            except OSError as error:
                assert self.process.poll() is None, self.log()
                assert not hasattr(error, "code"), self.log()
                return None

        return wait_until(answer, 30, f"{path} is answered")

    def members(self) -> list[int]:
        """The processes of its session."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as file:
                state, _, _, session = file.read().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.append(int(entry))
        return found

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def stop(self) -> int:
        """Politely; what it leaves behind is a failure."""
        self.process.terminate()
        code = self.process.wait(30)
        wait_until(lambda: not self.members(), what="its processes end")
        assert "Traceback" not in self.log() and "leaked" not in self.log(), self.log()
        return code


@contextlib.contextmanager
def served(folder: Path, *words: object) -> Iterator[Server]:
    """``words`` run; PORT in one of them is a free one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**environment(), "HOME": str(folder), "PATH": path, "PYTHONPATH": f"{ROOT}:{folder}"}
    with (folder / "log").open("w") as log:
        command = [str(word).replace("PORT", str(port)) for word in words]
        process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    server = Server(folder, port, process)
    try:
        yield server
    finally:
        for pid in {*server.members(), process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def taken(folder: Path, first: str, *others: str) -> None:
    """These recipes, as they stand, but for the notes in the first, where its tasks end."""
    for recipe in (first, *others):
        shutil.copy(RECIPES / recipe, folder)
    text, main, rest = (RECIPES / first).read_text().partition("\nif __name__")
    (folder / first).write_text(text + NOTES + main + rest)


def edit(file: Path, old: str, new: str) -> None:
    """As editors do, and people: in a later second. Python tells by that, and by the size, whose the bytecode is that it has."""
    text, found = file.read_text(), file.stat()
    assert old in text
    file.with_suffix(".new").write_text(text.replace(old, new))
    os.utime(file.with_suffix(".new"), ns=(found.st_atime_ns, found.st_mtime_ns + 2 * 10**9))
    os.replace(file.with_suffix(".new"), file)


def ran_once(folder: Path) -> bool:
    jobs = [line.split()[0] for line in ledger_lines(folder / "ledger")]
    return len(jobs) == len(set(jobs)) > 0


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[LiteQueue]:
    """Another producer's, on the recipes' file."""
    tmp_path.chmod(0o700)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        yield app


def buy(server: Server, queue: LiteQueue, count: int) -> list[Any]:
    """Orders by the web, and what their jobs come to."""
    jobs = [queue.job(server.ask("POST", f"/orders/{number}")["job"]) for number in range(count)]
    return [job.get(timeout=20) for job in jobs]


def test_each_recipe_stands_in_the_chapter_as_it_is_tested() -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", CHAPTER, re.DOTALL | re.MULTILINE)
    files = [path for path in RECIPES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    texts = [path.read_text() for path in files]
    assert [path.name for path in files if path.read_text() not in blocks] == []
    assert [block for block in blocks if block not in texts and not block.startswith(COMMANDS)] == []


COMMANDS = ("python flask_shop.py", "gunicorn ", "uvicorn ", "python manage.py", "python -m litequeue worker", "pyinstaller ", "docker ")


# -- Flask -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("python", "flask_shop.py"), ("flask", "--app", "wsgi", "run", "--debug", "--port", "PORT")], ids=["python", "flask"])
def test_flask_with_its_reloader_runs_no_job_by_the_code_from_before_an_edit(tmp_path: Path, queue: LiteQueue, words: tuple[str, ...]) -> None:
    """Its parent process has a worker too, and ran 8 of 12."""
    peer("flask")
    taken(tmp_path, "flask_shop.py", "wsgi.py")
    if words[0] == "python":
        edit(tmp_path / "flask_shop.py", "debug=True", "debug=True, port=int(os.environ['SHOP'])")
        words = ("env", "SHOP=PORT", *words)
    with served(tmp_path, *words) as server:
        assert buy(server, queue, 6) == [f"receipt {n}" for n in range(6)]
        edit(tmp_path / "flask_shop.py", 'f"receipt', 'f"invoice')
        jobs = [queue.send_task("flask_shop.receipt", (n,)) for n in range(12)]
        assert [job.get(timeout=20) for job in jobs] == [f"invoice {n}" for n in range(12)]
        assert server.ask("GET", f"/jobs/{jobs[0].id}") == {"state": "succeeded", "result": "invoice 0"}
        assert "was changed after its program had imported it" in server.log()
        server.stop()
    assert ran_once(tmp_path)


# -- gunicorn ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "workers"), [(("flask_shop:app",), 3), (("wsgi:app",), 3), (("--preload", "wsgi:app"), 1)], ids=["hook", "import", "preload"])
def test_gunicorn_runs_each_job_once_and_restarts_and_stops_with_none_lost(
    tmp_path: Path, queue: LiteQueue, words: tuple[str, ...], workers: int
) -> None:
    peer("flask")
    peer("gunicorn")
    taken(tmp_path, "flask_shop.py", "wsgi.py" if "wsgi:app" in words else "gunicorn.conf.py")
    with served(tmp_path, "gunicorn", "-w", "3", "-b", "127.0.0.1:PORT", *words) as server:
        assert buy(server, queue, 30) == [f"receipt {n}" for n in range(30)]
        wait_until(lambda: len(queue.stats().workers) == workers)
        before = {worker.id for worker in queue.stats().workers}
        for number in (signal.SIGHUP, signal.SIGTERM):
            slow = [queue.send_task("slow") for _ in range(4)]
            wait_until(lambda slow=slow: all(job.state == "running" for job in slow))  # type: ignore[misc]
            if number == signal.SIGTERM:
                assert server.stop() == 0
            else:
                server.process.send_signal(number)
                wait_until(lambda: "Hang up" in server.log())
                if workers > 1:
                    wait_until(lambda: len(found := {worker.id for worker in queue.stats().workers}) == workers and not found & before)
                assert buy(server, queue, 3) == [f"receipt {n}" for n in range(3)]
            assert [(job.wait(timeout=10), job.state, job.info().attempt) for job in slow] == [(True, "succeeded", 1)] * 4
    assert ran_once(tmp_path) and queue.stats().workers == ()


# -- uvicorn -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--workers", "2"), ("--reload",)], ids=["one", "two", "reload"])
def test_uvicorn_with_the_worker_in_its_lifespan(tmp_path: Path, queue: LiteQueue, flags: tuple[str, ...]) -> None:
    peer("fastapi")
    peer("uvicorn")
    taken(tmp_path, "fastapi_shop.py")
    with served(tmp_path, "uvicorn", "--port", "PORT", *flags, "fastapi_shop:app") as server:
        assert buy(server, queue, 20) == [f"receipt {n}" for n in range(20)]
        wait_until(lambda: len(queue.stats().workers) == (2 if "--workers" in flags else 1))
        if "--reload" in flags:
            edit(tmp_path / "fastapi_shop.py", 'f"receipt', 'f"invoice')
            jobs = [queue.send_task("fastapi_shop.receipt", (n,)) for n in range(12)]
            assert [job.get(timeout=20) for job in jobs] == [f"invoice {n}" for n in range(12)]
            assert server.ask("GET", f"/jobs/{jobs[0].id}") == {"state": "succeeded", "result": "invoice 0"}
        slow = queue.send_task("slow")
        wait_until(lambda: slow.state == "running")
        # It ends by the signal itself, once all is closed; its supervisors do not.
        assert server.stop() == (0 if flags else -signal.SIGTERM)
        assert (slow.state, slow.info().attempt) == ("succeeded", 1)
    assert ran_once(tmp_path) and queue.stats().workers == ()


# -- Django ------------------------------------------------------------------------------------------------

SITE = {
    "manage.py": """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "mysite/settings.py": """
SECRET_KEY = "x"
DEBUG = True
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
INSTALLED_APPS = ["shop"]
MIDDLEWARE = []
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
""",
    "mysite/urls.py": """
from django.urls import path
from shop import views
urlpatterns = [path("orders/<name>", views.buy), path("jobs/<int:number>", views.job)]
""",
    "mysite/__init__.py": "",
    "shop/__init__.py": "",
    "shop/models.py": """
from django.db import models
class Order(models.Model):
    name = models.TextField()
    state = models.TextField(default="new")
""",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A Django project with the recipe's files."""
    peer("django")
    for name, text in SITE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for file in (RECIPES / "django_site").rglob("*.py"):
        (tmp_path / file.relative_to(RECIPES / "django_site")).write_text(file.read_text())
    (tmp_path / "shop/tasks.py").write_text((tmp_path / "shop/tasks.py").read_text() + NOTES)
    with contextlib.closing(sqlite3.connect(tmp_path / "site.sqlite")) as connection:  # as migrate does, in a second or two
        connection.execute("CREATE TABLE shop_order (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, state TEXT NOT NULL)")
    return tmp_path


def test_django_with_its_reloader_runs_no_job_by_the_code_from_before_an_edit(site: Path, queue: LiteQueue) -> None:
    with served(site, "python", "manage.py", "runserver", "PORT") as server:
        assert buy(server, queue, 6) == [f"packed {n}" for n in range(6)]
        edit(site / "shop/tasks.py", 'f"packed', 'f"boxed')
        jobs = [queue.send_task("shop.tasks.pack", (n % 6 + 1,)) for n in range(12)]
        assert [job.get(timeout=20) for job in jobs] == [f"boxed {n % 6}" for n in range(12)]
        assert server.ask("GET", f"/jobs/{jobs[0].id}") == {"state": "succeeded"}
    assert ran_once(site)


def test_django_behind_gunicorn_with_a_worker_beside_it(site: Path, queue: LiteQueue) -> None:
    peer("gunicorn")
    (site / "mysite/wsgi.py").write_text((site / "mysite/wsgi.py").read_text().partition("from shop")[0])
    words = ("python", "-m", "litequeue", "worker", "db.sqlite", "--", "gunicorn", "-w", "2", "-b", "127.0.0.1:PORT", "mysite.wsgi")
    with served(site, *words) as server:
        assert buy(server, queue, 6) == [f"packed {n}" for n in range(6)]
        assert server.stop() == 0
    assert ran_once(site) and queue.stats().workers == ()


# -- a notebook --------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client", "ignore::ResourceWarning:zmq", "ignore:.*TCP without encryption.*")
def test_a_notebook_that_is_run_again_has_all_jobs_run_by_its_second_worker(tmp_path: Path, queue: LiteQueue) -> None:
    """34 of 40 were the first one's."""
    peer("ipykernel")
    start = peer("jupyter_client.manager").start_new_kernel
    cells = (RECIPES / "notebook.py").read_text().split("# %%\n")[1:]
    kernel, client = start(kernel_name="python3", cwd=str(tmp_path), env=environment(), stderr=subprocess.DEVNULL)
    try:
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            assert message["msg_type"] != "error", content
            printed.append(content.get("text", ""))

        for price in ("2", "3"):
            for cell in cells:
                client.execute_interactive(cell.replace("2 * basket", f"{price} * basket"), timeout=30, output_hook=hear)
        assert [line for line in "".join(printed).splitlines() if line.isdigit()] == ["78", "117"]
        assert [job.get(timeout=0) for job in map(queue.job, range(41, 81))] == [3 * basket for basket in range(40)]
        assert "one of another app with the same tasks was started in this program" in "".join(printed)
        assert len(queue.stats().workers) == 1
        client.execute_interactive('@queue.task(name="price")\ndef price(basket):\n    return 5 * basket', timeout=30, output_hook=hear)
        client.execute_interactive(cells[1], timeout=30, output_hook=hear)
        assert "".join(printed).splitlines()[-1] == "195"
    finally:
        client.stop_channels()
        kernel.shutdown_kernel()
    assert queue.stats().workers == ()


# -- a container -------------------------------------------------------------------------------------------


def test_the_command_of_the_container_serves_and_works_and_stops_within_dockers_ten_seconds(tmp_path: Path, queue: LiteQueue) -> None:
    """As process 1, where that can be had."""
    peer("flask")
    peer("gunicorn")
    taken(tmp_path, "flask_shop.py")
    found = re.search(r"^CMD (\[.*?\])$", (RECIPES / "Dockerfile").read_text().replace("\\\n", ""), re.MULTILINE)
    assert found
    words = [word.replace("0.0.0.0:8000", "127.0.0.1:PORT") for word in json.loads(found[1])]
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    first = shutil.which("unshare") is not None and subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode == 0
    with served(tmp_path, *(unshare if first else []), *words) as server:
        assert buy(server, queue, 10) == [f"receipt {n}" for n in range(10)]
        slow, begin = queue.send_task("slow"), time.monotonic()
        wait_until(lambda: slow.state == "running")
        if first:  # Docker signals process 1, which unshare is not
            (child,) = [pid for pid in server.members() if parent_of(pid) == server.process.pid]
            os.kill(child, signal.SIGTERM)
            assert server.process.wait(20) == 0
        else:
            assert server.stop() == 0
        assert time.monotonic() - begin < 10
        assert (slow.state, slow.info().attempt) == ("succeeded", 1)
    assert ran_once(tmp_path) and queue.stats().workers == ()


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
