"""The command line, called in this process: what the tests of a command's meaning need, without a process's start."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from litequeue.base import log
from litequeue.cli import main
from litequeue.pools.logs import Stderr


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """``python -m litequeue WORDS`` in Berlin; ``given`` is its standard input."""

    def run(*words: object, given: bytes | None = None) -> Said:
        if given is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit:  # of the parser
            code = int(exit.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(code, out, err)

    own = logging.getLogger("litequeue")
    before = own.handlers, own.propagate, own.level, logging.lastResort
    with monkeypatch.context() as there:
        there.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield run
    time.tzset()
    if own.handlers is not before[0]:  # a worker's command has set the log up for its process, and a test of lines that comes after would see none
        log.flush(5)  # its thread writes to them
        for handler in (*own.handlers, logging.lastResort):
            if isinstance(handler, Stderr):  # and not one of pytest's, which it reads afterwards
                handler.stream.close()
        own.handlers, own.propagate, level, logging.lastResort = before
        own.setLevel(level)
