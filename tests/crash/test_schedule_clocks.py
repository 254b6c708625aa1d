"""Schedules and timeouts under a clock that is set: no storm, no tick twice, and no job that minds."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue.base import errors

from .. import faults
from ..support import ledger_lines, registered, wait_until, worker_process
from .scheduled import HOUR, SECOND, File, scheduled_file
from .ticking import __name__ as ticking

pytestmark = pytest.mark.slow

NAMES = ("interval", "cron")


class Site:
    """A file with workers whose wall clock is off by as much as the test says."""

    def __init__(self, file: File, workers: list[subprocess.Popen[str]], clock: Path) -> None:
        self.file, self.workers = file, workers
        self._clock = clock
        self.set_at = 0.0
        self.new_time = 0
        self.before: dict[str, int] = {}

    def set_clock(self, hours: int) -> None:
        self.before = {name: len(self.file.fired(name)) for name in NAMES}
        self._clock.write_text(str(hours * HOUR))
        self.set_at, self.new_time = time.monotonic(), int((time.time() + hours * HOUR) * SECOND)

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def since(self) -> float:
        return time.monotonic() - self.set_at

    def goes_on_in_the_new_time(self) -> bool:
        return all(self.file.fired(name)[-1].at > self.new_time for name in NAMES)

    def has_fired(self, more_than: dict[str, int]) -> bool:
        return all(len(self.file.fired(name)) > count for name, count in more_than.items())


@contextlib.contextmanager
def sites(folder: Path, count: int, *names: str) -> Iterator[dict[str, Site]]:
    """A site for each name, with so many workers, all of them started at once."""
    with contextlib.ExitStack() as stack:
        made = {}
        for name in names:
            file = stack.enter_context(scheduled_file(folder / name))
            clock = folder / name / "clock"
            file.add("interval", every="500ms", overlap="allow")
            file.add("cron", cron="* * * * * *", seconds=True, overlap="allow", catch_up="all", grace="5s")
            # Half an hour from now, so that the hour in which the test runs has none.
            file.add("hourly", cron=f"{(time.gmtime().tm_min + 30) % 60} * * * *")
            program = (sys.executable, "-c", faults.cli_with(f"shift_clock({str(clock)!r})"))
            flags = ("--log-level", "error", "--import", ticking)
            workers = [
                stack.enter_context(worker_process(file.db, *flags, wait=False, program=program)) for _ in range(count)
            ]
            made[name] = Site(file, workers, clock)
        for site in made.values():
            for worker in site.workers:
                wait_until(lambda s=site, w=worker: registered(s.file.db, w.pid), 40, "the worker registers")
        yield made


SETTINGS = {"an hour on": 1, "ten years on": 10 * 365 * 24, "an hour back": -1}


def test_a_clock_that_is_set_brings_no_storm_repeats_no_tick_and_is_noticed_within_a_second(tmp_path: Path) -> None:
    """Every setting has workers of its own, and they go through it side by side, since they mostly wait."""
    with sites(tmp_path, 2, *SETTINGS) as of:
        wait_until(lambda: all(site.has_fired({"interval": 1, "cron": 0}) for site in of.values()))
        for setting, site in of.items():
            site.set_clock(SETTINGS[setting])
        forward = [site for setting, site in of.items() if SETTINGS[setting] > 0]
        wait_until(lambda: all(site.goes_on_in_the_new_time() for site in forward))
        # Half a second until it is seen, a second until the next tick.
        assert max(site.since() for site in forward) < 2.5
        wait_until(lambda: all(len(site.file.fired("hourly")) == 1 for site in forward))
        for setting, site in of.items():
            assert site.file.send("now").get(timeout=5) - site.set_at < 5, setting
        time.sleep(max(1.5 - min(site.since() for site in of.values()), 0))  # for a storm, or for ticks that come again
        more = {}
        for setting, site in of.items():
            more[setting] = {name: len(site.file.fired(name)) - site.before[name] for name in NAMES}
            assert more[setting]["interval"] <= 2 * site.since() + 4, (setting, more)
            assert more[setting]["cron"] <= site.since() + 9, (setting, more)  # five of them caught up
        back = of["an hour back"]
        repeated = more["an hour back"]
        assert sum(repeated.values()) <= 3, more  # those between the count and the setting
        stood = {name: back.before[name] + repeated[name] for name in NAMES}
        back.set_clock(0)
        wait_until(lambda: back.has_fired(stood))
        for setting, site in of.items():
            site.end()
            assert len(site.file.fired("hourly")) <= 1, setting
            site.file.assert_each_once(*NAMES, "hourly")


def test_a_suspended_machine_makes_up_for_one_tick_of_each_schedule(tmp_path: Path) -> None:
    with sites(tmp_path, 2, "suspended") as of, contextlib.ExitStack() as asleep:
        site = of["suspended"]
        file = site.file
        file.add("long", every="1h")
        wait_until(lambda: site.has_fired({"interval": 1}))
        # Not asleep with the lock in its hand, for the sake of the test's own reading:
        with file.app._client.store.database.write(durable=False):
            for worker in site.workers:
                asleep.enter_context(faults.stopped(worker.pid))
        site.set_clock(8)
        asleep.close()
        woke = time.monotonic()
        wait_until(lambda: len(file.fired("long")) == len(file.fired("hourly")) == 1)
        wait_until(lambda: site.has_fired({"interval": site.before["interval"]}))
        assert time.monotonic() - woke < 2.5
        time.sleep(1.0)  # time for more
        assert len(file.fired("long")) == len(file.fired("hourly")) == 1
        assert len(file.fired("interval")) - site.before["interval"] <= 2 * (time.monotonic() - woke) + 3
        assert len(file.ticks("long")) == 8  # each of the others is accounted for
        site.end()
        file.assert_each_once("long", "hourly", "interval")


@pytest.mark.paired
def test_timeouts_do_not_mind_a_clock_that_is_set(tmp_path: Path) -> None:
    settings = {"forward": 1, "back": -1}
    with sites(tmp_path, 1, *settings) as of:
        jobs = {}
        for setting, site in of.items():
            ledger = str(site.file.ledger) + " of the jobs"
            jobs[setting] = [site.file.send("busy", ledger, seconds, timeout=1.5) for seconds in (1.0, 60.0)]
            wait_until(lambda path=Path(ledger): len(ledger_lines(path)) == 2)
            site.set_clock(settings[setting])
        for setting, site in of.items():
            short, endless = jobs[setting]
            assert short.get(timeout=10) == "finished", setting
            with pytest.raises(errors.JobFailed, match="imeout"):
                endless.get(timeout=10)
            assert 1.0 < site.since() < 4.0, setting
            assert [job.info().attempt for job in (short, endless)] == [1, 1], setting
