"""The command line as a tree of plain values, from its own parsers: what a shell's completion needs to know of it.

Owns what can stand where: which names a word of the grammar stands for (``QUEUE`` a queue, ``TASK`` a task), and where it stands for a file. A command that is added to the
grammar is in it by itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final

from ...base.search import KEYS
from ...base.states import STATES
from ..grammar import build
from ..grammar.parser import Parser
from ..help import CHAPTERS

DATABASE: Final = "database"  # files, without what lies beside a database
FILES: Final = "files"
FOLDERS: Final = "folders"
SEARCH: Final = "search"

# What a word stands for, by the name under which it is kept, or else by what the help calls it.
_BY_DEST: Final = {"queue": "queues", "queues": "queues", "task": "tasks", "topic": "chapters", "state": "states", "query": SEARCH, "meant": SEARCH, "imports": FILES}
_BY_METAVAR: Final = {
    "DB": DATABASE, "FILE": FILES, "PATH": FILES, "DIR": FOLDERS, "QUEUE": "queues", "Q": "queues", "TASK": "tasks", "STATE": "states", "QUERY": SEARCH, "SCHEDULE": "schedules",
}  # fmt: skip
_NAMES_OF: Final = {"schedule": "schedules", "ticks": "schedules", "limit": "limits", "alert": "alerts"}  # what NAME is, of these commands
_NEW: Final = ("schedule add", "alert add")  # whose NAME is of nothing that is there


def tree() -> dict[str, Any]:
    return {"top": _node(build(), ""), "words": {"states": list(STATES), "chapters": list(CHAPTERS)}, "keys": [key for key in KEYS if "." not in key]}


def _node(parser: argparse.ArgumentParser, way: str) -> dict[str, Any]:
    """``s`` the commands below it, ``o`` its options, ``p`` what stands in its places, ``r`` whether a program may follow --."""
    fill = getattr(parser, "fill", None)
    if fill is not None:
        parser.fill = None  # type: ignore[attr-defined]
        fill(parser)
    node: dict[str, Any] = {"o": {}}
    places = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            node["s"] = {name: {**_node(sub, f"{way} {name}".strip()), "a": _short(about.get(name, ""))} for name, sub in action.choices.items()}
        elif action.option_strings:
            node["o"].update(_option(action, way))
        else:
            places.append([*_kind(action, way), int(action.nargs in ("*", "+"))])
    if places:
        node["p"] = places
    if isinstance(parser, Parser):
        node |= {"d": 1} if parser.takes_database else {}
        node |= {"f": 1} if parser.takes_file else {}
        node |= {"r": 1} if parser.rest else {}
    return node


def _option(action: argparse.Action, way: str) -> Iterator[tuple[str, list[Any]]]:
    """By its name: whether a value follows, what that is, which there are, what it is about, and whether it may come twice."""
    takes = action.nargs != 0
    kind, choices = _kind(action, way) if takes else ("", [])
    for name in action.option_strings:
        if name.startswith("--") or len(action.option_strings) == 1:
            yield name, [int(takes), kind, choices, _short(_said(action)), int(isinstance(action, argparse._AppendAction))]


def _said(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _short(text: str) -> str:
    """The first clause, which is what there is room for beside a word."""
    first = text.partition("; ")[0].partition(". ")[0].removesuffix(".")
    return first if len(first) <= 80 else first[:77] + "..."


def _kind(action: argparse.Action, way: str) -> tuple[str, list[str]]:
    if action.choices:
        return "", [str(choice) for choice in action.choices]
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    if not action.option_strings and metavar == "NAME":
        return "" if way in _NEW else _NAMES_OF.get(way.partition(" ")[0], ""), []
    return _BY_DEST.get(action.dest) or _BY_METAVAR.get(metavar, ""), []
