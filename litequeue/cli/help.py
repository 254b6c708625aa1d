"""``help``: the guide, which comes with the package.

Owns the list of chapters, and how one looks on a terminal. In a pipe it is the text as it was written.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Final

from ..base.errors import InvalidArgument
from . import exits
from .render import print_table

GUIDE: Final = Path(__file__).parent.parent / "guide"
CHAPTERS: Final = (  # as they are read
    "tasks", "workers", "fleet", "workflows", "steps", "exactly", "schedules", "cron", "coming", "testing", "frameworks", "django", "watching", "terminal", "debugging", "alerts", "operating", "housekeeping", "backups", "deploying", "containers",
    "celery", "security", "speed",
    "guarantees", "inside",
)  # fmt: skip
WIDEST: Final = 100  # columns of text; wider lines are hard to follow

_LINK = re.compile(r"\[([^]]+)\]\(([^)\s]+)\)")
_STRONG = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)


def run(arguments: argparse.Namespace) -> int:
    """List the chapters, or print one."""
    if arguments.topic is None:
        print_table(("TOPIC", "CHAPTER", "ABOUT"), [(topic, *beginning(text_of(topic))) for topic in CHAPTERS])
        print("\nprint one: python -m litequeue help TOPIC")
        return exits.OK
    text = text_of(known(arguments.topic))
    if sys.stdout.isatty():
        import pydoc  # 50 ms, and only people need it

        width = min(shutil.get_terminal_size().columns, WIDEST)
        pydoc.pager(rendered(text, width, plain=bool(os.environ.get("NO_COLOR"))))
    else:
        print(text, end="")
    return exits.OK


def text_of(topic: str) -> str:
    """A chapter as it was written."""
    return (GUIDE / f"{topic}.md").read_text(encoding="utf-8")


def beginning(text: str) -> tuple[str, str]:
    """A chapter's title and first sentence."""
    title, sentence = text.split("\n\n")[:2]
    return title.removeprefix("# "), " ".join(sentence.split())


def known(topic: str) -> str:
    """The chapter that is meant; raises InvalidArgument if there is none."""
    if topic.lower() in CHAPTERS:
        return topic.lower()
    import difflib

    near = difflib.get_close_matches(topic.lower(), CHAPTERS, 1, 0.7)
    meant = f"; did you mean {near[0]}?" if near else "."
    raise InvalidArgument(
        f"there is no chapter {topic!r:.40}{meant} There are {', '.join(CHAPTERS)}. What a command takes, "
        "its own --help says"
    )


# -- on a terminal -----------------------------------------------------------------------------------------


def rendered(text: str, width: int, *, plain: bool) -> str:
    """A chapter for people: headings bold, code indented, paragraphs and rows of tables broken at ``width``."""
    shown = []
    for number, part in enumerate(re.split(r"^```.*\n", text, flags=re.MULTILINE)):
        if number % 2:
            shown.append(textwrap.indent(part, "    "))
        else:
            prose = "\n".join(_laid_out(block, width) for block in re.split(r"\n(?=\n|- |\|)", part.rstrip("\n")))
            shown.append(_STRONG.sub(r"\1" if plain else lambda found: bold(found[1]), prose) + "\n\n")
    return "".join(shown).rstrip() + "\n"


def _laid_out(block: str, width: int) -> str:
    """A heading, a paragraph, an item of a list or a row of a table, after the empty lines before it."""
    said = block.lstrip("\n")
    empty = "\n" * (len(block) - len(said))
    if said.startswith("#"):
        return f"{empty}**{said.lstrip('# ')}**"
    indent = "    " if said.startswith("|") else "  " if said.startswith("- ") else ""
    words = " ".join(_LINK.sub(_reference, said).split())
    return empty + textwrap.fill(words, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _reference(link: re.Match[str]) -> str:
    """A link in words: those between chapters as what prints the other one."""
    topic = link[2].partition("#")[0].removesuffix(".md")
    return f"{link[1]} (help {topic})" if topic in CHAPTERS else link[1]


def bold(text: str) -> str:
    """By overstriking, which pagers show as bold, and which no terminal shows if it passes through unread."""
    return re.sub("(.)", "\\1\b\\1", text)
