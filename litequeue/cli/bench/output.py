"""What keeping a job's words costs the job: the same task with ``output="drop"`` beside it, in turns.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import tasks
from .rig import Bench, Figure


def kept(bench: Bench) -> Iterator[Figure]:
    path = bench.fresh()
    log, count = bench.path() + ".log", 5_000 if bench.quick else 100_000
    with bench.worker(path):
        for what, (keeping, dropping) in tasks.TALKERS.items():
            took: dict[bool, list[float]] = {True: [], False: []}
            for _ in bench.times(3):
                for keeps, task in ((True, keeping), (False, dropping)):
                    took[keeps].append(task.delay(count, log).get(timeout=120))
            seconds = min(took[True])
            yield Figure(f"{what}, kept over dropped", seconds / min(took[False]), "ratio", 1.3, False, f"({count:,} in {seconds:.2f} s)")
