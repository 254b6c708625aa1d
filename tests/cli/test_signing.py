"""``signing-key``, and how jobs are shown whose tasks have a codec: by a command line that has none of their code."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue

from .conftest import Cli

pytestmark = pytest.mark.beside


def test_a_key_is_made_once(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    said = cli("signing-key", "~/key")
    assert (said.code, said.err) == (0, "") and said.out.startswith(f"{tmp_path}/key is a key now")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    for wrong, code, says in (("~/key", 4, "is there already"), ("~", 4, "is there already"), ("~/no/key", 4, "No such file"), ("", 2, "name the file")):
        said = cli("signing-key", wrong)
        assert said.code == code and says in said.err and said.err.count("\n") == 1, said
    assert cli("signing-key").code == 2


def test_what_is_pickled_is_shown_by_its_size_and_handed_on_as_it_is(cli: Cli, app: LiteQueue, db: Path, tmp_path: Path) -> None:
    cli("signing-key", tmp_path / "key")
    app.sign_with(tmp_path / "key")

    @app.task(name="t", codec="pickle")
    def t(value: Any) -> Any:
        return {value}

    @app.task(name="long", codec="json+zlib")
    def long(value: Any) -> Any:
        return value

    t.delay(b"x"), long.delay(["abc"] * 3000)
    with app.worker() as worker:
        assert worker.name
        shown = cli("enqueue", db, "t", "text", "--wait", "10")
        assert shown.code == 0 and shown.out.splitlines()[1].startswith("<pickle, "), shown
        shown = cli("enqueue", db, "long", json.dumps(["abc"] * 3000), "--wait", "10")
        assert json.loads(shown.out.splitlines()[1]) == ["abc"] * 3000
        app.job(2).wait(timeout=10)
    out = cli("job", db, 1).out
    assert "args          <pickle, 19 bytes>\n" in out and "result        <pickle, " in out
    assert '["abc","abc"' in cli("job", db, 2).out
    found = json.loads(cli("job", db, 1, "--json").out)
    assert found["args"]["$codec"][0] == "pickle" and found["kwargs"] == {}
    assert json.loads(cli("job", db, 2, "--json").out)["result"] == ["abc"] * 3000
    assert "= <pickle, " in cli("jobs", db).out
