"""The fixture as a project has it, in a pytest of its own; and the same without pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.testing import Kit

from ..support import ROOT, environment

pytestmark = pytest.mark.beside

SHOP = """
from litequeue import LiteQueue
app = LiteQueue("production.sqlite")
sent = []
@app.task(retries=2)
def welcome(email):
    sent.append(email)
    if "@" not in email:
        raise ValueError(email)
def sign_up(email):
    welcome.delay(email)
"""
TEST = """
import pytest
import shop
from litequeue.testing import testing

def test_sign_up(queue):
    shop.sign_up("ann@x")
    queue.assert_enqueued(shop.welcome, args=("ann@x",), within="1m")
    queue.drain()
    queue.advance(days=2)
    assert queue.failed == [] and shop.sent == ["ann@x"]

@pytest.mark.xfail(strict=True, raises=ValueError)
def test_it_fails(queue):
    shop.sign_up("nobody")
    queue.advance(days=2)

def test_the_next_one_has_nothing_of_that(queue):
    queue.refute_enqueued()
    assert queue.failed == [] and queue.app is shop.app

def test_by_hand():
    with testing(shop.app) as queue:
        assert queue.drain() == 0
"""
CONFTEST = "from litequeue.testing import queue\n"


def run(folder: Path, module: str, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    more = ("-q", "-p", "no:cacheprovider", "--rootdir", str(folder)) if module == "pytest" else ()
    words = [sys.executable, "-W", "error", "-m", module, *more]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_it_takes_the_app_that_a_fixture_gives(queue: Kit, app: LiteQueue, tmp_path: Path) -> None:
    assert queue.app is app and app.path == str(tmp_path / "queue.sqlite")


def test_neither_the_package_nor_the_kit_imports_pytest() -> None:
    code = "import sys, litequeue; assert 'litequeue.testing' not in sys.modules\nfrom litequeue.testing import testing, Kit; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.slow
def test_a_project_with_one_app_needs_one_line(tmp_path: Path) -> None:
    said = run(tmp_path, "pytest", shop=SHOP, test_shop=TEST, conftest=CONFTEST)
    assert "3 passed, 1 xfailed" in said, said
    assert not (tmp_path / "production.sqlite").exists()


@pytest.mark.slow
def test_with_several_apps_the_project_says_which(tmp_path: Path) -> None:
    two = SHOP + "other = LiteQueue('other.sqlite')\n"
    broken = "import pytest\n@pytest.fixture\ndef litequeue_app(no_such_fixture): ...\ndef test_it(queue): ...\n"
    said = run(tmp_path, "pytest", shop=two, test_shop=TEST, conftest=CONFTEST, test_broken=broken)
    assert "4 errors" in said and "fixture 'no_such_fixture' not found" in said and "production.sqlite> and <LiteQueue" in said and "fixture in conftest.py says which, def litequeue_app(): return app" in said, said
    chosen = f"import pytest, shop\n{CONFTEST}@pytest.fixture\ndef litequeue_app(): return shop.app\n"
    said = run(tmp_path, "pytest", conftest=chosen, test_broken="")
    assert "3 passed, 1 xfailed" in said, said


UNITTEST = """
import unittest
import shop
from litequeue.testing import testing

class SignUp(unittest.TestCase):
    def setUp(self):
        self.queue = self.enterContext(testing(shop.app))

    def test_sign_up(self):
        shop.sign_up("ann@x")
        self.queue.assert_enqueued(shop.welcome)
        self.queue.drain()
        self.assertEqual(shop.sent[-1], "ann@x")

    def test_a_failure(self):
        shop.sign_up("nobody")
        with self.assertRaises(ValueError):
            self.queue.advance(days=2)
        with self.assertRaises(AssertionError):
            self.queue.assert_enqueued(shop.welcome)

class Async(unittest.IsolatedAsyncioTestCase):
    async def test_sign_up(self):
        with testing(shop.app) as queue:
            await shop.welcome.adelay("bob@x")
            self.assertEqual(await queue.adrain(), 1)
"""


@pytest.mark.slow
def test_unittest_enters_it_in_its_set_up(tmp_path: Path) -> None:
    said = run(tmp_path, "unittest", shop=SHOP, test_shop=UNITTEST)
    assert "Ran 3 tests" in said and said.rstrip().endswith("OK"), said
    assert not (tmp_path / "production.sqlite").exists()
