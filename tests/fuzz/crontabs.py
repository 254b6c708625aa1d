"""Crontabs: read as a value and written back; shown what would come of them; imported, and exported again."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

from litequeue import cron, crontab

from ..support import ROOT
from . import mutations, planting
from .oracle import Fault, NotText, command, family, within

SECONDS = 10.0
DATA = ROOT / "tests/data"


@cache
def lines() -> list[str]:
    found = [line for name in ("crontab.txt", "crontab-system.txt") for line in (DATA / name).read_text().splitlines()]
    return found + [line.partition("\t")[2] for line in (DATA / "cron-accept.tsv").read_text().splitlines() if "\t" in line]


def make(random: Random) -> bytes:
    chosen = [random.choice(lines()) for _ in range(random.choice((1, 3, 10, 100)))]
    spoiled = [mutations.text(random, line, lines()) if random.random() < 0.5 else line for line in chosen]
    data = "\n".join(spoiled).encode("utf-8", "surrogatepass")
    if random.random() < 0.3:
        at = random.randint(0, len(data))
        data = data[:at] + mutations.noise(random, 200) + data[at:]
    return data if random.random() < 0.95 else mutations.noise(random, 2000)


def bare(entry: crontab.Entry) -> crontab.Entry:
    """Without where it stood."""
    return replace(entry, line=0, raw="")


def judge(data: bytes, folder: Path) -> None:
    text = data.decode(errors="replace")
    with within(SECONDS):
        read = family(lambda: crontab.parse(text))
        # What the fields mean is for cron to say, and what cannot be a time may not be one when it is written back.
        good = [entry for entry in (read.entries if read else ()) if family(lambda entry=entry: cron.parse(entry.when))]
        written = family(lambda: crontab.render(good))
        again = None if written is None else crontab.parse(written)
        if again is None or again.problems or sorted(map(repr, map(bare, again.entries))) != sorted(map(repr, map(bare, good))):
            raise Fault(f"what was read does not come back: {again and again.problems[:3]}")
    db, file = planting.made(folder), folder / "crontab"
    file.write_bytes(data)
    command("cron", "import", db, file, "--dry-run", cwd=folder)
    command("cron", "import", db, file, "--paused", cwd=folder)
    command("schedules", db, "--json", cwd=folder)
    with contextlib.suppress(NotText):  # a crontab's bytes come back as they were
        command("cron", "export", db, cwd=folder)
