"""``demo`` and ``bench``. What they put into the temporary directory has no name that somebody can guess."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from litequeue.cli.bench import rig

from .world import OTHER, OWNER, World, as_user, python

pytestmark = pytest.mark.beside


def test_bytecode_that_was_put_where_it_is_looked_for_is_not_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp = world.folder("tmp", uid=0, mode=0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp))

    def prefix() -> tuple[str, int, int]:
        """Of a process whose number the other user has seen."""
        rig._bytecode.cache_clear()  # another test of this process may have made one
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


def test_the_bytecode_is_gone_with_the_process_that_had_it_made(world: World) -> None:
    tmp = world.folder("tmp", uid=0, mode=0o1777)
    code = "import os; from litequeue.cli.bench.rig import environment as e; print(e() == e(), os.listdir(os.environ['TMPDIR']))"
    done = python(OWNER, code, env={"TMPDIR": str(tmp)})
    assert done.stdout.startswith("True ['litequeue-bytecode-"), done
    assert os.listdir(tmp) == []
