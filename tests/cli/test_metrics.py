"""``metrics``: what Prometheus' own tool says of it, and a file that is whole at any moment."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..support import ROOT
from ..test_exposition import read
from .conftest import Cli

pytestmark = pytest.mark.beside


@pytest.fixture
def worked(db: Path) -> Path:
    with LiteQueue(db) as app:

        @app.task(name="add")
        def add(x: int) -> int:
            return x

        add.delay_many([(1,), (2,)])
        app.run_worker(burst=True)
    return db


def test_promtool_has_nothing_to_say(worked: Path, cli: Cli) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("Debian's package prometheus, which has promtool, is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=cli("metrics", worked).out, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), done


def test_the_rules_of_the_guide_are_rules(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("Debian's package prometheus, which has promtool, is not installed")
    (text,) = re.findall(r"^```\n(groups:.*?)```", (ROOT / "litequeue/guide/watching.md").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "rules.yml").write_text(text)
    done = subprocess.run(["promtool", "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "5 rules found" in done.stdout, done


def test_openmetrics_is_asked_for(worked: Path, cli: Cli) -> None:
    assert cli("metrics", worked, "--openmetrics").out.endswith("\n# EOF\n")


def test_a_file_for_node_exporter_is_whole_and_readable(worked: Path, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "queue.prom"
    assert cli("metrics", worked, "--textfile", path) == (0, "", "")
    assert read(path.read_text())["litequeue_jobs_enqueued_total"] == {(): 2}
    assert path.stat().st_mode & 0o777 == 0o644 and [each.name for each in tmp_path.iterdir() if each.name.startswith(".litequeue")] == []
    code, out, err = cli("metrics", worked, "--textfile", tmp_path / "no" / "queue.prom")
    assert (code, out, err.count("\n")) == (4, "", 1)
