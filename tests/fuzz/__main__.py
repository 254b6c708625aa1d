"""``python -m tests.fuzz --seconds N --seed S``: cases of each kind in turn, and the verdict."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import ModuleType

from . import crontabs, datagrams, expressions, payloads, requests, rows, schemas

KINDS: dict[str, ModuleType] = {
    "rows": rows, "schemas": schemas, "crontabs": crontabs, "expressions": expressions, "payloads": payloads, "datagrams": datagrams,
    "requests": requests,
}  # fmt: skip
MOST_SHOWN = 4000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="after which no further case is begun")
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, which is printed")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these (repeatable); default all")
    parser.add_argument("--case", type=int, metavar="NUMBER", help="only this one of the kind")
    arguments = parser.parse_args()
    seed = random.randrange(2**31) if arguments.seed is None else arguments.seed
    kinds = arguments.kind or [*KINDS]
    if arguments.case is not None:
        fault = run(kinds[0], seed, arguments.case)
        print(fault or "verdict: ok")
        return 1 if fault else 0
    print(f"fuzz: seed {seed}, {arguments.seconds:g} s", flush=True)
    spent, done, faults = dict.fromkeys(kinds, 0.0), dict.fromkeys(kinds, 0), 0
    began = time.monotonic()
    while time.monotonic() - began < arguments.seconds:
        kind = min(spent, key=spent.__getitem__)  # so that each has the same time
        begin = time.monotonic()
        fault = run(kind, seed, done[kind])
        spent[kind] += time.monotonic() - begin
        done[kind] += 1
        if fault:
            faults += 1
            print(fault, flush=True)
    print(f"cases: {', '.join(f'{count} {kind}' for kind, count in done.items())}")
    print(f"verdict: {f'{faults} FAULTS' if faults else 'ok'} (seed {seed})")
    return 1 if faults else 0


def run(kind: str, seed: int, number: int) -> str | None:
    """One case; what was broken, and how to see it again. Its input hangs on these three alone."""
    made = KINDS[kind].make(random.Random(f"{kind} {seed} {number}"))
    with tempfile.TemporaryDirectory(prefix="litequeue-fuzz-") as folder:
        try:
            KINDS[kind].judge(made, Path(folder))
        except Exception:  # noqa: BLE001 - a Fault, or what no judge has thought of
            again = f"python -m tests.fuzz --kind {kind} --seed {seed} --case {number}"
            return f"FAULT: {again}\ninput: {f'{made!r}':.{MOST_SHOWN}}\n{traceback.format_exc()}\n"
    return None


if __name__ == "__main__":
    sys.exit(main())
