"""``python -m tests.chaos --seconds N --seed S``: one run, its verdict, and the evidence if it is bad."""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from . import flow_judge, judge
from .driver import Driver
from .evidence import Evidence

MOST_SHOWN = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of faults; then everything is drained")
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, which is printed")
    parser.add_argument("--keep", action="store_true", help="keep the evidence of a good run too")
    parser.add_argument("--broken", default="", metavar="VARIANT", help="one of tests.crash.broken")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="only judge what a run left there")
    arguments = parser.parse_args()
    if arguments.judge is not None:
        return report(arguments.judge, "evidence")
    seed = random.randrange(2**31) if arguments.seed is None else arguments.seed
    folder = Path(tempfile.mkdtemp(prefix="litequeue-chaos-"))
    print(f"chaos: seed {seed}, {arguments.seconds:g} s, in {folder}", flush=True)
    began = time.monotonic()
    Driver(folder, arguments.seconds, seed, arguments.broken).run()
    code = report(folder, f"seed {seed}, {time.monotonic() - began:.1f} s")
    if code or arguments.keep:
        print(f"evidence: {folder}")
    else:
        shutil.rmtree(folder)
    return code


def report(folder: Path, title: str) -> int:
    e = Evidence(folder)
    found = judge.violations(e)
    states = collections.Counter(job.state for job in e.jobs.values())
    interrupted, failed = sum(j.interruptions for j in e.jobs.values()), sum(j.failures for j in e.jobs.values())
    runs = sum(map(len, e.executions.values()))
    rescued, again = judge.recoveries(e)
    print(f"jobs: {len(e.jobs)} ({_listed(states)}), {runs} executions, {len(e.intents) - len(e.acks)} calls unacked")
    outcomes = collections.Counter(row.outcome for rows in e.ticks.values() for row in rows)
    print(flow_judge.summary(folder))
    print(f"ticks: {_listed(outcomes)}")
    print(f"faults: {_listed(e.faults)}")
    print(f"interrupted: {interrupted}; failed: {failed}; orphans that still ended: {judge.orphan_overruns(e)}")
    print(f"discarded as likely killers, though innocent: {judge.suspects(e)}")
    print(f"recovery from a worker's death: rescued {_quantiles(rescued)}; running again {_quantiles(again)}")
    for text in found[:MOST_SHOWN]:
        print(f"VIOLATION: {text}")
    if len(found) > MOST_SHOWN:
        print(f"... and {len(found) - MOST_SHOWN} more")
    print(f"verdict: {f'{len(found)} VIOLATIONS' if found else 'ok'} ({title})")
    return 1 if found else 0


def _listed(counts: collections.Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"


def _quantiles(values: list[float]) -> str:
    if not values:
        return "never needed"
    p50, p99 = values[len(values) // 2], values[int(len(values) * 0.99)]
    return f"p50 {p50:.3f} s, p99 {p99:.3f} s ({len(values)})"


if __name__ == "__main__":
    sys.exit(main())
