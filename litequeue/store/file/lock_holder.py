"""Who holds SQLite's write lock of a file, for the error of whoever waited for it in vain.

Owns the reading of Linux's ``/proc/locks``; elsewhere nobody knows. Takes and asks for no lock: a query through a
descriptor of ours would end in closing it, which drops the locks of the whole process.
"""

from __future__ import annotations

import os
from typing import Final

# https://www.sqlite.org/walformat.html, "WAL Locks": the byte of the -shm file that stands for WAL_WRITE_LOCK.
_BYTE: Final = "120"


def holder(path: str) -> int | None:
    """The process that writes to the database now; None for nobody, or unknown."""
    try:
        found = os.stat(f"{path}-shm")
        with open("/proc/locks") as file:
            locks = [line.split() for line in file]
    except OSError:
        return None
    shm = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for _number, *words in locks:  # POSIX ADVISORY WRITE <pid> <device and inode> <first byte> <last byte>
        if len(words) == 7 and words[2] == "WRITE" and words[4] == shm and words[5] == _BYTE and int(words[3]) > 0:
            return int(words[3])
    return None
