"""The numbers by which the store judges: how long a final job is kept, how many workers may die under one, and the
bits and moments that stand for something.

Owns nothing but these; who applies them stands beside the SQL that does.
"""

from __future__ import annotations

from typing import Final

DAY: Final = 86_400 * 1_000_000
KEEP: Final = DAY  # of jobs that were cancelled or expired
KEEP_DISCARDED: Final = 30 * DAY
MAX_INTERRUPTIONS: Final = 3
# When a job is due that waits for an event without an end: the year 9000. It is no blocked one, which other jobs, or a schedule, would let go.
FOREVER: Final = 221_845_392_000_000_000

# Bits of ``links``; between them that of who has told his dependants, which takes the place of the first.
HAS_DEPENDANTS: Final = 1
WAITS: Final = 4
