"""Every address on a real file: it answers, finds what is there, says what is not, and leaves the file as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, chain, group
from litequeue.web.embedded import EmbeddedWeb
from litequeue.web.routes import ROUTES
from litequeue.web.routing import Found, Route, resolve

from ..older import rows
from .conftest import Browser

pytestmark = pytest.mark.beside

@pytest.fixture
def lively(app: LiteQueue) -> LiteQueue:
    """A little of everything that pages show."""

    @app.task(name="shop.pay", retries=1, backoff=0, secret=["card"])
    def pay(amount: int, card: str = "") -> int:
        if amount < 0:
            raise ValueError(f"no such amount: {amount} of {card}")
        print("paid", amount)
        return amount

    for amount in (1, 2, -1, -2):
        pay.delay(amount, card="4111-1111")
    chain(pay.s(5), group(pay.si(6), pay.si(-7, card="4111-1111")), pay.si(8)).delay()
    app.run_worker(burst=True)
    pay.apply_async(args=(1,), queue="site:a.b-c", countdown=60)
    pay.apply_async(args=(3,), queue="mail", tags=["import"])
    app.pause("mail")
    app.schedules.add("nightly", "shop.pay", args=(1,), every="1h")
    app.schedules.add("in.berlin", "shop.pay", args=(1,), cron="0 3 * * *", timezone="Europe/Berlin")
    app.schedules.run_now("nightly")
    return app


@pytest.fixture
def served(lively: LiteQueue) -> Iterator[EmbeddedWeb]:
    with EmbeddedWeb(lively._client, {"port": 0}) as web:
        yield web


@pytest.fixture
def browser(served: EmbeddedWeb) -> Browser:
    return Browser(served.port).login(served)


PAGES: dict[str, str] = {
    "/": "shop.pay", "/?range=24h": "shop.pay", "/?range=30d": "shop.pay", "/jobs": "#1", "/jobs?q=state:discarded": "ValueError", "/jobs?q=tag:import": "import",
    "/jobs/1": "shop.pay", "/jobs/3": "no such amount: -1", "/jobs/1/args.txt": "***", "/jobs/1/result.txt": "1", "/jobs/1/log.txt": "paid 1", "/failures": "no such amount",
    "/failures?range=30d": "no such amount", "/queues": "mail", "/queues/mail": "paused", "/queues/site:a.b-c": "site:a.b-c",
    "/tasks": "shop.pay", "/tasks/shop.pay": "shop.pay", "/workers": "Workers", "/workers/1": "Workers", "/schedules": "nightly", "/schedules/nightly": "every",
    "/schedules/in.berlin": "Berlin", "/flows": "shop.pay", "/flows/1": "shop.pay", "/doctor": "SQLite", "/metrics": "litequeue_jobs_enqueued_total",
}  # fmt: skip


def is_found(route: Route, path: str) -> bool:
    return isinstance(resolve((route,), "GET", path.partition("?")[0], may_act=False), Found)


def test_each_address_answers_and_shows_what_there_is(browser: Browser) -> None:
    for path, text in PAGES.items():
        got = browser.ask(path)
        assert got.status == 200 and text in got.text, (path, got.status, got.text[:500])
        assert "4111" not in got.text, f"{path} shows a secret"
        kind = "text/plain" if path.endswith(".txt") or path == "/metrics" else "text/html"
        assert got.headers["content-type"].startswith(kind) and got.headers["x-content-type-options"] == "nosniff"
    asked = {route.pattern for route in ROUTES for path in PAGES if route.method == "GET" and is_found(route, path)}
    assert asked == {route.pattern for route in ROUTES if route.method == "GET"}


def test_what_is_not_there_is_said(browser: Browser) -> None:
    for path in ("/jobs/999", "/queues/nowhere", "/tasks/no.such", "/workers/77", "/schedules/never", "/flows/55", "/jobs/1/other.txt", "/jobs/x", "/nothing"):
        got = browser.ask(path)
        assert got.status == 404 and "<html" in got.text, path
    got = browser.ask("/jobs?q=stat:x")
    assert got.status == 400 and "state, queue, task" in got.text
    assert browser.ask("/jobs?q=17").headers["location"] == "./jobs/17"
    assert browser.ask("/?range=forever").status == 200


def test_each_link_of_a_page_leads_somewhere(browser: Browser) -> None:
    import re
    from html import unescape
    from urllib.parse import urljoin

    seen: set[str] = set()
    todo = ["/"]
    while todo:
        path = todo.pop()
        if path in seen or len(seen) > 400:
            continue
        seen.add(path)
        got = browser.ask(path)
        assert got.status in (200, 303), (path, got.status)
        if got.headers["content-type"].startswith("text/html"):
            for found in re.findall(r'(?:href|action|src)="([^"#]*)', got.text):
                target = urljoin(f"http://here{path}", unescape(found))
                assert target.startswith("http://here/"), (path, found)
                todo.append(target.removeprefix("http://here"))
    assert len(seen) > 60


def test_no_get_changes_the_file(browser: Browser, lively: LiteQueue, db: Path) -> None:
    def content() -> dict[str, Any]:
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in db.parent.iterdir() if path.is_file() and not path.name.endswith("-shm")}

    browser.ask("/")
    before = content()
    for path in PAGES:
        browser.ask(path)
        browser.ask(path, "HEAD")
    for path in ("/jobs/act?op=retry&id=3", "/queues/mail/resume", "/schedules/nightly/run"):
        assert browser.ask(path).status in (404, 405)
    assert content() == before


def test_hostile_rows_are_shown_as_text(browser: Browser, db: Path) -> None:
    evil = "<img src=x onerror=alert(1)>\"'\u202e\x00"
    rows(db, "UPDATE litequeue_jobs SET task = ?, last_error = ?, queue = ?, tags = ?, headers = ?, args = ?, result = ?", *(evil,) * 7)
    rows(db, "UPDATE litequeue_attempts SET error_type = ?, error_message = ?, traceback = ?", *(evil,) * 3)
    rows(db, "UPDATE litequeue_output SET text = ?", evil)
    rows(db, "UPDATE litequeue_workers SET name = ?, host = ?, unknown_tasks = ?, slots = ?, queues = ?", *(evil,) * 5)
    rows(db, "UPDATE litequeue_schedules SET task = ?, args = ?, trigger = ?, module = ? WHERE name = 'nightly'", *(evil,) * 4)
    rows(db, "UPDATE litequeue_tasks SET module = ?, directory = ?, options = ?", *(evil,) * 3)
    rows(db, "INSERT INTO litequeue_actions (at, who, what, target, count) VALUES (1790000000000000, ?, ?, ?, 1)", *(evil,) * 3)
    rows(db, "UPDATE OR REPLACE litequeue_metrics SET task = ?, queue = ?", *(evil,) * 2)
    for path in PAGES:
        got = browser.ask(path)
        assert got.status in (200, 404), (path, got.status, got.text[:300])
        if got.headers["content-type"].startswith("text/html"):
            assert "<img src=x" not in got.text and "\u202e" not in got.text, path
