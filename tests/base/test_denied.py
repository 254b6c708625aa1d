"""Whose permissions are in the way, and what is advised. With real second users: tests/trust."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from litequeue.base.denied import denied

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are no modes here")


@pytest.mark.parametrize(("mode", "advice"), [(0o400, "chmod u+rw"), (0o600, None), (0o066, "chmod u+rw")])
def test_of_a_file_of_ones_own_the_mode_is_mended_if_it_is_the_mode(tmp_path: Path, mode: int, advice: str | None) -> None:
    file = tmp_path / "a b"
    file.touch()
    file.chmod(mode)
    said = denied(str(file))
    assert said.startswith(f"{file} belongs to uid {os.geteuid()} with mode {mode:o}, and you are uid {os.geteuid()}")
    assert said.endswith(f": {advice} '{file}'" if advice else f"you are uid {os.geteuid()}")


def test_what_cannot_be_seen_is_told_by_the_folder_above(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert denied(str(tmp_path / "no/file")).endswith(f": chmod u+rwx {tmp_path}")
        assert denied(str(tmp_path / "no/file")).startswith(f"the folder {tmp_path} belongs to")
    finally:
        tmp_path.chmod(0o700)
