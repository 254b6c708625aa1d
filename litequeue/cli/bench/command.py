"""``bench``: this machine against the budgets, beside the raw floor measured in the same run.

Owns their order, and what is printed. Workers run as users run them, as processes, with
``--log-level warning``: at ``info`` a line is written for each job.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator

from ...base.errors import CannotOpen
from .. import render
from . import reaction, resources, tasks, throughput
from .rig import Bench, Figure


def run(arguments: argparse.Namespace) -> int:
    try:
        folder = tempfile.mkdtemp(prefix="litequeue-bench-", dir=arguments.dir)
    except OSError as error:
        raise CannotOpen(f"--dir {arguments.dir}: nothing can be made there ({error.strerror})") from error
    show = not arguments.json
    figures: list[Figure] = []
    try:
        for measure in MEASURES:
            for figure in measure(Bench(folder, quick=arguments.quick)):
                figures.append(figure)
                if show:
                    _print(figure)
    finally:
        tasks.app.close()
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        render.print_json([{**figure._asdict(), "met": figure.met} for figure in figures])
    else:
        missed = sum(not figure.met for figure in figures)
        print(f"\n{len(figures) - missed} of {len(figures)} budgets met")
    return 0


def _print(figure: Figure) -> None:
    sign = ">=" if figure.at_least else "<="
    mark = render.colour("ok  ", "succeeded") if figure.met else render.colour("MISS", "discarded")
    line = f"{mark} {figure.name:<46} {figure.value:>12,.4g} {figure.unit:<8}"
    print(f"{line} {sign} {figure.budget:,g}  {figure.note}".rstrip(), flush=True)


MEASURES: tuple[Callable[[Bench], Iterator[Figure]], ...] = (
    resources.starting, throughput.enqueue, throughput.enqueue_many, throughput.drain, reaction.latency, reaction.ticks,
    throughput.big_table, resources.idle, reaction.rescue,
)  # fmt: skip
