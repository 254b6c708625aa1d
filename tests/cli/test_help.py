"""``help``: the guide in a pipe, on a terminal, and in the package that is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue.cli import help as guide

from ..prepared import litequeue
from ..support import PROGRAM, ROOT, environment
from .conftest import Cli

pytestmark = pytest.mark.beside

FILES = {path.stem: path.read_text() for path in (ROOT / "litequeue" / "guide").glob("*.md")}


def test_the_list_of_chapters_is_the_list_of_files(cli: Cli) -> None:
    said = cli("help")
    assert (said.code, said.err) == (0, "")
    head, *lines, _, hint = said.out.splitlines()
    assert head.split() == ["TOPIC", "CHAPTER", "ABOUT"]
    assert hint.endswith("help TOPIC")
    listed = dict(line.split(maxsplit=1) for line in lines)
    assert sorted(listed) == sorted(FILES)
    for topic, text in FILES.items():
        title, sentence = text.split("\n\n")[:2]
        assert re.fullmatch(rf"{title[2:]} +{re.escape(sentence.strip())}", listed[topic])


def test_no_line_of_the_list_is_cut_on_a_small_terminal(cli: Cli) -> None:
    assert max(map(len, cli("help").out.splitlines())) <= 80


@pytest.mark.parametrize("topic", FILES)
def test_in_a_pipe_a_chapter_is_the_text_as_it_was_written(cli: Cli, topic: str) -> None:
    assert cli("help", topic) == (0, FILES[topic], "")


def test_a_topic_may_be_given_as_its_title_is_written(cli: Cli) -> None:
    assert cli("help", "Tasks").out == FILES["tasks"]


@pytest.mark.parametrize(
    ("topic", "near"), [("taks", "tasks"), ("Schedule", "schedules"), ("guarantee", "guarantees"), ("rabbits", None), ("nothing", None), ("", None)]
)
def test_an_unknown_topic_is_one_line_that_names_all(cli: Cli, topic: str, near: str | None) -> None:
    said = cli("help", topic)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"litequeue: there is no chapter '{topic}'") and said.err.count("\n") == 1
    assert ", ".join(guide.CHAPTERS) in said.err
    assert ("did you mean" in said.err) == (near is not None)
    assert f"did you mean {near}?" in said.err or near is None


def test_a_topic_cannot_drive_the_terminal_or_leave_the_guide(cli: Cli) -> None:
    for topic in ("\x1b[2J", "../../README", "x" * 1000):
        said = cli("help", topic)
        assert said.code == 2 and said.err.count("\n") == 1 and len(said.err) < 400
        assert said.err.removesuffix("\n").isprintable()


def test_it_needs_no_database(tmp_path: Path) -> None:
    assert litequeue("help", "tasks", cwd=tmp_path).stdout == FILES["tasks"]
    assert list(tmp_path.iterdir()) == []


# -- on a terminal -----------------------------------------------------------------------------------------


def on_a_terminal(*words: str, columns: int = 80, **env: str) -> str:
    """What a terminal of so many columns is sent."""
    import pty

    ours, theirs = pty.openpty()
    given = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "MANPAGER")}
    process = subprocess.Popen(
        [*PROGRAM, "help", *words], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**given, "TERM": "xterm", "PAGER": "cat", "COLUMNS": str(columns), "LINES": "24", **env},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with open(ours, "rb", buffering=0) as terminal:
        while True:
            try:
                piece = terminal.read(65536)
            except OSError:  # the other side has been closed
                break
            if not piece:
                break
            said += piece
    assert process.wait(10) == 0
    return said.decode().replace("\r\n", "\n")


def bold(text: str) -> str:
    return "".join(f"{letter}\b{letter}" for letter in text)


def unbold(text: str) -> str:
    return re.sub(".\b", "", text)


@pytest.mark.slow
def test_on_a_terminal_headings_are_bold_and_code_is_indented() -> None:
    said = on_a_terminal("tasks")
    assert said.startswith(bold("Tasks") + "\n\nHow to write a task")
    assert f"\n\n{bold('Threads, processes or coroutines')}\n\n" in said
    assert "\n\n    # tasks.py\n    from litequeue import LiteQueue\n\n    app = LiteQueue" in said
    assert "```" not in said and "\n#" not in said and "](" not in said
    assert "\n| `name` | how jobs refer to it | `module.function` |\n" in said
    assert said.endswith("Read on: Workers (help workers), Schedules (help schedules).\n")


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("topic", FILES)
def test_every_line_that_can_be_broken_fits_the_terminal_and_no_word_is_lost(topic: str, columns: int) -> None:
    said = guide.rendered(FILES[topic], columns, plain=True)
    for line in said.splitlines():
        assert len(line) <= columns or line.startswith("    ") or len(line.split()) <= 3, line
    assert words(said) == words(FILES[topic])


def words(text: str) -> list[str]:
    """Of a text, however it is set."""
    return re.sub(r"```(python)?|\*\*|#+ |\]\([^)]+\)|\s\(help\s+\w+\)|\[", "", text).split()


def test_what_is_strong_is_bold_also_across_lines() -> None:
    text = "# A\n\nOne **two three** four.\n\n- **five six** seven\n- eight\n"
    assert unbold(guide.rendered(text, 15, plain=False)) == "A\n\nOne two\nthree four.\n\n- five six\n  seven\n- eight\n"
    assert bold("five six") in guide.rendered(text, 40, plain=False)


def test_code_is_shown_as_it_was_written() -> None:
    text = "# A\n\nSee:\n\n```python\nf(**a, **b)\n\n    # [x](tasks.md)\n```\n\nAnd so on.\n"
    shown = "A\n\nSee:\n\n    f(**a, **b)\n\n        # [x](tasks.md)\n\nAnd so on.\n"
    assert unbold(guide.rendered(text, 80, plain=False)) == shown


@pytest.mark.slow
def test_who_wants_no_colour_gets_no_bold() -> None:
    said = on_a_terminal("tasks", NO_COLOR="1")
    assert "\b" not in said and "\x1b" not in said
    assert said.startswith("Tasks\n\nHow to write a task")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sed") is None, reason="the pager of this test")
def test_the_pager_is_the_users() -> None:
    assert on_a_terminal("inside", PAGER="sed s/^/paged:/").startswith("paged:I\bI")


@pytest.mark.slow
def test_the_list_is_not_paged() -> None:
    assert on_a_terminal(PAGER="false").startswith("TOPIC ")


# -- where it is installed -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("setuptools") is None, reason="nothing to build a package with")
def test_what_is_installed_has_the_guide_and_prints_it(tmp_path: Path) -> None:
    source, made = tmp_path / "source", tmp_path / "made"
    shutil.copytree(ROOT / "litequeue", source / "litequeue", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-c", "import setuptools; setuptools.setup()", "--quiet", "build", "--build-lib", str(made)]
    subprocess.run(build, cwd=source, check=True, timeout=100, capture_output=True)
    assert {path.stem for path in (made / "litequeue" / "guide").iterdir()} == set(FILES)
    static = Path("litequeue", "web", "static")
    assert {path.name for path in (made / static).iterdir()} == {path.name for path in (ROOT / static).iterdir()} > set()
    env = {**environment(), "PYTHONPATH": str(made)}
    for topic, text in FILES.items():
        done = subprocess.run([*PROGRAM, "help", topic], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        assert done.stdout == text
