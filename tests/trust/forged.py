"""SQLite's logs, written by hand: what somebody can put beside a database that he cannot even read.

Owns the two formats (sqlite.org/fileformat2.html). Each log holds all pages of another database, so that whoever opens the
one beside which it lies has that other one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

SECTOR = 512


def _pages(database: bytes) -> tuple[int, list[bytes]]:
    (size,) = struct.unpack(">H", database[16:18])
    return size, [database[at : at + size] for at in range(0, len(database), size)]


def journal(database: bytes) -> bytes:
    """A hot rollback journal: what the file was before a transaction that did not end."""
    size, pages = _pages(database)
    nonce = 1
    head = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + struct.pack(">5I", len(pages), nonce, len(pages), SECTOR, size)
    records = b"".join(
        struct.pack(">I", number) + page + struct.pack(">I", (nonce + sum(page[at] for at in range(size - 200, 0, -200))) & 0xFFFFFFFF)
        for number, page in enumerate(pages, 1)
    )
    return head.ljust(SECTOR, b"\0") + records


def wal(database: bytes) -> bytes:
    """A write-ahead log with one transaction that is committed."""
    size, pages = _pages(database)
    salts = b"litequeu"
    head = struct.pack(">4I", 0x377F0682, 3007000, size, 0) + salts
    sums = _sums(head, (0, 0))
    parts = [head + struct.pack(">2I", *sums)]
    for number, page in enumerate(pages, 1):
        frame = struct.pack(">2I", number, len(pages) if number == len(pages) else 0)
        sums = _sums(frame + page, sums)
        parts.append(frame + salts + struct.pack(">2I", *sums) + page)
    return b"".join(parts)


def _sums(data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    one, two = sums
    for first, second in _words(data):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _words(data: bytes) -> Iterator[tuple[int, int]]:
    return struct.iter_unpack("<2I", data)  # type: ignore[return-value]
