"""The same on RabbitMQ, where that starts: priorities, confirms, and a killed worker's job at once."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.peers import peer
from tests.support import environment, wait_until

from .servers import celery_worker, free_port, lines_of, python, run, shop

peer("celery")
peer("amqp")
pytestmark = pytest.mark.slow

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # as Debian has it: the one on PATH wants to be started as another user
START = "import celeryapp, tasks, time\ncelery = celeryapp.celery\n"


class Site(NamedTuple):
    folder: Path
    env: dict[str, str]


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port."""
    program = next((found for found in (SERVER, shutil.which("rabbitmq-server")) if found is not None and os.access(found, os.X_OK)), None)
    if program is None:
        pytest.skip("rabbitmq-server is not installed; .ci/run installs it")
    folder = tmp_path_factory.mktemp("rabbit")
    port, between, names = free_port(), free_port(), free_port()
    (folder / "plugins").write_text("[].")
    env = {
        **environment(), "HOME": str(folder), "RABBITMQ_NODENAME": "litequeue@localhost", "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(between), "ERL_EPMD_PORT": str(names), "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_RELAXED_COMMAND_CHECK": "1", "RABBITMQ_MNESIA_BASE": str(folder / "db"), "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"), "RABBITMQ_CONFIG_FILE": str(folder / "none"), "RABBITMQ_PID_FILE": str(folder / "pid"),
    }  # fmt: skip
    said = (folder / "said").open("w")
    server = subprocess.Popen([program], env=env, stdout=said, stderr=said, start_new_session=True)
    try:
        try:
            wait_until(lambda: _listens(port) or server.poll() is not None, 60)
        except AssertionError:
            pytest.skip(f"rabbitmq-server does not start on this machine: {(folder / 'said').read_text()[-300:]}")
        if server.poll() is not None:
            pytest.skip(f"rabbitmq-server does not start on this machine: {(folder / 'said').read_text()[-300:]}")
        yield port
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)
        said.close()
        subprocess.run(["epmd", "-kill"], env=env, capture_output=True, check=False)  # the names of Erlang's nodes, which it has left running


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def site(rabbit: int, redis: int, tmp_path_factory: pytest.TempPathFactory) -> Site:
    env = {**environment(), "BROKER": f"amqp://guest:guest@127.0.0.1:{rabbit}//", "BACKEND": f"redis://127.0.0.1:{redis}/9", "SCHEDULES": "no"}
    folder = shop(tmp_path_factory.mktemp("shop"))
    (folder / "celeryapp.py").write_text((folder / "celeryapp.py").read_text() + "\ncelery.conf.task_queue_max_priority = 9\n")
    return Site(folder, env)


def test_priorities_confirms_and_a_killed_jobs_turn_at_once(site: Site) -> None:
    """In one, since Celery's worker and RabbitMQ take seconds to come to each other."""
    folder, env = site
    python(folder, env, START + "for number, priority in enumerate((-9, -1, 0, 1, 5)): tasks.note.apply_async((number,), priority=priority)")
    python(folder, env, "import tasks; tasks.note.delay_many([(n,) for n in range(100, 130)])")
    (folder / "spy.py").write_text("""
import amqp
confirmed = []
def publish(self, *args, _plain=amqp.Channel.basic_publish_confirm, **named):
    confirmed.append(_plain(self, *args, **named))
amqp.Channel.basic_publish_confirm = publish
from litequeue.cli import main
code = main(["celery-migrate", "db.sqlite", "-A", "celeryapp"])
print(len(confirmed))
raise SystemExit(code)
""")
    moved = run(folder, env, "spy.py")
    assert moved.stdout == "moved 30 jobs to Celery; nothing stays\n30\n", moved.stderr
    with celery_worker(folder, env, "-c", "1"):
        wait_until(lambda: len(lines_of(folder / "notes")) == 35, 20)
        code = """
print(tasks.kills_once.delay().get(timeout=30), tasks.echo.apply_async(((1, {2}),), countdown=0.2).get(timeout=20) == (1, {2}))
print(tasks.flaky.delay().get(timeout=20)[0], tasks.echo.apply_async((1,), countdown=7200).state)
"""
        assert python(folder, env, START + code) == "survived True\n3 available\n"
    notes = lines_of(folder / "notes")
    assert [note for note in notes if int(note) < 100] == ["4", "3", "2", "1", "0"], "in the order of their priorities"
    assert set(map(str, range(100, 130))) <= set(notes)


def test_priorities_that_rabbitmqs_queues_do_not_know_are_warned_of(site: Site) -> None:
    code = """
import warnings
from celery import Celery
from litequeue import LiteQueue
from litequeue.celery import export
celery, app = Celery("t", broker="amqp://guest@127.0.0.1//"), LiteQueue("never")
@app.task(name="t", priority=5)
def t(): ...
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    export(app, celery, send=False)
    celery.conf.broker_url
print(*[warning.message for warning in caught])
"""
    assert "priority does nothing with RabbitMQ unless the Celery app says task_queue_max_priority=9" in python(site.folder, site.env, code)
