"""One ``tasks.py`` comes to the same, by litequeue's worker and by Celery's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import worker_process

from .servers import run, shop

pytestmark = pytest.mark.slow

EXPECTED: dict[str, Any] = {
    "add": 3,
    "awaited": [7, 5],
    "by name": 5,
    "cancels": ["JobCancelled", "", ""],
    "compute": 499500,
    "discards": ["JobFailed", "Discard: it is not there", ""],
    "done": [True, True, False],
    "equal": [],
    "eta": "eta",
    "fails": ["JobFailed", "ValueError: bad luck at 2", "ValueError('bad luck at 2')"],
    "fetch": ["tasks.fetch", "x"],
    "flaky": [3, 1, [[1, "ValueError", "not at 1"], [2, "ValueError", "not at 2"]]],
    "gives_up": ["JobFailed", "KeyError: 'gone'", "KeyError('gone')"],
    "headers": {"trace": "17", "n": 2.5},
    "late": ["late", True],
    "many": [0, 2, 4, 6, 8],
    "more tries": ["JobFailed", "ValueError: bad more at 4", "ValueError('bad more at 4')"],
    "once": ["only", "only\n"],
    "says_when": 2,
    "secretive": ["JobFailed", "ValueError: ann has a wrong password: ***", "ValueError('ann has a wrong password: ***')"],
    "slow": 2,
    "snoozes": [3, 0],
    "states": {"succeeded": "succeeded", "discarded": "discarded", "cancelled": "cancelled"},
    "ticks": ["ticking Decimal('1.50')"],
    "tidy": "soft_timeout has passed",
    "too_slow": ["JobFailed", "TaskTimeout: still running after 0.4 s", ""],
    "unstorable": ["ResultNotStored", "", ""],
}


def _with_litequeue(folder: Path) -> dict[str, Any]:
    from tests.support import environment

    shop(folder)
    with worker_process(folder / "db.sqlite", "--import", "tasks", "--threads", "2", cwd=folder, wait=False):
        return _driven(folder, environment(), "tasks")


def _driven(folder: Path, env: dict[str, str], module: str) -> dict[str, Any]:
    done = run(folder, env, "drive.py", module)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module", params=["litequeue", "celery"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the tasks came to."""
    if request.param == "litequeue":
        return _with_litequeue(tmp_path_factory.mktemp("litequeue") / "shop")
    site = request.getfixturevalue("site")
    found = _driven(site.folder, site.env, "celeryapp")
    assert "hunter22" not in site.log, "what is secret is in Celery's log"
    assert not (site.folder / "db.sqlite").exists(), "the file was opened"
    return found


def test_the_same_tasks_come_to_the_same(found: dict[str, Any]) -> None:
    assert found == EXPECTED
