"""``demo`` and ``bench``. What they put into the temporary directory has no name that somebody can guess."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from litequeue.cli.bench import rig

from .world import OTHER, OWNER, World, as_user

pytestmark = pytest.mark.beside


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="the folder's name is made of the process's number, and it is used if it is there")
def test_bytecode_that_was_put_where_it_is_looked_for_is_not_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp = world.folder("tmp", uid=0, mode=0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp))

    def prefix() -> tuple[str, int, int]:
        """Of a process whose number the other user has seen."""
        os.seteuid(OTHER)
        (tmp / f"litequeue-bench-pycache-{os.getpid()}").mkdir()
        os.seteuid(0)
        os.setresuid(OWNER, OWNER, OWNER)
        path = rig.environment()["PYTHONPYCACHEPREFIX"]
        found = os.stat(path)
        return path, found.st_uid, stat.S_IMODE(found.st_mode)

    path, owner, mode = as_user(0, prefix)
    assert (owner, mode) == (OWNER, 0o700)
    assert not {str(number) for number in (os.getpid(), os.getppid())} & set(Path(path).name.split("-"))
