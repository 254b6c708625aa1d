"""Whether a file that is open is root's word, as cron judges."""

from __future__ import annotations

import os

import pytest

from litequeue.base.trust import why_not_roots_word

pytestmark = [pytest.mark.beside, pytest.mark.skipif(os.name != "posix", reason="permissions are not modes")]


@pytest.mark.parametrize(
    ("uid", "mode", "links", "why"),
    [
        (0, 0o100644, 1, None),
        (os.geteuid(), 0o100600, 1, None),
        (os.geteuid() + 54321, 0o100644, 1, f"belongs to another user (uid {os.geteuid() + 54321}): give it to root"),
        (0, 0o100646, 1, "can be written by others (mode 646): chmod go-w"),
        (0, 0o100664, 1, "can be written by others (mode 664): chmod go-w"),
        (0, 0o100644, 2, "has 2 names (hard links): copy it to one of its own"),
        (0, 0o010600, 1, "is no regular file"),
    ],
)
def test_a_file_is_roots_word_if_nobody_else_decides_its_content(uid: int, mode: int, links: int, why: str | None) -> None:
    assert why_not_roots_word(os.stat_result((mode, 1, 1, links, uid, 0, 1, 0, 0, 0))) == why
