"""The guide's tables of options, made from the lists: ``python -m tests.options.tables`` writes them into the chapters.

Owns where each table stands, by its heading row, and how a row is worded. The tests hold the chapters to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from litequeue.cli.grammar import flag_of
from litequeue.options import EnqueueOptions, JobOptions, TaskOptions, options_of
from litequeue.options.alerts import AlertOptions
from litequeue.options.schedules import RuleOptions
from litequeue.options.web import WebOptions
from litequeue.options.workers import WorkerOptions

from ..support import ROOT

GUIDE = ROOT / "litequeue" / "guide"


class Table(NamedTuple):
    """A table of a chapter."""

    chapter: str
    head: str  # its first row
    fields: type
    typed: bool = False  # options as they are typed on a command line
    of_task: bool = False  # those that an enqueue leaves to its task have the task's default


TABLES = (
    Table("tasks", "| option | meaning | default |", TaskOptions, of_task=True),
    Table("tasks", "| of an enqueue | meaning | default |", EnqueueOptions),
    Table("schedules", "| option | what becomes of a tick | default |", RuleOptions),
    Table("workers", "| option | meaning | default |", WorkerOptions, typed=True),
    Table("alerts", "| option | meaning | default |", AlertOptions, typed=True),
    Table("watching", "| option | meaning | default |", WebOptions, typed=True),
)


def rows(table: Table) -> str:
    lines = [table.head, "|---|---|---|"]
    for name, option in options_of(table.fields).items():
        default = option.said or ("none" if option.default is None else f"`{_shown(option.default)}`")
        if name in options_of(JobOptions) and not table.of_task:
            default = "as the task says"
        lines.append(f"| `{flag_of(name) if table.typed else name}` | {option.meaning} | {default} |")
    return "\n".join(lines)


def _shown(default: object) -> str:
    return f'"{default}"' if isinstance(default, str) else str(default)


def written(chapters: Mapping[str, str]) -> dict[str, str]:
    """The chapters with their tables as the lists have them."""
    found = dict(chapters)
    for table in TABLES:
        text = found[table.chapter]
        assert text.count(table.head) == 1, f"{table.chapter}.md has no table, or two, that begin with {table.head}"
        made = rows(table)
        found[table.chapter] = re.sub(rf"{re.escape(table.head)}\n(?:\|.*\n)+", lambda _, made=made: f"{made}\n", text)  # type: ignore[misc]
    return found


def chapters() -> dict[str, str]:
    return {path.stem: path.read_text() for path in GUIDE.glob("*.md")}


if __name__ == "__main__":
    for stem, text in written(chapters()).items():
        (GUIDE / f"{stem}.md").write_text(text)
