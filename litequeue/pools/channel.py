"""What a process of the pool and its worker share: pipes, and files that have no name.

Owns their making, and what each is for.
"""

from __future__ import annotations

import os
import sys
import tempfile
from multiprocessing.connection import Connection
from typing import NamedTuple

from . import live


class Channel(NamedTuple):
    """The descriptors that parent and child share, in a form that a spawn passes on."""

    tokens: Connection
    calls: Connection
    notes: Connection
    live: Connection
    stack: Connection  # where it says where it is, see ``whereabouts``
    stop: Connection  # has something to read once the worker takes on nothing more


def open_channel() -> tuple[Channel | None, int, int, int]:
    """And the ends that are the parent's alone: it writes tokens, writes to stop, and reads what is said live."""
    if sys.platform == "win32":  # pragma: no cover - descriptors cannot be passed on like this
        return None, -1, -1, -1
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    stop, stop_writer = os.pipe()
    live_reader, live_writer = live.open_pipe()
    with tempfile.TemporaryFile() as calls, tempfile.TemporaryFile() as notes, tempfile.TemporaryFile() as stack:
        channel = Channel(
            Connection(reader),
            Connection(os.dup(calls.fileno())),
            Connection(os.dup(notes.fileno())),
            Connection(live_writer),
            Connection(os.dup(stack.fileno())),
            Connection(stop),
        )
    return channel, writer, stop_writer, live_reader
