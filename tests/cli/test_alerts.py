"""``alert``: what is typed, what is said, and who has what is told where no worker runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli.looking import Looking
from litequeue.commands.notices import sendmail
from litequeue.store.rules import QUEUE_OF_ALERTS

from ..older import rows
from ..support import environment, litequeue, wait_until, worker_process
from .conftest import Cli
from .test_web import Serving

pytestmark = pytest.mark.beside


def test_an_alert_may_be_the_first_thing_that_a_file_holds(cli: Cli, db: Path) -> None:
    done = cli("alert", "add", db, "mail-late", "--when", "oldest queue=mail >5m", "--for", "2m", "--run", "notify", "--mail-to", "ops@example.org")
    assert (done.code, done.out) == (0, "alert mail-late: mail's oldest job waits over 5 minutes; told by notify and by mail to ops@example.org once that is so for 2 minutes\n")
    assert "once that is so for 1 minute\n" in cli("alert", "add", db, "late", "--when", "untold", "--run", "notify").out
    assert "no worker serves this file, so nobody looks until one does" in done.err
    assert ("no sendmail, so no mail will be sent; --run runs a command instead" in done.err) == (sendmail() is None)
    listed = cli("alert", "list", db).out
    assert re.search(r"mail-late +ok +mail's oldest job waits over 5 minutes +by notify and by mail to ops@example.org", listed), listed
    assert cli("alert", "remove", db, "late").code == 0
    (info,) = json.loads(cli("alert", "list", db, "--json").out)
    assert (info["when"], info["meaning"], info["for_"], info["state"]) == ("oldest queue=mail >5m", "mail's oldest job waits over 5 minutes", 120.0, "ok")


@pytest.mark.parametrize(("words", "said"), [
    (("--when", "oldest >5m"), "say who is told: at least one of --run, --task and --mail-to"),
    (("--run", "x"), "say what is watched, with --when: such as --when 'oldest queue=mail >5m'"),
    (("--when", "discarded task=shop.pay >10", "--run", "x"), "'discarded task=shop.pay >10': "),
    (("--when", "discarded >10", "--run", "x"), "as in: discarded task=shop.pay >10 in 1h"),
    (("--when", "oldest", "--run", "x"), "--when: 'oldest': at its end > and a length of time are missing, as in: oldest queue=mail >5m; between quotes, or the shell takes"),
    (("--when", "oldst >5m", "--run", "x"), "did you mean oldest?"),
    (("--when", "untold", "--run", "x", "--for", "soon"), "--for: 'soon' is no length of time"),
    (("--when", "untold", "--run", "x", "--keep-on", "5"), "unrecognized arguments: --keep-on 5"),
    (("--when", "oldest", ">5m", "--run", "x"), "write the condition and the command between quotes"),
])  # fmt: skip
def test_a_mistake_is_told_in_one_line_as_it_is_typed(cli: Cli, db: Path, words: tuple[str, ...], said: str) -> None:
    done = cli("alert", "add", db, "a", *words)
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1, done.err


def test_names(cli: Cli, app: LiteQueue, db: Path) -> None:
    app.alerts.add("mail-late", when="untold", run="x")
    taken = cli("alert", "add", db, "mail-late", "--when", "untold", "--run", "y")
    assert (taken.code, taken.err.strip()) == (2, "litequeue: there is already an alert named mail-late: give another name, or --replace")
    assert cli("alert", "add", db, "mail-late", "--when", "untold", "--run", "y", "--replace").code == 0
    for action in ("remove", "pause", "resume", "test", "history"):
        assert cli("alert", action, db, "mail-lat").code == 1
    for action, done in (("pause", "paused"), ("resume", "watched"), ("remove", "removed")):
        assert cli("alert", action, db, "mail-late").out == f"alert mail-late is {done}\n"
    assert [row[0] for row in rows(db, "SELECT what FROM litequeue_actions WHERE target = 'alert mail-late' ORDER BY id")] == ["pause", "resume", "remove"]
    assert cli("alert", "list", db).err == "litequeue: there is no alert\n"


def test_a_schedule_that_is_not_there_is_noted(cli: Cli, app: LiteQueue, db: Path) -> None:
    app.schedules.add("nightly", "t", every="1d")
    for name, is_noted in (("nightly", False), ("nightl", True)):
        done = cli("alert", "add", db, name, "--when", f"schedule {name} late", "--run", "x")
        assert done.code == 0 and (f"note: there is no schedule named {name}" in done.err) == is_noted


# -- looking ---------------------------------------------------------------------------------------------------


def test_where_no_worker_runs_check_runs_what_tells_and_nothing_else(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    app.enqueue("t")
    app.alerts.add("nobody", when="no-worker", for_=0, run=f"cat >> {tmp_path / 'told'}")
    done = litequeue("alert", "check", db)
    assert (done.returncode, done.stdout, done.stderr) == (1, "alert nobody: no worker serves the file (none does)\n", "")
    assert json.loads((tmp_path / "told").read_text())["what"] == "firing"
    assert {job.task: job.state for job in app.jobs()} == {"t": "available", "litequeue.command": "succeeded"}
    done = litequeue("alert", "check", db)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", ""), "it fires, and nobody is told again"
    shown = litequeue("alert", "history", db)
    assert re.search(r"nobody +firing +alert nobody: no worker serves the file \(none does\)", shown.stdout)


def test_where_all_is_well_check_says_nothing(app: LiteQueue, db: Path) -> None:
    app.stats()
    for _ in range(2):
        done = litequeue("alert", "check", db)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        app.alerts.add("fine", when="log >1T", run="x", replace=True)


@pytest.mark.slow
def test_what_could_not_be_told_is_tried_again_by_a_later_check(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    app.alerts.add("nobody", when="no-worker", for_=0, run=f"test -e {tmp_path / 'ready'} && cat > {tmp_path / 'told'}")
    assert litequeue("alert", "check", db).returncode == 1
    (job,) = app.jobs()
    assert (job.state, job.queue) == ("retrying", QUEUE_OF_ALERTS)
    (tmp_path / "ready").touch()
    wait_until(lambda: litequeue("alert", "check", db).returncode == 1 and (tmp_path / "told").exists(), 40)


@pytest.mark.slow
def test_a_worker_that_hangs_is_not_waited_for(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """Its process runs, and so it is no frozen one; and it takes up nothing."""
    app.alerts.add("full", when="disk <1024T", for_=0, run=f"cat > {tmp_path / 'told'}")
    registration = app._client.store.workers.register(name="w", host="h", wake_port=None, queues=None, slots={"async": 9}, now=app._client.clock.now())
    try:
        assert litequeue("alert", "check", db).returncode == 1 and (tmp_path / "told").exists()
    finally:
        app._client.store.workers.stopped(registration.id, 0)
        registration.close()


@pytest.mark.slow
def test_a_mail_goes_through_the_hosts_sendmail(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "sendmail"
    fake.write_text(f"#!/bin/sh\ncat > {tmp_path}/mail\n")
    fake.chmod(0o700)
    env = {**environment(), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    for words in (("add", db, "nobody", "--when", "no-worker", "--for", "0", "--mail-to", "ops@example.org"), ("check", db)):
        subprocess.run([sys.executable, "-m", "litequeue", "alert", *map(str, words)], env=env, capture_output=True, timeout=60, check=False)
    text = (tmp_path / "mail").read_text()
    assert "To: ops@example.org" in text and "alert nobody: no worker serves the file" in text


@pytest.mark.slow
def test_the_page_looks_while_no_worker_does(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    app.alerts.add("nobody", when="no-worker", for_=0, run=f"cat >> {tmp_path / 'told'}")
    with Serving(db, "--port", 0) as serving:
        assert serving.line().startswith("http://")
        wait_until(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text().endswith("\n"), 40)
        wait_until(lambda: app.stats().workers == (), 40, "who has told is gone")


def test_no_child_is_started_while_workers_look(app: LiteQueue, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looking, started = Looking(str(db)), []
    monkeypatch.setattr(looking, "look", lambda: started.append(1))
    now, store = app._client.clock.now(), app._client.store
    looking.look_if_due(store, now)
    assert not started, "nothing is watched"
    app.alerts.add("fine", when="log >1T", run="x")
    app.alerts.check()
    for seconds, count in ((1, 0), (31, 0), (34, 1)):
        looking.look_if_due(store, now + seconds * 1_000_000)
        assert len(started) == count, seconds


def test_who_may_not_write_the_file_is_told_so_now_and_then(db: Path, capfd: pytest.CaptureFixture[str]) -> None:
    looking = Looking(str(db))  # there is none
    for _ in range(4):
        looking.look()
        looking.leave(60)
    assert capfd.readouterr().err.count("there is no such file") == 1


@pytest.mark.slow
def test_one_child_looks_at_a_time_and_has_the_environment_of_its_parent(app: LiteQueue, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "litequeue.py").write_text("raise SystemExit(9)")  # what happens to lie there
    app.alerts.add("nobody", when="no-worker", for_=0, run=f"env > {tmp_path / 'env'}; sleep 1")
    looking = Looking(str(db))
    looking.look_if_due(app._client.store, app._client.clock.now())
    first = looking._child
    looking.look()
    assert looking._child is first is not None
    looking.leave(40)
    assert first.returncode == 1, "it fires"
    found = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert found.get("PYTHONPATH") == os.environ.get("PYTHONPATH")
    looking.look_if_due(app._client.store, app._client.clock.now())
    assert looking._child is first, "nothing is due"


# -- where it is seen --------------------------------------------------------------------------------------------


def test_stats_doctor_and_metrics_say_what_fires(cli: Cli, app: LiteQueue, db: Path) -> None:
    assert not any(finding["check"] == "alerts" for finding in json.loads(cli("doctor", db, "--json").out))
    app.alerts.add("full", when="disk <1024T", for_=0, run="x")
    app.alerts.add("fine", when="log >1T", run="x")
    assert json.loads(cli("stats", db, "--json").out)["alerts"] == []
    assert "none of which fires" in cli("doctor", db).out
    app.alerts.check()
    assert re.search(r"^alert full fires since .*: the disk has less than 1024T left \(it has .*\)$", cli("stats", db).out, re.MULTILINE)
    (alert,) = json.loads(cli("stats", db, "--json").out)["alerts"]
    assert (alert["name"], alert["condition"]) == ("full", "disk <1024T")
    assert re.search(r"wrong +alerts +full fires, for .* so far: the disk has less than 1024T left", cli("doctor", db).out)
    metrics = cli("metrics", db).out
    for name, state, value in (("full", "firing", 1), ("full", "ok", 0), ("fine", "ok", 1), ("fine", "pending", 0)):
        assert f'litequeue_alerts{{alert="{name}",state="{state}"}} {value}\n' in metrics
    rows(db, "UPDATE litequeue_alerts SET checked_at = 1")
    assert "nobody has looked at the 2 alerts for" in cli("doctor", db).out


@pytest.mark.slow
def test_a_living_worker_takes_up_what_a_check_has_to_tell(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    with worker_process(db, "--threads", 1, "--processes", 0):
        app.alerts.add("full", when="disk <1024T", for_=0, run=f"cat > {tmp_path / 'told'}")
        assert litequeue("alert", "check", db).returncode == 1
        wait_until(lambda: (tmp_path / "told").exists(), 20)
        assert [job.worker for job in app.jobs()] == [app.stats().workers[0].name]
