"""The terminal that is drawn on: its modes, its size, its keys, and the signals that come meanwhile.

Owns that a terminal is left as it was found, whatever ends the program: at the end of the block, at SIGTERM, SIGHUP and Ctrl-C, and while it is suspended (Ctrl-Z), also
where it was stopped by somebody who asked nobody (SIGSTOP). Only lines that differ are sent, in one write, between the marks by which a terminal shows them at
once. ANSI sequences alone, since curses is not everywhere; and the other screen, so that what stood there before stands there again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Final

from ...base.errors import InvalidArgument
from .keyboard import decode

ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # the other screen, no cursor, no going on in the next line
LEAVE: Final = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
BEGIN: Final = "\x1b[?2026h"  # shown at once, by terminals that know it
END: Final = "\x1b[?2026l"
ESCAPE: Final = 0.05  # seconds in which the rest of a key's sequence comes
GONE: Final = (errno.EIO, errno.EPIPE, errno.ENXIO, errno.EBADF)


class Gone(Exception):
    """There is no terminal any more, or somebody has asked to end."""


def is_there() -> bool:
    """Whether standard input and output are a terminal that takes sequences."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Terminal:
    """Of this process, within a block."""

    def __init__(self, reads: int | None = None, writes: int | None = None) -> None:
        """``reads`` and ``writes``: descriptors, of standard input and output if not others. Raises InvalidArgument on a system whose terminals have no modes that can be set."""
        try:
            import termios
        except ImportError:  # pragma: no cover - Windows
            raise InvalidArgument("top draws on a POSIX terminal, which there is none of on this system; --once prints the same one time, and litequeue web DB shows it in a browser") from None
        self._termios: Any = termios
        self._input = sys.stdin.fileno() if reads is None else reads
        self._output = sys.stdout.fileno() if writes is None else writes
        self._before: list[Any] | None = None
        self._drawn: list[str] = []
        self._size = (0, 0)
        self._data = b""
        self._is_on = False
        self._ended = False
        self._stopped = False
        self._continued = False
        self._reader, self._writer = -1, -1

    # -- within a block -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def taken(self) -> Iterator[Terminal]:
        self._before = self._termios.tcgetattr(self._input)
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        old_writer = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        old = {number: signal.signal(number, self._note) for number in self._numbers()}
        try:
            self._on()
            yield self
        finally:
            self._off()
            for number, handler in old.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_writer)
            os.close(self._reader)
            os.close(self._writer)

    @staticmethod
    def _numbers() -> list[signal.Signals]:
        """But those that are ignored, as HUP is under nohup, and TSTP where nobody could continue it."""
        names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGTSTP", "SIGCONT", "SIGWINCH")
        found = [getattr(signal, name) for name in names if hasattr(signal, name)]
        return [number for number in found if number in (signal.SIGCONT, signal.SIGWINCH) or signal.getsignal(number) is not signal.SIG_IGN]

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Nothing is done in a handler, which may come in the midst of a write."""
        if number == signal.SIGTSTP:
            self._stopped = True
        elif number == signal.SIGCONT:
            self._continued = True
        elif number != signal.SIGWINCH:
            self._ended = True

    def _on(self) -> None:
        termios = self._termios
        assert self._before is not None
        modes = termios.tcgetattr(self._input)
        modes[0] &= ~(termios.IXON | termios.ICRNL)
        modes[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)  # ISIG stays: Ctrl-C and Ctrl-Z are signals
        modes[6] = [*modes[6]]
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._input, termios.TCSADRAIN, modes)
        self._is_on = True
        self._drawn, self._size = [], (0, 0)
        self._write(ENTER)

    def _off(self) -> None:
        if not self._is_on:
            return
        self._is_on = False
        with contextlib.suppress(Gone):
            self._write(LEAVE)
        with contextlib.suppress(self._termios.error, OSError):  # it is gone
            self._termios.tcsetattr(self._input, self._termios.TCSADRAIN, self._before)

    # -- drawing ------------------------------------------------------------------------------------------

    def size(self) -> tuple[int, int]:
        """Columns and rows, as they are now."""
        try:
            columns, rows = os.get_terminal_size(self._output)
        except OSError:
            raise Gone from None
        return columns or 80, rows or 24

    def forget(self) -> None:
        """Draw all of it the next time: something else has written there."""
        self._drawn = []

    def draw(self, lines: Sequence[str], size: tuple[int, int]) -> None:
        """What differs from what is there. ``lines``: no longer than there is room, with their own sequences."""
        parts: list[str] = []
        if size != self._size or not self._drawn:
            parts.append("\x1b[0m\x1b[2J")
            self._drawn, self._size = [""] * len(lines), size
        for number, (line, before) in enumerate(zip(lines, self._drawn, strict=True), 1):
            if line != before:
                parts.append(f"\x1b[{number};1H\x1b[2K{line}")
        if parts:
            self._drawn = list(lines)
            self._write(f"{BEGIN}{''.join(parts)}{END}")

    def _write(self, text: str) -> None:
        encoding = sys.stdout.encoding or "ascii"
        data = text.encode(encoding, "replace")
        while data:
            try:
                data = data[os.write(self._output, data) :]
            except BlockingIOError:
                select.select([], [self._output], [], 1.0)
            except OSError as error:
                if error.errno in GONE:
                    raise Gone from None
                raise

    # -- keys ---------------------------------------------------------------------------------------------

    def forget_keys(self) -> None:
        """Those that were pressed so far."""
        self._data = b""
        with contextlib.suppress(self._termios.error):
            self._termios.tcflush(self._input, self._termios.TCIFLUSH)

    def keys(self, seconds: float) -> list[str]:
        """Those that were pressed; none after so long. Raises Gone."""
        before = self._data
        found = self._waited(seconds)
        if before and self._data == before:  # the beginning of a sequence of which nothing more came, or the key Escape
            found, self._data = decode(before, is_all=True)
        return found

    def _waited(self, seconds: float) -> list[str]:
        self._heed()
        ready, _, _ = select.select([self._input, self._reader], [], [], ESCAPE if self._data else max(seconds, 0.0))
        if self._reader in ready:
            os.read(self._reader, 512)
        self._heed()
        if self._input not in ready or not select.select([self._input], [], [], 0)[0]:
            return []
        try:
            data = os.read(self._input, 1024)
        except OSError as error:
            if error.errno in GONE:
                raise Gone from None
            raise
        if not data:
            raise Gone
        keys, self._data = decode(self._data + data)
        return keys

    def _heed(self) -> None:
        """Do what signals have asked for."""
        if self._ended:
            raise Gone
        if self._stopped:
            self._stopped = False
            self._suspend()
        elif self._continued:
            self._continued = False
            self._off_screen()
            self._on()

    def _suspend(self) -> None:
        """As anybody who knows nothing of terminals: stopped by this signal, on the screen of the shell."""
        self._off()
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            os.kill(os.getpid(), signal.SIGTSTP)  # here it stops
        finally:
            signal.signal(signal.SIGTSTP, handler)
        self._continued = False
        self._wait_for_foreground()
        if self._ended:
            raise Gone
        self._on()

    def _wait_for_foreground(self) -> None:
        """Where it was continued by ``bg`` the terminal is the shell's."""
        while not self._ended:
            try:
                if os.tcgetpgrp(self._input) == os.getpgrp():
                    return
            except OSError:
                raise Gone from None
            select.select([self._reader], [], [], 0.2)

    def _off_screen(self) -> None:
        """Before modes are set anew: a shell that was there meanwhile has set its own."""
        self._wait_for_foreground()
        if self._ended:
            raise Gone
