"""``bench``: this machine against the budgets, beside the raw floor measured in the same run.

Owns their order, and what is printed. Workers run as users run them, as processes, with
``--log-level warning``: at ``info`` a line is written for each job.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from ...base.errors import CannotOpen, InvalidArgument
from ...base.softguard import HAS_GIL
from ...base.version import VERSION
from .. import render
from . import (
    crowds,
    elastic,
    exact,
    flows,
    output,
    reaction,
    resources,
    scale,
    tasks,
    throughput,
)
from .rig import Bench, Figure


def run(arguments: argparse.Namespace) -> int:
    chosen = _chosen(arguments.only, arguments.quick)
    try:
        folder = tempfile.mkdtemp(prefix="litequeue-bench-", dir=arguments.dir)
    except OSError as error:
        raise CannotOpen(f"--dir {arguments.dir}: nothing can be made there ({error.strerror})") from error
    conditions = _conditions()
    show = not arguments.json
    if show:
        print("litequeue {litequeue} on Python {python}, SQLite {sqlite}, {processors} processors".format_map(conditions), flush=True)
    figures: list[Figure] = []
    try:
        for measure in chosen:
            for figure in measure(Bench(folder, quick=arguments.quick)):
                figures.append(figure)
                if show:
                    _print(figure)
    finally:
        tasks.app.close()
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        render.print_json({**conditions, "figures": [{**figure._asdict(), "met": figure.met} for figure in figures]})
    else:
        missed = sum(not figure.met for figure in figures)
        print(f"\n{len(figures) - missed} of {len(figures)} budgets met")
    return 0


def _chosen(only: str | None, quick: bool) -> list[Callable[[Bench], Iterator[Figure]]]:
    """The measures of these names, with commas; None: all, but for what takes as long as it does where it is to be quick. Raises InvalidArgument."""
    names = None if only is None else only.split(",")
    known = [measure.__name__ for measure in MEASURES]
    for name in names or ():
        if name not in known:
            raise InvalidArgument(f"--only {name!r:.60}: there is no such measure; there are {', '.join(known)}")
    return [measure for measure in MEASURES if (not (quick and measure in LONG) if names is None else measure.__name__ in names)]


def _conditions() -> dict[str, Any]:
    """What it ran on."""
    python = platform.python_version() + ("" if HAS_GIL else " without the GIL")
    return {"litequeue": VERSION, "python": python, "sqlite": sqlite3.sqlite_version, "processors": os.cpu_count()}


def _print(figure: Figure) -> None:
    sign = ">=" if figure.at_least else "<="
    mark = render.colour("ok  ", "succeeded") if figure.met else render.colour("MISS", "discarded")
    line = f"{mark} {figure.name:<46} {figure.value:>12,.4g} {figure.unit:<8}"
    print(f"{line} {sign} {figure.budget:,g}  {figure.note}".rstrip(), flush=True)


MEASURES: tuple[Callable[[Bench], Iterator[Figure]], ...] = (
    resources.starting, throughput.enqueue, throughput.enqueue_many, throughput.drain, reaction.latency, reaction.ticks,
    scale.many_rows, scale.many_queues, scale.looks, scale.prune, crowds.producers, crowds.workers, crowds.bystanders,
    flows.flows, flows.cascade, flows.nested, exact.keys, exact.limits, exact.transactions, output.kept, elastic.elastic,
    resources.idle, reaction.rescue,
)  # fmt: skip
LONG = (elastic.elastic,)
