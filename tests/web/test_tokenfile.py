"""The file of a token."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from litequeue import CannotOpen
from litequeue.web.tokenfile import token_of

pytestmark = pytest.mark.beside


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        token, is_new = token_of(str(tmp_path / "token"))
    finally:
        os.umask(old)
    assert is_new and len(token) == 43 and stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert token_of(str(tmp_path / "token")) == (token, False)


def test_one_of_somebodys_own_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"  {'a-Token/of+my=own' * 2}\n")
    assert token_of(str(path)) == ("a-Token/of+my=own" * 2, False)


@pytest.mark.parametrize("text", [b"", b"\n", b"short", b"a" * 31, b"two lines of text\nthat are long enough", b"with spaces " * 4, "ä".encode() * 40, b"\0" * 40])
def test_what_is_no_token_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_bytes(text)
    with pytest.raises(CannotOpen, match="holds no token"):
        token_of(str(path))
    assert path.read_bytes() == text


@pytest.mark.parametrize(("mode", "why"), [(0o640, "can be read by others"), (0o604, "can be read by others"), (0o602, "can be written by others")])
def test_one_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int, why: str) -> None:
    path = tmp_path / "token"
    path.write_text("t" * 40)
    path.chmod(mode)
    with pytest.raises(CannotOpen, match=why):
        token_of(str(path))


def test_none_is_made_where_others_can_put_another_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(CannotOpen, match="can be written by others"):
        token_of(str(tmp_path / "open" / "token"))
    assert not (tmp_path / "open" / "token").exists()
    for wrong in (tmp_path / "no" / "token", tmp_path):
        with pytest.raises(CannotOpen):
            token_of(str(wrong))
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotOpen):
        token_of(str(tmp_path / "link"))
    assert not (tmp_path / "elsewhere").exists()
