"""What code declares, over restarts: kept, changed, vanished, come back; and triggers of the user's own."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sqlite3
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from litequeue import InvalidArgument, LiteQueue
from litequeue.base.homes import import_directory
from litequeue.base.records import ScheduleInfo
from litequeue.cli import main
from litequeue.cron import zones
from litequeue.store import Store
from litequeue.tasks.finding import tasks_of
from litequeue.worker.config import WorkerConfig
from litequeue.worker.discovery import Catalogue
from litequeue.worker.services.clockwork import Clockwork
from litequeue.worker.services.declaring import Declarer
from litequeue.worker.services.scheduler import Scheduler

from ...prepared import worker_process
from ...support import FakeClock, environment, ledger_lines, wait_until

pytestmark = pytest.mark.beside

SECOND = 1_000_000
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HEAD = "from datetime import datetime, timedelta, timezone\nfrom litequeue import At, Cron, Every, LiteQueue\n"
HOURLY = "@app.every('1h')\n@app.task\ndef f(): ..."
OWN = """
class Own:
    def next_after(self, moment):
        {body}

@app.schedule(Own())
@app.task
def f(): ...
"""


class Site:
    """A file, a folder of modules, and workers that start anew, on a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "db.sqlite"
        self.clock = FakeClock(int(NOON.timestamp()) * SECOND)
        self.app = LiteQueue(self.db, clock=self.clock)
        self.stores: list[Store] = []
        self.written: set[str] = set()

    def write(self, module: str, body: str, head: str = HEAD + "app = LiteQueue('elsewhere.sqlite')\n") -> None:
        self.written.add(module)
        (self.folder / f"{module}.py").write_text(head + textwrap.dedent(body))

    def delete(self, module: str) -> None:
        (self.folder / f"{module}.py").unlink()

    def catalogue(self, *imports: str) -> Catalogue:
        """As the command line makes it, in a process that has loaded nothing; by discovery without imports."""
        for module in self.written:
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        store = Store(str(self.db))
        self.stores.append(store)
        loaded = {name: importlib.import_module(name) for name in imports}
        found = {name: code for module in loaded.values() for name, code in tasks_of(module).items()}
        origin = None if imports else store.jobs.origin
        catalogue = Catalogue(found, path=str(self.db), origin=origin, monotonic=self.clock.monotonic)
        for name, module in loaded.items():
            catalogue.note_module(name, import_directory(module, name) or "")
        return catalogue

    def worker(self, *imports: str, catalogue: Catalogue | None = None) -> Scheduler:
        """A worker's clockwork that has just started."""
        catalogue = catalogue or self.catalogue(*imports)
        store = self.stores[-1]
        declarer = Declarer(store, catalogue, self.clock, "boot")
        scheduler = Scheduler(store, self.clock, "boot", declarer, WorkerConfig(), lambda fires: None)
        scheduler.tick()
        return scheduler

    def get(self, name: str) -> ScheduleInfo:
        return self.app.schedules.get(name)

    def next(self, name: str) -> str:
        tick = self.get(name).next_tick
        return f"{tick:%H:%M}" if tick else self.get(name).state

    def jobs(self) -> int:
        return len(self.app.jobs(limit=1000))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions within a second, of one size
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(tmp_path))
    site = Site(tmp_path)
    yield site
    site.app.close()
    for store in site.stores:
        store.close()
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sys.path[:] = path


def test_what_a_schedule_is_from_now_on_is_said_with_the_zone_that_it_got(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Django sets TZ to its own TIME_ZONE, and a schedule without one took that without a word."""
    monkeypatch.setattr(zones, "LOCALTIME", str(tmp_path / "localtime"))
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    head = "import os; os.environ['TZ'] = 'America/Chicago'\n" + HEAD + "app = LiteQueue('elsewhere.sqlite')\n"
    task = "\n@app.task\ndef f(): ..."
    monkeypatch.setenv("TZ", "")  # to be as it was after the test
    caplog.set_level(logging.INFO, "litequeue")
    tz = "what the variable TZ says, and the host's zone is Europe/Berlin"
    for declared, said in (
        ("@app.cron('0 3 * * *')", f"is new: at 03:00 every day (America/Chicago), which is {tz}"),
        ("@app.cron('0 4 * * *', timezone='Europe/Berlin')", "starts anew: at 04:00 every day (Europe/Berlin)"),
        ("@app.every('1h')", "starts anew: every hour"),
    ):  # fmt: skip
        caplog.clear()
        site.write("m", declared + task, head)
        site.worker("m")
        assert [record.getMessage() for record in caplog.records if said in record.getMessage()], caplog.text
        assert ("TZ" in caplog.text) == ("TZ" in said)


# -- over a restart ------------------------------------------------------------------------------------


@pytest.mark.parametrize("imports", [("m",), ()])
def test_what_is_unchanged_keeps_its_next_tick_over_restarts(site: Site, imports: tuple[str, ...]) -> None:
    site.write("m", HOURLY + "\n@app.cron('0 3 * * *', timezone='UTC', name='c')\n@app.task\ndef g(): ...\n")
    site.worker("m")
    for _ in range(5):
        site.clock.advance(600)
        site.worker(*imports)
        assert site.next("m.f") == "13:00"
        assert site.next("c") == "03:00"
    assert site.get("m.f").declared_in == "m"


def test_another_time_starts_from_now_and_other_options_keep_the_tick(site: Site) -> None:
    site.write("m", HOURLY)
    site.worker("m")
    site.clock.advance(1800)
    site.write("m", HOURLY.replace("'1h'", "'1h', overlap='allow', grace=5, queue='q'").replace(".task", ".task(retries=4)"))
    site.worker()
    info = site.get("m.f")
    assert (site.next("m.f"), info.overlap, info.grace, info.queue) == ("13:00", "allow", 5.0, "q")
    assert site.app.schedules.run_now("m.f").info().max_attempts == 5
    site.write("m", HOURLY.replace("1h", "2h"))
    site.worker()
    assert site.next("m.f") == "14:30"


def test_what_vanished_is_disabled_says_why_does_not_fire_and_comes_back_from_now(site: Site) -> None:
    site.write("m", HOURLY + "\n@app.every('1h')\n@app.task\ndef g(): ...\n")
    site.worker("m")
    site.write("m", HOURLY)
    site.worker()
    info = site.get("m.g")
    assert (info.state, info.why) == ("disabled", "m does not declare it any more")
    site.clock.advance(3 * 3600)
    site.worker()
    assert [tick.outcome for tick in site.app.schedules.ticks("m.g")] == []
    assert site.get("m.f").last_outcome in ("late", "fired")
    site.clock.advance(60)
    site.write("m", HOURLY + "\n@app.every('1h')\n@app.task\ndef g(): ...\n")
    site.worker()
    assert (site.get("m.g").why, site.next("m.g")) == (None, "16:01")


@pytest.mark.parametrize("imports", [(), ("other",)])
def test_a_deleted_module_disables_and_so_does_one_that_was_renamed_elsewhere(site: Site, imports: tuple[str, ...]) -> None:
    site.write("other", "@app.task\ndef x(): ...\n")
    site.write("m", HOURLY)
    site.worker("m")
    site.delete("m")
    site.worker(*imports)
    info = site.get("m.f")
    assert (info.state, info.why) == ("disabled", f"m is not in {site.folder} any more")


def test_a_renamed_module_keeps_the_tick_of_a_schedule_with_a_name_and_its_code_is_found(site: Site) -> None:
    body = HOURLY.replace("'1h'", "'1h', name='x'")
    site.write("old", body)
    site.worker("old")
    site.clock.advance(1800)
    site.delete("old")
    site.write("new", body)
    site.worker("new")
    info = site.get("x")
    assert (site.next("x"), info.declared_in, info.task) == ("13:00", "new", "new.f")
    assert site.catalogue().find("new.f").name == "new.f"  # by discovery, though nobody ever enqueued it


def test_a_module_that_cannot_be_imported_leaves_its_schedules_as_stored_and_says_so(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.write("m", HOURLY)
    site.worker("m")
    for broken in ("1/0", "raise SystemExit(3)", "def broken(:"):
        caplog.clear()
        site.write("m", broken)
        with caplog.at_level(logging.ERROR, "litequeue.worker"):
            site.worker()
        assert "the schedules of m are taken as they were" in caplog.text
        assert (site.get("m.f").state, site.next("m.f")) == ("active", "13:00")
    site.clock.advance(3600)
    site.worker()
    assert site.get("m.f").last_outcome == "fired"


def test_what_vanished_cannot_be_resumed_but_removed(site: Site) -> None:
    site.write("m", HOURLY + "\n@app.every('1h')\n@app.task\ndef g(): ...\n")
    site.worker("m")
    site.write("m", HOURLY)
    site.worker()
    with pytest.raises(InvalidArgument, match=r"m does not declare it any more: declare it there again, or remove it"):
        site.app.schedules.resume("m.g")
    site.app.schedules.remove("m.g")
    assert [info.name for info in site.app.schedules.list()] == ["m.f"]


def test_paused_stays_paused_over_restarts_and_changes(site: Site) -> None:
    site.write("m", HOURLY)
    site.worker("m")
    site.app.schedules.pause("m.f")
    for body in (HOURLY, HOURLY.replace("1h", "2h"), "", HOURLY):
        site.write("m", body)
        site.clock.advance(7200)
        site.worker()
        assert site.jobs() == 0
    assert site.get("m.f").state == "paused"
    site.app.schedules.resume("m.f")
    assert site.next("m.f") == "21:00"


def test_declared_ones_are_changed_in_the_code_but_paused_resumed_and_run_anywhere(site: Site) -> None:
    site.write("m", HOURLY)
    site.worker("m")
    schedules = site.app.schedules
    for refused in (
        lambda: schedules.update("m.f", retries=1), lambda: schedules.remove("m.f"),
        lambda: schedules.add("m.f", "m.f", every="1m", replace=True),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="is declared in m"):
            refused()
    assert schedules.run_now("m.f").info().schedule == "m.f"
    schedules.pause("m.f")
    schedules.resume("m.f")
    site.write("m", "")
    site.worker()
    schedules.remove("m.f")  # disabled, it does not come back
    assert schedules.list() == []


# -- names -----------------------------------------------------------------------------------------------


def test_a_name_that_was_added_at_run_time_is_left_alone(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.app.schedules.add("m.f", "other.task", every="3h")
    site.write("m", HOURLY)
    site.worker("m")
    assert (site.get("m.f").task, site.get("m.f").declared_in, site.next("m.f")) == ("other.task", None, "15:00")
    assert "m.f is declared in m, but one of that name was added at run time" in caplog.text
    site.app.schedules.remove("m.f")
    site.worker("m")
    assert site.get("m.f").declared_in == "m"


def test_one_name_in_two_modules_goes_to_one_of_them_and_does_not_start_anew_each_time(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.write("a", HOURLY.replace("'1h'", "'1h', name='x'"))
    site.write("b", HOURLY.replace("'1h'", "'2h', name='x'"))
    for _ in range(3):
        caplog.clear()
        site.worker("a", "b")
        assert "schedule x is declared in a and in b" in caplog.text
        assert (site.get("x").declared_in, site.next("x")) == ("a", "13:00")
        site.clock.advance(600)


def test_modules_declare_for_themselves_and_share_an_app(site: Site) -> None:
    site.write("core", "")
    site.write("one", "from core import app\n" + HOURLY, head="")
    site.write("two", "import core\n" + HOURLY.replace("app.", "core.app."), head="")
    site.worker("one", "two")
    assert [(info.name, info.declared_in) for info in site.app.schedules.list()] == [("one.f", "one"), ("two.f", "two")]
    # One that knows one module judges that one alone; the other is found where it was.
    site.write("one", "from core import app\n@app.task\ndef g(): ...\n", head="")
    site.worker("one")
    assert [(info.name, info.state) for info in site.app.schedules.list()] == [("one.f", "disabled"), ("two.f", "active")]
    site.worker()
    assert site.get("two.f").state == "active"


def test_two_apps_of_one_module_keep_their_schedules_in_their_own_files(site: Site) -> None:
    other = site.folder / "other.sqlite"
    site.write("m", f"app, second = LiteQueue({str(site.db)!r}), LiteQueue({str(other)!r})\n" + HOURLY
               + "\n@second.every('1h')\n@second.task\ndef g(): ...\n", head=HEAD)  # fmt: skip
    site.worker("m")
    assert [info.name for info in site.app.schedules.list()] == ["m.f"]


@pytest.mark.slow
def test_two_workers_that_start_at_once_declare_once(site: Site) -> None:
    site.write("m", "".join(HOURLY.replace("def f", f"def f{n}") + "\n" for n in range(20)))
    for period in ("1h", "2h", "3h"):
        site.write("m", "".join(HOURLY.replace("def f", f"def f{n}").replace("1h", period) + "\n" for n in range(20)))
        catalogues = [site.catalogue("m") for _ in range(4)]
        declarers = [Declarer(store, c, site.clock, "boot") for store, c in zip(site.stores[-4:], catalogues, strict=True)]
        threads = [threading.Thread(target=declarer.declare) for declarer in declarers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(not catalogue.declared for catalogue in catalogues)
        with closing(sqlite3.connect(site.db)) as connection, connection:
            rows = connection.execute("SELECT revision, trigger FROM litequeue_schedules").fetchall()
        assert rows == [({"1h": 0, "2h": 1, "3h": 2}[period], f'{{"every": "{period}"}}')] * 20


# -- triggers of the user's own -----------------------------------------------------------------------------


def test_a_trigger_of_ones_own_fires_by_the_worker_with_the_code_and_not_by_another(site: Site) -> None:
    site.write("m", OWN.format(body="return moment + timedelta(hours=1)"))
    site.write("other", "@app.task\ndef x(): ...\n")
    mine = site.worker("m")
    other = site.worker("other")
    site.app.schedules.add("known", "other.x", every="90m")
    site.clock.advance(3600)
    assert other.tick() == pytest.approx(1800, abs=1)  # and does not spin for what it cannot work out
    assert site.jobs() == 0
    mine.tick()
    assert site.get("m.f").last_outcome == "fired"
    assert (site.jobs(), site.get("m.f").state, site.next("m.f")) == (1, "active", "14:00")
    site.clock.advance(600)
    site.worker("m")
    assert site.next("m.f") == "14:00"


@pytest.mark.parametrize("when", ["at the start", "at a tick"])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise LookupError('no calendar')", "LookupError: no calendar"),
        ("return moment.replace(tzinfo=None) + timedelta(hours=1)", "must say its time zone"),
        ("return moment", "must be later than"),
        ("return moment - timedelta(days=1)", "must be later than"),
        ("return 'tomorrow'", "must be a datetime, not str"),
    ],
)
def test_one_that_fails_is_disabled_with_the_reason_and_the_worker_goes_on(
    site: Site, body: str, why: str, when: str
) -> None:
    if when == "at a tick":
        body = f"if moment < datetime(2026, 3, 2, 12, 30, tzinfo=timezone.utc): return moment + timedelta(hours=1)\n        {body}"
    site.write("m", OWN.format(body=body) + "\n@app.every('1h')\n@app.task\ndef g(): ...\n")
    worker = site.worker("m")
    if when == "at a tick":
        assert site.get("m.f").state == "active"
    site.clock.advance(3600)
    worker.tick()
    info = site.get("m.f")
    assert info.state == "disabled"
    assert why in (info.why or "")
    assert site.get("m.g").last_outcome == "fired"
    # Mended, it starts from now.
    site.write("m", OWN.format(body="return moment + timedelta(hours=2)"))
    site.worker("m")
    assert (site.get("m.f").state, site.next("m.f"), site.get("m.f").why) == ("active", "15:00", None)


def test_one_that_was_paused_is_resumed_by_its_worker_from_now(site: Site) -> None:
    site.write("m", OWN.format(body="return moment + timedelta(hours=1)"))
    worker = site.worker("m")
    site.app.schedules.pause("m.f")
    site.clock.advance(5 * 3600)
    worker.tick()
    site.app.schedules.resume("m.f")
    worker.tick()
    assert (site.next("m.f"), site.jobs()) == ("18:00", 0)
    site.clock.advance(3600)
    worker.tick()
    assert [tick.outcome for tick in site.app.schedules.ticks("m.f")] == ["fired"]


def test_one_that_has_no_tick_left_is_done_and_is_not_asked_again_and_again(site: Site) -> None:
    site.write("m", "asked = []\n" + OWN.format(body="asked.append(moment); return None"))
    worker = site.worker("m")
    assert site.get("m.f").state == "done"
    asked = len(sys.modules["m"].asked)
    for _ in range(50):
        worker.tick()
    assert len(sys.modules["m"].asked) == asked


@pytest.mark.slow
def test_a_slow_one_delays_and_breaks_nothing(site: Site) -> None:
    site.write("m", "import time\n" + OWN.format(body="time.sleep(0.02); return moment + timedelta(hours=1)")
               + "\n@app.every('1h')\n@app.task\ndef g(): ...\n")  # fmt: skip
    begin = time.perf_counter()
    worker = site.worker("m")
    site.clock.advance(3 * 3600)
    worker.tick()
    assert time.perf_counter() - begin < 5
    assert site.get("m.f").last_outcome in ("fired", "late")
    assert site.get("m.g").last_outcome == "fired"


def test_a_single_tick_that_is_over_is_done_and_its_code_may_stay(site: Site) -> None:
    site.write("m", "@app.schedule(At(datetime(2026, 3, 2, 12, 30, tzinfo=timezone.utc)))\n@app.task\ndef f(): ...\n")
    worker = site.worker("m")
    site.clock.advance(1800)
    worker.tick()
    site.clock.advance(1800)
    site.worker("m")
    site.worker()
    assert (site.jobs(), site.get("m.f").state) == (1, "done")


# -- whole workers -------------------------------------------------------------------------------------------

TICKING = """
from pathlib import Path
from litequeue import LiteQueue
app = LiteQueue("db.sqlite")

@app.every("100ms", name="often")
@app.task
def often():
    with open(Path(__file__).with_name("ledger"), "a") as file:
        file.write("tick\\n")

@app.task
def nothing(): ...
"""


def _ticks(folder: Path, least: int = 2) -> Any:
    return wait_until(lambda: len(ledger_lines(folder / "ledger")) >= least, 15)


@pytest.mark.slow
def test_by_import_and_then_by_discovery_from_the_schedule_alone(tmp_path: Path) -> None:
    (tmp_path / "ticking.py").write_text(TICKING)
    db = tmp_path / "db.sqlite"
    with worker_process(db, "--import", "ticking", cwd=tmp_path):
        _ticks(tmp_path)
    (tmp_path / "ledger").unlink()
    with LiteQueue(db) as app:
        assert app.schedules.get("often").declared_in == "ticking"
        with worker_process(db, cwd="/"):
            _ticks(tmp_path)
        (tmp_path / "ticking.py").write_text(TICKING.replace('@app.every("100ms", name="often")', ""))
        with worker_process(db, cwd="/"):
            why = wait_until(lambda: app.schedules.get("often").why)
            assert why == "ticking does not declare it any more"
        (tmp_path / "ledger").unlink()
        (tmp_path / "ticking.py").write_text(TICKING)
        with worker_process(db, cwd="/"):
            _ticks(tmp_path)


@pytest.mark.slow
def test_by_discovery_from_an_enqueued_job(tmp_path: Path) -> None:
    (tmp_path / "ticking.py").write_text(TICKING)
    db = tmp_path / "db.sqlite"
    LiteQueue(db).schedules.list()
    with worker_process(db, cwd="/"):
        assert main(["schedules", str(db)]) == 0
        code = "import ticking; ticking.nothing.delay()"
        import subprocess

        env = {**environment(), "PYTHONPATH": f"{environment()['PYTHONPATH']}:{tmp_path}"}
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True, timeout=20)
        _ticks(tmp_path)


@pytest.mark.slow
def test_by_run_worker_in_a_script(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "script.py").write_text(TICKING + "\nif __name__ == '__main__':\n    app.run_worker(threads=1)\n")
    process = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, env=environment())
    try:
        _ticks(tmp_path)
    finally:
        process.terminate()
        assert process.wait(10) is not None
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert app.schedules.get("often").declared_in == "script"
        before = app.schedules.get("often").ticks
        with worker_process(tmp_path / "db.sqlite", cwd="/"):
            wait_until(lambda: app.schedules.get("often").ticks > before + 1)


@pytest.mark.slow
def test_by_an_embedded_worker_of_an_app_that_a_function_made_and_not_those_of_another_app(tmp_path: Path) -> None:
    ran = []

    def create_app(name: str) -> LiteQueue:
        app = LiteQueue(tmp_path / f"{name}.sqlite")

        @app.every("50ms", name=name, run_immediately=True)
        @app.task(name=f"task-{name}")
        def task() -> None:
            ran.append(name)

        return app

    with create_app("a") as a, create_app("b") as b:
        with a.worker(threads=1):
            wait_until(lambda: len(ran) >= 3)
            assert [info.name for info in a.schedules.list()] == ["a"]

            @a.every("50ms")
            @a.task(name="late")
            def late() -> None:
                ran.append("late")

            a.schedules.add("wake", "task-a", every="1h")  # whatever makes the worker look
            wait_until(lambda: "late" in ran)
        assert "b" not in ran
        with b.worker(threads=1):
            wait_until(lambda: "b" in ran)
        # What the app has no more is disabled; what other modules declare is not its business.
        with LiteQueue(a.path) as anew:

            @anew.task(name="task-a")
            def task() -> None: ...

            with anew.worker(threads=1):
                wait_until(lambda: anew.schedules.get("a").state == "disabled")


def test_a_trigger_that_fails_at_once_does_not_keep_a_worker_from_its_jobs(tmp_path: Path) -> None:
    with LiteQueue(tmp_path / "db.sqlite") as app:

        class Broken:
            def next_after(self, moment: datetime) -> datetime:
                raise RuntimeError("broken")

        @app.schedule(Broken(), name="broken")
        @app.task(name="f")
        def f() -> int:
            return 7

        with app.worker(threads=1):
            assert f.delay().get(timeout=10) == 7
            info = app.schedules.get("broken")
            assert (info.state, info.why) == ("disabled", "RuntimeError: broken")
            with contextlib.suppress(TimeoutError):
                app.schedules.resume("broken")
            wait_until(lambda: app.schedules.get("broken").state == "disabled")


def test_what_the_scheduler_had_no_tick_for_is_written_down_as_the_worker_ends(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst whose last job had brought a module sometimes ended before its schedules were in the file."""
    monkeypatch.setattr(Clockwork, "tick", lambda _: 3_600.0)

    @app.every("1h", name="hourly")
    @app.task
    def work() -> None: ...

    work.delay()
    with app.worker(burst=True) as worker:
        worker.join()
    assert [schedule.name for schedule in app.schedules.list()] == ["hourly"]
