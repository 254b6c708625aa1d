"""How commands say anything: nothing that somebody has planted drives a terminal, and what a program printed reaches a pipe."""

from __future__ import annotations

import io

import pytest

from litequeue.cli import printing

from .conftest import Terminal

pytestmark = pytest.mark.beside

EVIL = "\x1b[2J\r\nevil\x9b"


def test_what_is_said_is_one_harmless_line_and_a_complaint_says_who_complains(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say(f"a {EVIL}")
    printing.say()
    printing.complain(ValueError(EVIL))
    said = "\\x1b[2J\\r\\nevil\\x9b\n"
    assert capsys.readouterr() == (f"a {said}\n", f"litequeue: {said}")


@pytest.mark.parametrize(("text", "shown"), [(EVIL, "\\x1b[2J\\r\nevil\\x9b"), ("a\tb\nü", "a\tb\nü"), ("\udcff", "\\udcff")])
def test_what_a_program_printed_reaches_a_terminal_harmless_and_a_pipe_as_it_is(text: str, shown: str) -> None:
    terminal, pipe = Terminal(), io.StringIO(newline="")
    printing.hand_on(text, terminal)
    printing.hand_on(text, pipe)
    assert terminal.getvalue() == shown
    assert pipe.getvalue() == (text if text != "\udcff" else "\\udcff"), "which no encoding has"
