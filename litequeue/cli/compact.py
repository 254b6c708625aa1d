"""The command ``compact``: give the room back that holds nothing any more, and say how much that was.

Owns what comes before it: what is over its time is deleted, and it is said what that will need. How it is done is ``store/file/compacting``'s.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

from ..app import LiteQueue
from ..base import checks
from ..base.clock import monotonic
from ..options.kinds import LENGTH
from ..store.file import compacting
from .acts import acting
from .jobs import existing
from .printing import say
from .render import size

MOMENT: Final = 0.01  # seconds for which it deletes, and then others write for as long
LITTLE: Final = 64 << 10  # bytes for which nobody is held up


def run(arguments: argparse.Namespace) -> int:
    seconds = LENGTH.check(arguments.within, "--within") / checks.MICROS
    with existing(arguments.db) as app:
        if not arguments.dry_run:
            _delete_what_is_over(app)
        database = app._client.store.database
        before = compacting.room(database)
        said = f"{arguments.db}: {size(before.file)} and a log of {size(before.log)}; {size(before.free)} in it hold nothing"
        if before.free < LITTLE and not arguments.anyway:
            say(f"{said}: there is nothing to give back")
            return 0
        compacting.refuse_little_room(database.path, before.used)
        if arguments.dry_run:
            say(f"{said}: nothing was done; what is left to be copied, while others wait, is {size(before.used)}")
            return 0
        began = monotonic()
        is_short = compacting.compact(database, seconds)
        took, after = monotonic() - began, compacting.room(database)
        was, now = before.file + before.log, after.file + after.log
        acting(app).note("compact", f"{size(max(was - now, 0))} given back", 0)
        if is_short:
            say(f"{arguments.db}: {size(was)} with its log before, {size(now)} now; {size(max(was - now, 0))} were given back in {took:.1f} s")
        else:
            say(f"{arguments.db}: it is compact, in its log: somebody reads it, and it is cut short once a worker writes the log into it; doctor says who")
    return 0


def _delete_what_is_over(app: LiteQueue) -> None:
    """As a worker would, which may be there or not."""
    client, count = app._client, 0
    while found := client.store.operations.prune(client.clock.now(), MOMENT):
        count += found
        time.sleep(MOMENT)
    if count:
        say(f"{checks.counted(count, 'job')} whose time was over {'was' if count == 1 else 'were'} deleted first")
