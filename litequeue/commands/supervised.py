"""One command under its supervisor, seen from an event loop.

Owns the pipes and the supervisor's process: starts it, hands over the command and the text for its input,
reads what comes, passes on the order to stop. What an ending means is ``attempt``'s to say; how a command is
stopped, ``supervisor``'s. Needs no thread; never blocks the loop but for the start of a process (1 to 2 ms).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from . import supervisor

READ: Final = 64 << 10  # what a pipe holds


class Supervised:
    """Made in a running loop; ``close`` it in any case: what still runs then is killed."""

    def __init__(self, on_output: Callable[[str, bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_output = on_output
        self._ends: set[int] = set()  # descriptors that are ours to close
        self._orders = -1
        self._unsent: dict[int, bytearray] = {}
        self._report = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._outputs = 0
        self.gone = self._loop.create_future()  # the supervisor has ended
        self.silent = self._loop.create_future()  # both outputs have ended

    # -- starting ----------------------------------------------------------------------------------

    def start(self, fields: Sequence[bytes], text: bytes | None) -> None:
        """Start the supervisor with a command, as its ``start`` wants it. Raises OSError: there are too many
        processes or descriptors."""
        with contextlib.ExitStack() as theirs:
            orders, self._orders = self._pipe(theirs, writing=True)
            report, said = self._pipe(theirs)
            outputs = [self._pipe(theirs) for _ in range(2)]
            taken, given = self._pipe(theirs, writing=True) if text is not None else (subprocess.DEVNULL, -1)
            words = [sys.executable, "-I", "-S", supervisor.__file__, str(orders), str(said), str(os.getpid())]
            # A signal to everybody must not end it before it is ready; it unblocks them itself.
            old = signal.pthread_sigmask(signal.SIG_BLOCK, supervisor.STOPPING)
            try:
                self._process = subprocess.Popen(
                    words, stdin=taken, stdout=outputs[0][1], stderr=outputs[1][1],
                    pass_fds=(orders, said), start_new_session=True,
                )  # fmt: skip
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, old)
        self._loop.add_reader(report, self._read_report, report)
        for name, (end, _) in zip(("stdout", "stderr"), outputs, strict=True):
            self._outputs += 1
            self._loop.add_reader(end, self._read_output, name, end)
        body = b"\0".join(fields)
        self._send(self._orders, b"%d\n%b" % (len(body), body))
        if text is not None:
            self._send(given, text, last=True)

    def _pipe(self, theirs: contextlib.ExitStack, *, writing: bool = False) -> tuple[int, int]:
        """(end to read, end to write). Ours does not block; theirs is closed when they have it."""
        ends = os.pipe()
        ours, other = (ends[1], ends[0]) if writing else ends
        self._ends.add(ours)
        theirs.callback(os.close, other)
        os.set_blocking(ours, False)
        return ends

    # -- writing -----------------------------------------------------------------------------------

    def stop(self, grace: float) -> None:
        """SIGTERM to the command and what it started, SIGKILL after ``grace`` seconds; or sooner by ``kill``."""
        self._send(self._orders, b"term %.3f\n" % grace)

    def kill(self) -> None:
        self._send(self._orders, b"kill\n")

    def _send(self, end: int, data: bytes, *, last: bool = False) -> None:
        if end in self._ends:
            self._unsent.setdefault(end, bytearray()).extend(data)
            self._write(end, last)

    def _write(self, end: int, last: bool) -> None:
        unsent = self._unsent[end]
        try:
            del unsent[: os.write(end, unsent)]
        except BlockingIOError:
            pass
        except OSError:  # nobody reads it any more
            self._close(end)
            return
        if unsent:
            self._loop.add_writer(end, self._write, end, last)
        elif last:
            self._close(end)
        else:
            self._loop.remove_writer(end)

    # -- reading -----------------------------------------------------------------------------------

    def _read_report(self, end: int) -> None:
        data = os.read(end, READ)
        self._report += data
        if not data:
            self._close(end)
            self.gone.set_result(None)

    def _read_output(self, name: str, end: int) -> None:
        data = os.read(end, READ)
        if data:
            self._on_output(name, data)
            return
        self._close(end)
        self._outputs -= 1
        if not self._outputs:
            self.silent.set_result(None)

    def reports(self) -> dict[str, Any]:
        """All that the supervisor has said."""
        said: dict[str, Any] = {}
        for line in self._report.split(b"\n")[:-1]:
            said.update(json.loads(line))
        return said

    # -- the end -----------------------------------------------------------------------------------

    async def clear_away(self) -> None:
        """The supervisor was killed: kill what it watched over."""
        assert self._process is not None
        group = self.reports().get("pid", 0)
        # Its number is not given to others before it is reaped, and it was the session's leader.
        while supervisor.signal_all(self._process.pid, group, signal.SIGKILL):
            if supervisor.live_members(self._process.pid) is None:
                break
            await asyncio.sleep(supervisor.LOOK)

    def reap(self) -> int:
        """The supervisor's exit code. Its pipes are closed, which is the last but one thing of a process."""
        assert self._process is not None
        return self._process.wait()

    def close(self) -> None:
        for end in list(self._ends):
            self._close(end)

    def _close(self, end: int) -> None:
        self._ends.discard(end)
        self._unsent.pop(end, None)
        self._loop.remove_reader(end)
        self._loop.remove_writer(end)
        os.close(end)
