"""Keys: made once, for their owner alone, and used from nowhere where others could have put them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from litequeue import CannotOpen, LiteQueue
from litequeue.payload.signing import Keys, make

pytestmark = pytest.mark.beside


def keys(*paths: Path) -> Keys:
    found = Keys()
    found.name(paths)
    return found


def test_a_key_is_made_for_its_owner_alone_and_never_over_anything(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        assert make(str(path)) == str(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert len(text) == 65 and int(text, 16)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for taken in (path, tmp_path / "link"):
        with pytest.raises(CannotOpen, match=r"is there already, and was not changed: give a new key another name, and say app.sign_with\(NEW, OLD\)"):
            make(str(taken))
    assert path.read_text() == text and not (tmp_path / "elsewhere").exists()
    assert make(str(tmp_path / "other")) and (tmp_path / "other").read_text() != text


def test_a_key_is_not_made_where_others_could_exchange_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(CannotOpen, match=rf"no key is made in {tmp_path}, since .*chmod"):
        make(str(tmp_path / "key"))
    with pytest.raises(CannotOpen, match="no key can be made there: No such file"):
        make(str(tmp_path / "no" / "key"))
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("trust", ["owner", "anyone"])
def test_a_key_that_others_could_read_write_or_exchange_is_not_used_whoever_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust: str
) -> None:
    monkeypatch.setenv("LITEQUEUE_TRUST", trust)
    path = tmp_path / "key"
    make(str(path))
    assert keys(path).read()
    for mode in (0o640, 0o604, 0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(CannotOpen, match=rf"{path} is not used as a key, since {path} (can be read by others|can be written by others)?.*chmod"):
            keys(path).read()
    path.chmod(0o600)
    tmp_path.chmod(0o777)
    with pytest.raises(CannotOpen, match=rf"is not used as a key, since {tmp_path} .*; .*chmod go-w"):
        keys(path).read()
    tmp_path.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
        with pytest.raises(CannotOpen, match="belongs to"):
            keys(path).read()


def test_what_is_no_key_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(CannotOpen, match="there is no such key; if no program has one yet, make it with python -m litequeue signing-key"):
        keys(path).read()
    for text in (b"", b"secret", b"ab" * 31, b"\xff" * 80, b"ab" * 32 + b"\n" + b"ab" * 32):
        path.write_bytes(text)
        path.chmod(0o600)
        with pytest.raises(CannotOpen, match="holds no key, which is a line of 64 hexadecimal digits or more"):
            keys(path).read()
    path.write_bytes(b"AB" * 40)
    assert keys(path).read() == (b"AB" * 40,)
    with pytest.raises(CannotOpen, match="is no regular file|cannot be read|belongs"):
        keys(tmp_path).read()


def test_nothing_is_looked_at_before_it_is_needed(tmp_path: Path) -> None:
    app = LiteQueue(tmp_path / "db.sqlite")
    app.sign_with(tmp_path / "key", "~/no/such/key")
    app.task(codec="pickle")(test_nothing_is_looked_at_before_it_is_needed)
    assert list(tmp_path.iterdir()) == []
