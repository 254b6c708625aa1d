"""Driving a random model by its seeds: until one finds what is wrong, and by hand, many of them."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from litequeue.store import Store

from ..support import FakeClock

Run = Callable[[Store, FakeClock, int], Counter[str]]  # of a seed: what happened how often; raises AssertionError for what is wrong


def caught(run: Run, folder: Path, seeds: Iterable[int]) -> int:
    """The seed at which the model sees that something is wrong; -1 for none."""
    for place, seed in enumerate(seeds):
        store = Store(str(folder / f"{place}.sqlite"))
        try:
            run(store, FakeClock(), seed)
        except AssertionError:
            return seed
        finally:
            store.close()
    return -1


def run_and_print(run: Run, seeds: Iterable[int]) -> None:
    """What is wrong, by seed, and what happened in all of them."""
    total = Counter[str]()
    for seed in seeds:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as where:
            store = Store(f"{where}/db.sqlite")
            try:
                total += run(store, FakeClock(), seed)
            except AssertionError as wrong:
                print(f"seed {seed}: {wrong!s:.300}")
            finally:
                store.close()
    for event, often in total.most_common():
        print(f"{often:9,} {event}")
