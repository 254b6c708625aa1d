"""Sizes as people write them."""

from __future__ import annotations

import pytest

from litequeue import InvalidArgument
from litequeue.base import sizes


@pytest.mark.parametrize(
    ("text", "size", "shown"),
    [
        ("512M", 512 << 20, "512M"), ("2g", 2 << 30, "2G"), (" 1.5G ", 3 << 29, "1.5G"), ("64k", 64 << 10, "64K"), ("1T", 1 << 40, "1T"),
        ("1048576", 1 << 20, "1M"), ("1000M", 1000 << 20, "1000M"), ("0.001K", 1, "1"), ("0", 0, "0"),
    ],
)  # fmt: skip
def test_a_size_is_read_and_said(text: str, size: int, shown: str) -> None:
    assert sizes.parse(text) == size
    assert sizes.render(size) == shown
    assert sizes.parse(shown) == size


@pytest.mark.parametrize("text", ["", "M", "512MB", "512MiB", "512 M", "-1M", "1e3M", "1,5G", "½G", "5M5", "9" * 99, "inf", "0x10M"])
def test_what_is_no_size_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"is no size: write a number and K, M, G or T, .* such as '512M'"):
        sizes.parse(text)
