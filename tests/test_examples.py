"""Every example runs by itself, ends, and says so."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .support import ROOT, environment, litequeue

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

SAYS = {
    "hello": r"4 \+ 4 = 8\nfive more: \[0, 2, 4, 6, 8\]",
    "retries": r"'after': \['no answer \(4 retries left\)', 'no answer \(3 retries left\)'\]",
    "cpu_bound": r"@{3,}.*\n(?s:.*)s of work in",
    # One after the other they would take five seconds.
    "async_fetch": r"50 pages of 0\.1 s each in [0-4]\.\d s\nPage 7 links to \['/8'\]",
    "tk_app": r"exported 8 pages|skipped: there is no display",
    "by_sql": r"order 1 is shipped\norder 3 is shipped\n",
    "web_app": r"'state': 'succeeded', 'result': '/thumbs/cat\.png'(?s:.*)the page of all jobs shows it",
    "classic_three": r"backup_database: at 03:00 every day \(Europe/Berlin\), 31 times\n(?s:.*)monthly_report:[^\n]*, 1 times\n"
    r"    Wed 01 Apr 09:00 CEST fired, job succeeded\n(?s:.*)weekly_clean_up:[^\n]*, 5 times\n",
    "crontab_import": r"Mon 02:30 cat: succeeded, \"what stands behind a percent sign\\nis the command's input\\n\"\n"
    r"(Mon [\d:]+ every-quarter[\w-]+: succeeded, 'still there\\n'\n){4}(?s:.*)CRON_TZ=Europe/Berlin",
    "durable_order": r"order 17: delivered \['charge', 'sleep', 'wait_for:delivered:17', 'mail'\]\norder 18: refunded\n(?s:.*)refunded 80",
    "tracing": r"skipped: there is no|request  \n  enqueue default 1 \n    process default 1 \n      enqueue default 2 \n"
    r"        process default 2 ConnectionError\n        process default 2 \n1 trace\n",
    "errors": r"skipped: there is no|ConnectionError: the bank does not answer, at attempt 2 \(job 1, errors\.charge\)\n"
    r"\['checkout', 'errors\.charge', 'errors\.charge'\] 1 trace\n",
    "map_reduce": r"41 of 41 jobs done\n5,037,678 in all: \{.Bern.: 1258990, ",
    "order_pipeline": r"order: \[3, 7, (?s:.*)'discarded': 1, 'succeeded': 21",
    "busy_queue": r"flow 2: the till of Lugano is broken\n(?s:.*)mail is paused\n(?s:.*)jobs by state: \{(?=.*'available': )(?=.*'scheduled': )"
    r"(?=.*'cancelled': )(?=.*'expired': )(?=.*'succeeded': )(?=.*'discarded': ).*\}\n(?s:.*)discarded: ValueError: the till of Lugano has no figures\n",
}
GIVEN = {"busy_queue": ["--seconds", "3", "--history", "0.1"]}
LINES = {"busy_queue": 175}  # ten tasks; the others show one thing each


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, subprocess.CompletedProcess[str]]:
    """Each example's run, some side by side: they wait more than they work."""

    def run(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
        env = {**environment(), "TMPDIR": str(folder)}
        return subprocess.run(
            [sys.executable, *([] if path.stem == "errors" else ["-W", "error"]), str(path), *GIVEN.get(path.stem, [])], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    folders = [tmp_path_factory.mktemp(path.stem) for path in EXAMPLES]  # not in threads: each might make pytest's folder anew
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(EXAMPLES, pool.map(run, EXAMPLES, folders), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path: Path, runs: dict[Path, subprocess.CompletedProcess[str]]) -> None:
    assert len(path.read_text().splitlines()) <= LINES.get(path.stem, 85)
    done = runs[path]
    assert done.returncode == 0, done.stderr
    own = re.sub(r"discarded \(.*\)\n *Traceback", "", done.stderr)  # without those of the jobs that fail on purpose
    assert "Traceback" not in own and "Exception ignored" not in own, done.stderr
    assert done.stdout.endswith(f"{path.stem}: done\n")
    assert re.search(SAYS[path.stem], done.stdout), done.stdout


@pytest.mark.slow
@pytest.mark.paired
def test_the_demo_shows_what_it_says_in_time(tmp_path: Path) -> None:
    done = litequeue("demo", cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killed worker-" in done.stdout and "runs again in worker-" in done.stdout
    assert "at attempt 3, after ConnectionError" in done.stdout and "ProcessDied: died: SIGKILL" in done.stdout
    seconds = re.search(r"done in ([\d.]+) s", done.stdout)
    # On a machine of its own; of a busy one it has its share.
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert seconds and float(seconds[1]) < 10 * crowd
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.beside
def test_the_benchmark_measures_every_budget(tmp_path: Path) -> None:
    import json

    done = litequeue("bench", "--quick", "--json", "--dir", tmp_path, timeout=150)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["python"].startswith(platform.python_version()) and said["sqlite"] == sqlite3.sqlite_version
    figures = said["figures"]
    assert len(figures) == 45
    assert all(figure["value"] > 0 and isinstance(figure["met"], bool) for figure in figures)
    assert list(tmp_path.iterdir()) == []
