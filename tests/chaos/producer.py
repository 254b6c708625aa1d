"""One producer of the chaos run: ``python -m tests.chaos.producer DB FOLDER NAME SEED``.

Says in its ledger what it is about to enqueue, enqueues it, and says which ids came of it. Killed between the
two it leaves an intent without an ack: such a job may be there or not, a batch all or not at all. Ends when
the folder has a file called ``enough``.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from ..sample import note
from . import flows, tasks

FLOWS = 0.25  # of what it enqueues


def main(db: str, folder: str, name: str, seed: str) -> None:
    rng = random.Random(int(seed))
    tasks.app._client.bind(db)
    ledger, enqueued, enough = f"{folder}/ledger", f"{folder}/enqueued", Path(folder, "enough")
    kinds = {
        tasks.quick: 5, tasks.slow: 5, tasks.flaky: 1, tasks.once: 1, tasks.in_process: 2,
        tasks.once_in_process: 0.5, tasks.in_async: 3, tasks.forking: 1, tasks.forking_in_process: 0.5,
        tasks.narrow: 1.5, tasks.narrow_in_process: 0.7, tasks.rated: 0.8,
    }  # fmt: skip
    serial, maker = 0, flows.Maker(folder, name, rng)
    while not enough.exists():
        if rng.random() < FLOWS:
            maker.act()
            continue
        serial += 1
        task = rng.choices(list(kinds), list(kinds.values()))[0]
        rest: tuple[float, ...] = (rng.uniform(0.01, 0.2),)
        if task is tasks.quick:
            rest = ()
        elif task in (tasks.flaky, tasks.rated):
            rest = (rng.randint(1, 3) if task is tasks.flaky else rng.choice([0, 0, 0, 1]),)
        key = f"{name}-{serial}"
        if task in (tasks.quick, tasks.in_async) and rng.random() < 0.3:
            count = rng.randint(2, 40)
            note(enqueued, f"intent {key} {count}")
            batch = task.delay_many((ledger, f"{key}.{n}", *rest) for n in range(count))
            note(enqueued, f"ack {key} {batch.ids.start} {len(batch)}")
        else:
            note(enqueued, f"intent {key} 1")
            job = task.delay(ledger, f"{key}.0", *rest)
            note(enqueued, f"ack {key} {job.id} 1")
        time.sleep(rng.uniform(0, 0.06))


if __name__ == "__main__":
    main(*sys.argv[1:])
