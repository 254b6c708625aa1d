"""The pictures of the page in ``litequeue/guide/pictures``, made again by: ``python -m tests.pictures`` (it needs Chromium).

They show the sample records of ``tests/web/samples.py``, of which each test wants something odd, made into those of a day like another. So they are the same
each time, and tell nothing of who made them. What Chromium writes is reduced to 256 colours, which halves it and is not seen on a page that has so few.
"""

from __future__ import annotations

import dataclasses
import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from litequeue.base.records import TickInfo
from litequeue.store.pages.parts import Count, Histogram
from litequeue.store.pages.records import JobsPage, Overview, SchedulePage

from . import browser
from .support import ROOT
from .web import samples, served
from .web.every import PAGES

FOLDER: Final = ROOT / "litequeue" / "guide" / "pictures"
MOST: Final = 150_000  # bytes of each
FULL: Final = "OSError: [Errno 28] No space left on device"
EXACT: Final = 96  # colours that are kept as they are
SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class Picture(NamedTuple):
    """``height``: of what is seen of the page; None: all of it."""

    name: str
    path: str
    width: int
    height: int | None = None
    scheme: str = "light"
    scale: float = 1


PICTURES: Final = (
    Picture("overview-light", "/", 1200, scale=1.5), Picture("overview-dark", "/", 1200, scheme="dark", scale=1.5), Picture("overview-phone", "/", 390, 844, scale=2),
    Picture("jobs-light", "/jobs", 1200, scale=1.5),
    Picture("job-light", "/jobs/482071", 1200, scale=1.5), Picture("schedules-dark", "/schedules/nightly-backup", 1200, scheme="dark", scale=1.5),
)  # fmt: skip


def taken() -> Iterator[tuple[Picture, bytes]]:
    with served.serving() as site, browser.started() as tab:
        site.may_act = True
        for path, view in (("/", overview()), ("/jobs", jobs()), ("/schedules/nightly-backup", schedule())):
            site.pages[path] = (PAGES[path][0], view)
        for picture in PICTURES:
            tab.look(picture.width, picture.height or 900, picture.scheme, picture.scale)
            tab.go(site.address + picture.path)
            tab.wait("document.fonts.status === 'loaded'")
            yield picture, reduced(tab.screenshot(whole=picture.height is None))


# -- a day like another ----------------------------------------------------------------------------------


def overview() -> Overview:
    workers = tuple(dataclasses.replace(row, info=dataclasses.replace(row.info, slots={"thread": 8}, stuck={})) for row in samples.workers())
    queues = tuple(dataclasses.replace(row, waiting=Count(0)) if row.name == "reports" else row for row in samples.queues())
    paused = samples.overview().actions[0]._replace(who="127.0.0.1 (web)")
    return dataclasses.replace(samples.overview(), workers=workers, queues=queues, actions=(paused,))


def jobs() -> JobsPage:
    view = samples.jobs_page()
    took = (28.0, 28.0, 30.0, 1.2, 0.4, 41.0, 724.0)
    rows = tuple(
        dataclasses.replace(row, finished_at=samples.before(120 + 177 * number**1.5), started_at=samples.before(120 + 177 * number**1.5 + seconds))
        for number, (row, seconds) in enumerate(zip((row for row in view.rows if row.state == "discarded"), took, strict=True))
    )
    more = tuple(dataclasses.replace(rows[0], id=455_871 - 1300 * n, started_at=samples.before(5200 + 2400 * n), finished_at=samples.before(5170 + 2400 * n)) for n in range(3))
    tabs = tuple((state, Count(3412) if state == "available" else count) for state, count in view.tabs)
    return dataclasses.replace(view, rows=(*rows, *more), tabs=tabs)


def schedule() -> SchedulePage:
    view = samples.schedule_page()
    last = samples.NOW.replace(hour=1, minute=30, second=0)  # 02:30 in Berlin
    ticks = samples.ticks("f" * 38 + "l" + "f" * 9 + "m" + "f" * 6 + "b" + "ffff", 86_400)
    row = dataclasses.replace(
        view.row, ticks=tuple(_tick(tick, last - timedelta(days=len(ticks) - 1 - number), number) for number, tick in enumerate(ticks)),
        info=dataclasses.replace(view.row.info, task="backup.run", ticks=412, next_tick=last + timedelta(days=1), last_tick=last),
    )  # fmt: skip
    return dataclasses.replace(view, row=row, next_ticks=tuple(last + timedelta(days=number) for number in range(1, 6)), run_times=Histogram((*[0] * 9, 5, 53, *[0] * 4), None, 60 * 86_400))


def _tick(tick: TickInfo, at: datetime, number: int) -> TickInfo:
    took = timedelta(seconds=34 + 9 * math.sin(number) + number / 3)
    has_run = tick.started_at is not None
    return dataclasses.replace(tick, at=at, decided_at=at, started_at=at if has_run else None, finished_at=at + took if has_run else None, error=tick.error and FULL)


# -- PNG: https://www.w3.org/TR/png-3/ -------------------------------------------------------------------


def reduced(png: bytes) -> bytes:
    """With a palette of 256 colours; the others become the nearest of these."""
    width, height, pixels = decoded(png)
    palette, nearest = _palette(Counter(pixels))
    indexes = bytes(map(nearest.__getitem__, pixels))
    rows = b"".join(b"\0" + indexes[start : start + width] for start in range(0, width * height, width))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"PLTE", b"".join(palette)) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def _palette(counts: Mapping[bytes, int]) -> tuple[list[bytes], dict[bytes, int]]:
    """Those that there is most of, and then one after the other what is farthest from all that are in it: a small green dot has to stay green. And the place
    of the nearest for each colour that there is."""
    ordered = sorted(counts, key=lambda colour: (-counts[colour], colour))
    palette: list[bytes] = []
    nearest = dict.fromkeys(ordered, 0)
    distance = dict.fromkeys(ordered, math.inf)
    while len(palette) < min(256, len(ordered)):
        new = ordered[len(palette)] if len(palette) < EXACT else max(ordered, key=lambda colour: distance[colour] * math.log2(1 + counts[colour]))
        red, green, blue = new
        for colour in ordered:
            far = (colour[0] - red) ** 2 + (colour[1] - green) ** 2 + (colour[2] - blue) ** 2
            if far < distance[colour]:
                distance[colour], nearest[colour] = far, len(palette)
        palette.append(new)
    return palette, nearest


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def decoded(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height, and the colour of each pixel, of what Chromium writes: 8 bits each of red, green and blue, with alpha or without."""
    chunks, at = [], len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += length + 12
    width, height, depth, kind, *_ = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    assert depth == 8 and kind in (2, 6)
    size = 3 if kind == 2 else 4
    data = zlib.decompress(b"".join(each for name, each in chunks if name == b"IDAT"))
    line, pixels = bytearray(width * size), []
    for start in range(0, len(data), width * size + 1):
        line = _unfiltered(data[start], data[start + 1 : start + 1 + width * size], line, size)
        pixels += [bytes(line[place : place + 3]) for place in range(0, len(line), size)]
    return width, height, pixels


def _unfiltered(kind: int, line: bytes, above: bytearray, size: int) -> bytearray:
    found = bytearray(line)
    for place in range(len(found) if kind else 0):
        left, up, corner = (found[place - size], above[place], above[place - size]) if place >= size else (0, above[place], 0)
        found[place] = found[place] + (left, up, (left + up) // 2, _paeth(left, up, corner))[kind - 1] & 255
    return found


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    for picture, png in taken():
        assert len(png) < MOST, f"{picture.name} has {len(png):,} bytes"
        (folder / f"{picture.name}.png").write_bytes(png)
        print(f"{picture.name}: {len(png):,} bytes")


if __name__ == "__main__":
    main()
