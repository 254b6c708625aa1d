"""The driver of the chaos run: starts producers and workers, kills, freezes and restarts them by the seed.

Owns the list of faults. Whatever it does to a process it writes to ``events`` in the run's folder before it does it,
with the monotonic time; what goes wrong meanwhile (a worker that ends by itself) is a ``problem`` line there.
The same seed makes the same choices; what they hit depends on the machine.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..sample import note
from ..support import ROOT, children_of, environment, ledger_lines, registered
from . import flows, tasks

LEASE = 2.0  # short enough that a frozen worker's lease lapses within the run
WORKERS = 4
PRODUCERS = 2
SLOTS = ("--threads", "2", "--processes", "1", "--async", "8")
PAUSE = (0.1, 0.6)  # between two faults
# Of the run, its end, in which workers freeze. Before, they only die: what is frozen may hold the write lock
# or be the only one left, and then there is no saying how fast the dead should be replaced.
COLD = 0.6
DRAIN_SECONDS = 60.0
LEAVE_SECONDS = 30.0
ORPHAN_SECONDS = 5.0
STARTUP_SECONDS = 60.0


@dataclass(eq=False)
class Actor:
    """A process of the run."""

    role: str  # worker or producer
    process: subprocess.Popen[bytes]
    log: Path
    doomed: str = ""  # kill or term: why it may end
    was_ready: bool = False  # when it was told to leave
    doomed_at: float = 0.0
    thaw_at: dict[int, float] = field(default_factory=dict)  # itself or a child: frozen until then

    @property
    def pid(self) -> int:
        return self.process.pid


class Driver:
    """One run in one folder."""

    def __init__(self, folder: Path, seconds: float, seed: int, broken: str = "") -> None:
        self.db = folder / "chaos.sqlite"
        self._folder = folder
        self._seconds = seconds
        self._rng = random.Random(seed)
        self._broken = broken
        self._actors: list[Actor] = []
        self._started = 0
        self._warm: dict[Callable[[], None], float] = {
            self._kill_worker: 30,
            self._terminate_worker: 12,
            self._kill_child: 14,
            self._kill_producer: 12,
        }
        self._cold: dict[Callable[[], None], float] = {
            self._freeze_worker: 40,
            self._freeze_child: 10,
            self._kill_worker: 12,
            self._terminate_worker: 6,
            self._kill_child: 10,
            self._kill_producer: 10,
        }

    def run(self) -> None:
        self._log(f"lease {LEASE}")
        self._log(f"clock {time.time():.6f} {time.monotonic():.6f}")
        tasks.app._client.bind(str(self.db))
        tasks.add_schedules(str(self._folder / "ledger"))
        tasks.app.close()
        try:
            self._tend(PRODUCERS)
            self._wait((self._folder / "ledger").exists, STARTUP_SECONDS, "the first job ran", PRODUCERS)
            deadline = time.monotonic() + self._seconds
            fault_at = 0.0
            while time.monotonic() < deadline:
                self._tend(PRODUCERS)
                if time.monotonic() >= fault_at:
                    faults = self._warm if time.monotonic() < deadline - COLD * self._seconds else self._cold
                    self._rng.choices(list(faults), list(faults.values()))[0]()
                    fault_at = time.monotonic() + self._rng.uniform(*PAUSE)
                time.sleep(0.01)
            self._wait(self._every_schedule_fired, STARTUP_SECONDS, "every schedule fired once", PRODUCERS)
            self._drain()
        finally:
            for actor in self._actors:
                with contextlib.suppress(ProcessLookupError):
                    actor.process.kill()
                actor.process.wait()
            tasks.app.close()

    def _drain(self) -> None:
        """No more faults: the producers stop, the workers finish everything and leave."""
        (self._folder / "enough").touch()
        self._wait(lambda: not self._of("producer"), LEAVE_SECONDS, "the producers ended")
        for actor in self._actors:
            for pid in list(actor.thaw_at):
                self._thaw(actor, pid)
        self._log(f"drain {time.monotonic():.6f}")
        tasks.app._client.bind(str(self.db))
        tasks.pause_schedules()
        self._wait(self._nothing_is_left, DRAIN_SECONDS, "every job became final")
        for actor in self._of("worker"):
            self._doom(actor, "term", signal.SIGTERM)
        self._wait(lambda: not self._actors, LEAVE_SECONDS, "the workers left", workers=0)
        pids = {int(line.split()[3]) for line in ledger_lines(self._folder / "ledger")}
        self._wait(
            lambda: not any(map(is_pool_process, pids)), ORPHAN_SECONDS, "the dead workers' processes ended", workers=0
        )

    @staticmethod
    def _every_schedule_fired() -> bool:
        """Also in a run that is shorter than a schedule's period."""
        return all(schedule.ticks for schedule in tasks.app.schedules.list())

    def _nothing_is_left(self) -> bool:
        flows.let_go()
        states = tasks.app.stats().states
        waiting = ("blocked", "scheduled", "available", "running", "retrying")
        return not any(states.get(state) for state in waiting)

    def _wait(
        self, condition: Callable[[], bool], seconds: float, what: str, producers: int = 0, workers: int = WORKERS
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self._log(f"problem it took more than {seconds:g} s until {what}")
                return
            self._tend(producers, workers)
            time.sleep(0.02)

    # -- keeping the cast complete ------------------------------------------------------------------

    def _of(self, role: str) -> list[Actor]:
        return [a for a in self._actors if a.role == role and not a.doomed]

    def _tend(self, producers: int, workers: int = WORKERS) -> None:
        """Thaw what is due, bury the dead, and start others in their place."""
        now = time.monotonic()
        for actor in list(self._actors):
            for pid in [pid for pid, at in actor.thaw_at.items() if at <= now]:
                self._thaw(actor, pid)
            if actor.process.poll() is not None:
                self._bury(actor)
            elif actor.doomed and now > actor.doomed_at + LEAVE_SECONDS:
                self._log(f"problem {actor.log.name} still runs {LEAVE_SECONDS:g} s after its {actor.doomed}")
                actor.process.kill()
        while len(self._of("producer")) < producers:
            self._start("producer", "-m", "tests.chaos.producer", str(self.db), str(self._folder))
        while len(self._of("worker")) < workers:
            module = ("-m", "litequeue") if not self._broken else ("-m", "tests.crash.broken", self._broken)
            flags = (*SLOTS, "--lease", str(LEASE), "--grace", "10", "--log-level", "warning")
            self._start("worker", *module, "worker", str(self.db), *flags)

    def _start(self, role: str, *words: str) -> None:
        self._started += 1
        name = f"{role}-{self._started}"
        if role == "producer":
            words = (*words, name, str(self._rng.randrange(2**31)))
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=environment(), stdout=output, stderr=output
            )
        self._actors.append(Actor(role, process, log))
        self._log(f"up {role} {process.pid} {time.monotonic():.6f}")

    def _bury(self, actor: Actor) -> None:
        self._actors.remove(actor)
        for pid in list(actor.thaw_at):
            self._thaw(actor, pid)  # an orphan that is frozen could not notice that it is one
        code, said = actor.process.returncode, actor.log.read_text(errors="replace")
        normal = (0,) if actor.role == "producer" else ()  # a worker has no reason to end
        expected: tuple[int, ...] = {"": normal, "term": (0,), "kill": (-signal.SIGKILL,)}[actor.doomed]
        if actor.doomed == "term" and not actor.was_ready:
            expected = (0, -signal.SIGTERM)  # it may not have had a handler yet
        if code not in expected:
            tail = " | ".join(said.splitlines()[-5:])
            self._log(f"problem {actor.log.name} ended with {code} after {actor.doomed or 'no signal'}: {tail}")
        if "is locked" in said:
            self._log(f"problem {actor.log.name} shows a lock to its user")

    # -- faults -------------------------------------------------------------------------------------------

    def _mortals(self) -> list[Actor]:
        """All workers but the eldest: leases are judged only by one that has been up for a while."""
        return self._of("worker")[1:]

    def _kill_worker(self) -> None:
        if actors := self._mortals():
            # Mostly one that is not frozen: a lease needs its time to lapse.
            awake = [a for a in actors if a.pid not in a.thaw_at]
            some = awake if awake and self._rng.random() < 0.9 else actors
            self._doom(self._rng.choice(some), "kill", signal.SIGKILL)

    def _terminate_worker(self) -> None:
        if actors := [a for a in self._mortals() if not a.thaw_at]:
            self._doom(self._rng.choice(actors), "term", signal.SIGTERM)

    def _kill_producer(self) -> None:
        if actors := self._of("producer"):
            self._doom(self._rng.choice(actors), "kill", signal.SIGKILL)

    def _freeze_worker(self) -> None:
        if actors := [a for a in self._of("worker") if a.pid not in a.thaw_at]:
            # Often longer than a lease with the two looks that it takes to be believed.
            long = self._rng.random() < 0.5
            seconds = self._rng.uniform(1.7, 2.5) * LEASE if long else self._rng.uniform(0.05, 1.0)
            actor = self._rng.choice(actors)
            self._freeze(actor, actor.pid, "worker", seconds)

    def _kill_child(self) -> None:
        if (found := self._some_child()) is not None:
            self._signal("kill", "child", found[1], signal.SIGKILL)

    def _freeze_child(self) -> None:
        if (found := self._some_child()) is not None and found[1] not in found[0].thaw_at:
            self._freeze(*found, "child", self._rng.uniform(0.05, 1.0))

    def _some_child(self) -> tuple[Actor, int] | None:
        """A process of some worker's pool."""
        actors = self._of("worker")
        self._rng.shuffle(actors)
        for actor in actors:
            children = [pid for pid in children_of(actor.pid) if is_pool_process(pid)]
            if children:
                return actor, self._rng.choice(children)
        return None

    def _doom(self, actor: Actor, how: str, number: int) -> None:
        actor.was_ready = how == "term" and registered(self.db, actor.pid)
        actor.doomed, actor.doomed_at = how, time.monotonic()
        self._signal(how, actor.role, actor.pid, number)

    def _freeze(self, actor: Actor, pid: int, role: str, seconds: float) -> None:
        actor.thaw_at[pid] = time.monotonic() + seconds
        self._signal("stop", role, pid, signal.SIGSTOP)

    def _thaw(self, actor: Actor, pid: int) -> None:
        del actor.thaw_at[pid]
        if pid == actor.pid and actor.process.returncode is not None:
            return
        self._signal("cont", "worker" if pid == actor.pid else "child", pid, signal.SIGCONT)

    def _signal(self, what: str, role: str, pid: int, number: int) -> None:
        self._log(f"{what} {role} {pid} {time.monotonic():.6f}")
        if what == "cont" and role == "child" and not is_pool_process(pid):
            return  # gone meanwhile, and its number is perhaps somebody else's
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _log(self, line: str) -> None:
        note(str(self._folder / "events"), line)


def is_pool_process(pid: int) -> bool:
    """Whether this is a live process of a worker's process pool."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return "spawn_main" in file.read()
    except OSError:
        return False
