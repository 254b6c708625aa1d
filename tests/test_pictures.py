"""The pictures of the guide are those that ``tests.pictures`` takes, and small."""

from __future__ import annotations

import struct
import zlib

import pytest

from .pictures import FOLDER, MOST, PICTURES, SIGNATURE, chunk, decoded, reduced

pytestmark = pytest.mark.beside


def test_each_picture_is_there_and_no_other() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{picture.name}.png" for picture in PICTURES}
    for picture in PICTURES:
        png = (FOLDER / f"{picture.name}.png").read_bytes()
        width, height, depth, kind = struct.unpack_from(">IIBB", png, 16)
        assert png.startswith(SIGNATURE) and len(png) < MOST and (depth, kind) == (8, 3)
        assert width == picture.width * picture.scale and height >= (picture.height or 600) * picture.scale, picture.name


def test_what_is_reduced_keeps_its_few_colours() -> None:
    """Two rows of three pixels, by two of the filters that a row may have."""
    rows = b"\x01" + bytes([10, 20, 30, 0, 0, 0, 5, 5, 5]) + b"\x02" + bytes([1, 1, 1, 0, 0, 0, 0, 0, 0])
    png = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    first = [bytes([10, 20, 30])] * 2 + [bytes([15, 25, 35])]
    assert decoded(png) == (3, 2, [*first, bytes([11, 21, 31]), *first[1:]])
    found = reduced(png)
    assert found.count(bytes([15, 25, 35])) == 1 and struct.unpack_from(">IIBB", found, 16) == (3, 2, 8, 3)
