"""What makes a path trusted: each of its components, links included. With real second users: tests/trust."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from litequeue.base.trust import (
    Untrusted,
    cure,
    read,
    why_not_its_own,
    why_open_folder,
    why_untrusted,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are no modes here")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "a/b"):
        (tmp_path / name).mkdir(0o755)
    (tmp_path / "a/b/file").write_text("x")
    (tmp_path / "a/b/file").chmod(0o644)
    return tmp_path / "a/b"


def test_what_nobody_else_can_write_is_trusted_below_a_sticky_directory(folder: Path) -> None:
    folder.parent.chmod(0o1777)
    assert why_untrusted(str(folder / "file")) is None
    assert why_untrusted(str(folder)) is None
    assert read(str(folder / "file")) == b"x"


@pytest.mark.parametrize("loose", ["a", "a/b", "a/b/file"])
def test_each_component_counts(folder: Path, tmp_path: Path, loose: str) -> None:
    path = tmp_path / loose
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o002)
    why = why_untrusted(str(folder / "file"))
    assert why is not None and why.startswith(f"{path} can be written by others (mode ")
    with pytest.raises(Untrusted, match="can be written by others"):
        read(str(folder / "file"))


def test_a_sticky_directory_is_not_good_enough_for_what_lies_in_it(folder: Path) -> None:
    folder.chmod(0o1777)
    assert why_untrusted(str(folder / "file")) is not None
    assert why_untrusted(str(folder)) is not None


def test_a_link_is_judged_by_where_it_lies_and_by_where_it_leads(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir(0o755)
    link = tmp_path / "links/current"
    for target in (folder, "../a/b", "../a/./b/../b"):
        link.symlink_to(target)
        assert why_untrusted(str(link / "file")) is None
        folder.parent.chmod(0o777)
        assert str(why_untrusted(str(link / "file"))).startswith(f"{folder.parent} can be written")
        folder.parent.chmod(0o755)
        (tmp_path / "links").chmod(0o777)
        assert str(why_untrusted(str(link / "file"))).startswith(f"{tmp_path / 'links'} can be written")
        (tmp_path / "links").chmod(0o1777)  # where nobody else can rename the link
        assert why_untrusted(str(link / "file")) is None
        (tmp_path / "links").chmod(0o755)
        link.unlink()


def test_two_points_after_a_link_lead_where_the_system_goes_and_not_back(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "others/below").mkdir(parents=True)
    (tmp_path / "others/file").write_text("x")
    (folder / "link").symlink_to(tmp_path / "others/below")
    way = f"{folder}/link/../file"
    assert why_untrusted(way) is why_open_folder(way) is None
    (tmp_path / "others").chmod(0o777)
    for why in (why_untrusted(way), why_open_folder(way)):
        assert str(why).startswith(f"{tmp_path}/others can be written")
    with pytest.raises(Untrusted, match="others can be written"):
        read(way)


@pytest.mark.parametrize("way", ["points", "a link"])
def test_a_sticky_directory_that_is_come_to_from_below_is_not_good_enough_either(folder: Path, way: str) -> None:
    """As the last one it was taken for one farther up: where the log beside a database lies, others could write."""
    folder.parent.chmod(0o1777)
    (folder.parent / "file").write_text("x")
    (folder / "link").symlink_to("../file")
    path = str(folder / ("link" if way == "a link" else "../file"))
    assert str(why_untrusted(path)).startswith(f"{folder.parent} can be written")
    assert str(why_open_folder(path)).startswith(f"{folder.parent} can be written")
    assert str(why_untrusted(f"{folder}/..")).startswith(f"{folder.parent} can be written")


def test_links_that_lead_in_a_circle_are_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="links"):
        why_untrusted(str(tmp_path / "one"))


def test_what_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        why_untrusted(str(tmp_path / "nothing"))
    assert why_open_folder(str(tmp_path / "nothing")) is None, "it is to be made"
    assert why_not_its_own(str(tmp_path / "nothing")) is None


def test_a_pipe_is_read_by_nobody_and_holds_nobody_up(folder: Path) -> None:
    os.mkfifo(folder / "pipe", 0o600)
    with pytest.raises(Untrusted, match="no regular file"):
        read(str(folder / "pipe"))


def test_what_is_private_nobody_else_may_read(folder: Path) -> None:
    file = folder / "file"
    file.write_text("x")
    for mode, is_private in ((0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o610, False)):
        file.chmod(mode)
        assert read(str(file)) == b"x"
        if is_private:
            assert read(str(file), private=True) == b"x"
        else:
            with pytest.raises(Untrusted, match=rf"can be read by others \(mode {mode:o}\)"):
                read(str(file), private=True)


@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
def test_beside_a_database_lie_only_files_of_its_owners_with_one_name(folder: Path, suffix: str) -> None:
    db, beside = folder / "file", folder / f"file{suffix}"
    beside.write_text("")
    beside.chmod(0o600)
    assert why_not_its_own(str(db)) is None
    os.link(beside, folder / "other")
    assert why_not_its_own(str(db)) == f"{beside} has 2 names"
    (folder / "other").unlink()
    beside.chmod(0o666)
    assert why_not_its_own(str(db)) == f"{beside} can be written by others (mode 666)"
    db.chmod(0o666)  # SQLite gives it the same mode, and who can write the one needs not the other
    assert why_not_its_own(str(db)) is None
    beside.unlink()
    beside.symlink_to("other")
    assert why_not_its_own(str(db)) == f"{beside} is a symbolic link"


def test_a_file_of_proc_says_what_its_process_likes_and_is_trusted_with_nothing(tmp_path: Path) -> None:
    if not os.path.exists("/proc/self/cmdline"):
        pytest.skip("needs Linux")
    (tmp_path / "module.py").symlink_to("/proc/self/cmdline")
    with pytest.raises(Untrusted, match="is no file on a disk"):
        read(str(tmp_path / "module.py"))


def test_what_is_read_is_judged_by_the_link_that_its_last_part_is(folder: Path, tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    others.chmod(0o777)
    (others / "link").symlink_to(folder / "file")
    (folder / "module.py").symlink_to(others / "link")
    with pytest.raises(Untrusted, match="others can be written by others"):
        read(str(folder / "module.py"))


def test_a_database_that_is_to_be_made_where_a_link_leads_is_judged_by_that(folder: Path, tmp_path: Path) -> None:
    link = folder / "db.sqlite"
    link.symlink_to(tmp_path / "elsewhere/db.sqlite")
    (tmp_path / "elsewhere").mkdir()
    assert why_open_folder(str(link)) is None
    (tmp_path / "elsewhere").chmod(0o777)
    assert "elsewhere can be written by others" in str(why_open_folder(str(link)))
    (tmp_path / "elsewhere").chmod(0o755)
    folder.chmod(0o777)
    assert "b can be written by others" in str(why_open_folder(str(link)))


def test_what_is_advised_depends_on_what_was_found(folder: Path) -> None:
    folder.chmod(0o1777)
    assert f"mkdir -m 700 {folder}/NAME" in cure(why_open_folder(str(folder / "file"))), "of /tmp, which is to stay as it is"
    folder.chmod(0o775)
    assert cure(why_open_folder(str(folder / "file"))) == f"let nobody else write there: chmod go-w {folder}"
    folder.chmod(0o755)
    (folder / "file-wal").symlink_to("elsewhere")
    assert cure(why_not_its_own(str(folder / "file"))) == "look at it, and move it away if it is not yours"
    (folder / "module.py").symlink_to("/proc/self/cmdline")
    with pytest.raises(Untrusted) as raised:
        read(str(folder / "module.py"))
    assert cure(raised.value.args[0]) == "keep it on one"
