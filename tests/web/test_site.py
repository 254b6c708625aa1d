"""A request to its answer, by a browser that has logged in, one that has not, and programs."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.web import site
from litequeue.web.embedded import EmbeddedWeb
from litequeue.web.guarding import FORM_TOKEN
from litequeue.web.login import AGAIN, FIELD

from ..support import FakeClock, wait_until
from .conftest import ROUTES, Browser, hidden_of

TOKEN = "a-token-of-its-own-0123456789-abcdef"


@pytest.fixture
def with_token(app: LiteQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedWeb]:
    monkeypatch.setattr(site, "PAUSE", 0.05)
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(TOKEN)
    with EmbeddedWeb(app._client, {"port": 0, "token_file": str(tmp_path / "token"), "allow_actions": True}, routes=ROUTES) as web:
        yield web


def test_an_address_with_a_code_lets_somebody_in_once(web: EmbeddedWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "PAUSE", 0.05)
    path = web.url.partition(f":{web.port}")[2]
    browser = Browser(web.port)
    assert browser.ask(path, "HEAD").status == 401, "who only looks whether it is there uses nothing up"
    got = browser.ask(path)
    assert (got.status, got.headers["location"], got.text) == (303, "./", "")
    assert re.fullmatch(rf"litequeue_{web.port}=[\w.-]+; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict", got.headers["set-cookie"])
    assert browser.ask("/").status == 200
    assert Browser(web.port).ask(path).status == 401
    assert browser.ask(path).headers["location"] == "./", "a reload of it by who is in does no harm"


def test_without_a_session_each_address_is_the_login_page_and_says_nothing_of_the_queue(web: EmbeddedWeb, db: Path) -> None:
    for path in ("/", "/jobs/1", "/nothing", "/login", "/events", "/metrics", "/broken/x", "/queues/x/pause"):
        got = Browser(web.port).ask(path)
        assert got.status == 401 and FIELD in got.text and str(db) not in got.text and db.name not in got.text
        assert "set-cookie" not in got.headers
    for cookie in ("", "x", "litequeue_1=x", f"litequeue_{web.port}=", f"litequeue_{web.port}=a.b.c", f'litequeue_{web.port}="'):
        assert Browser(web.port).ask("/", cookie=cookie).status == 401


def test_whoever_logs_in_is_where_he_wanted_to_be(with_token: EmbeddedWeb) -> None:
    browser = Browser(with_token.port)
    page = browser.ask("/jobs/7?a=b%20c")
    assert page.status == 401 and '<form class="stack" method="post">' in page.text and "action=" not in page.text
    got = browser.ask("/jobs/7?a=b%20c", form={FIELD: f" {TOKEN}\n"})
    assert (got.status, got.headers["location"]) == (303, "./7?a=b%20c")
    assert TOKEN not in got.headers["set-cookie"] and browser.ask("/jobs/7").status == 200
    code = with_token.url.partition("code=")[2]
    assert Browser(with_token.port).ask("/", form={FIELD: code}).headers["location"] == "./"
    assert Browser(with_token.port).ask("/", form={FIELD: f" {with_token.url}\n"}).status == 303, "the whole address, as it was copied"


def test_a_wrong_token_costs_a_second_and_the_sixth_is_not_waited_for(with_token: EmbeddedWeb) -> None:
    browser = Browser(with_token.port)
    statuses = [browser.ask("/", form={FIELD: "wrong"}) for _ in range(3)] + [browser.ask("/", authorization="Bearer wrong"), browser.ask("/login?code=wrong")]
    assert [got.status for got in statuses] == [401] * 5
    late = browser.ask("/", form={FIELD: "wrong"})
    assert late.status == 429 and 50 < int(late.headers["retry-after"]) <= 60
    assert browser.ask("/", authorization=f"Bearer {TOKEN}").status == 200, "the owner gets in all the same"


@pytest.mark.slow
def test_that_second_is_one(web: EmbeddedWeb) -> None:
    import time

    began = time.monotonic()
    assert Browser(web.port).ask("/login?code=wrong").status == 401
    assert time.monotonic() - began >= 1


def test_a_program_brings_the_token_with_it(with_token: EmbeddedWeb, app: LiteQueue) -> None:
    program = Browser(with_token.port)
    got = program.ask("/", authorization=f"Bearer {TOKEN}")
    assert got.status == 200 and "set-cookie" not in got.headers
    posted = program.ask("/queues/mail/pause", form={"a": "b"}, origin="", authorization=f"Bearer {TOKEN}")
    assert posted.status == 303 and "mail" in app.stats().paused
    assert program.ask("/", authorization="Basic eDp5").status == 401


def test_what_is_posted_needs_the_token_of_its_session(browser: Browser, web: EmbeddedWeb, app: LiteQueue) -> None:
    other = Browser(web.port).login(web)
    for wrong in ({}, {FORM_TOKEN: ""}, {FORM_TOKEN: "x"}, {FORM_TOKEN: other.form_token}):
        assert browser.ask("/queues/mail/pause", form={"a": "b", **wrong}).status == 403
    assert not app.stats().paused
    got = browser.post("/queues/mail/pause", a=["1", "2"], b="")
    assert (got.status, got.headers["location"], got.text) == (303, "../mail", "a=1&a=2&b="), "the page does not see the token"
    assert "mail" in app.stats().paused


def test_a_form_from_elsewhere_changes_nothing(browser: Browser, web: EmbeddedWeb, app: LiteQueue, db: Path) -> None:
    token, before = browser.form_token, _bytes(db)
    for headers in (
        {"origin": "null"}, {"origin": f"http://127.0.0.1:{web.port + 1}"}, {"origin": "https://evil.example"}, {"origin": ""}, {"origin": "", "sec_fetch_site": "same-site"},
        {"host": f"evil.example:{web.port}", "origin": f"http://evil.example:{web.port}"}, {"content_type": "text/plain"}, {"content_type": "application/json"},
    ):  # fmt: skip
        got = browser.ask("/queues/mail/pause", form={FORM_TOKEN: token}, **headers)
        assert got.status in (403, 415, 421), headers
    assert not app.stats().paused and _bytes(db) == before


def test_without_actions_nothing_can_be_posted(app: LiteQueue, db: Path) -> None:
    with EmbeddedWeb(app._client, {"port": 0}, routes=ROUTES) as web:
        browser = Browser(web.port).login(web)
        before = _bytes(db)
        for path, allowed in (("/queues/mail/pause", ""), ("/jobs", "GET, HEAD")):
            got = browser.post(path)
            assert (got.status, got.headers["allow"]) == (405, allowed)
        assert browser.post("/nothing").status == 404
        assert not app.stats().paused and _bytes(db) == before


def test_looking_changes_no_byte(browser: Browser, db: Path, app: LiteQueue) -> None:
    app.enqueue("t")
    before = _bytes(db)
    for path in ("/", "/jobs?x=1", "/jobs/1", "/jobs/11", "/queues/mail", "/queues/mail/pause", "/nothing", "/login", "/static/app.css"):
        browser.ask(path), browser.ask(path, "HEAD")
    assert _bytes(db) == before


def _bytes(db: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in (db, Path(f"{db}-wal"))]


def test_only_three_verbs_are_answered_and_head_without_a_body(browser: Browser) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "PROPFIND"):
        got = browser.ask("/jobs/1", method)
        assert (got.status, got.headers["allow"]) == (405, "GET, HEAD, POST")
    got, head = browser.ask("/jobs/1"), browser.ask("/jobs/1", "HEAD")
    assert head.text == "" and head.status == 200
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""} and int(head.headers["content-length"]) == len(got.text)


def test_every_answer_has_the_headers_that_protect_it(browser: Browser, web: EmbeddedWeb) -> None:
    for got in (
        browser.ask("/"), browser.ask("/nothing"), browser.ask("/broken/x"), browser.ask("/jobs/", "GET"), browser.ask("/", "PUT"), browser.ask("/", host="evil"), browser.ask("/static/app.css"),
        Browser(web.port).ask("/"), browser.ask("/queues/a"), browser.ask("/queues/a/pause", form={}),
    ):  # fmt: skip
        policy = got.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "form-action 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert got.headers["x-content-type-options"] == "nosniff" and got.headers["referrer-policy"] == "same-origin"
        assert got.headers["cross-origin-opener-policy"] == got.headers["cross-origin-resource-policy"] == "same-origin"
        assert got.headers["cache-control"] == ("no-cache" if "etag" in got.headers else "no-store")
        assert got.headers["connection"] == "close" and "server" not in got.headers and "access-control-allow-origin" not in got.headers


def test_static_files_are_asked_for_anew_and_sent_where_they_changed(web: EmbeddedWeb) -> None:
    browser = Browser(web.port)
    got = browser.ask("/static/app.css")
    assert got.status == 200 and got.headers["content-type"] == "text/css; charset=utf-8" and got.text
    again = browser.ask("/static/app.css", if_none_match=f'"x", {got.headers["etag"]}')
    assert (again.status, again.text, again.headers["etag"]) == (304, "", got.headers["etag"])
    assert browser.ask("/static/app.css", if_none_match='"x"').status == 200
    assert browser.ask("/static/app.js").headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/static/", "/static", "/static/../site.py", "/static/%2e%2e/site.py", "/static/..%2fsite.py", "/static/app.css/", "/static//app.css", "//static/app.css", "/static/app.css%00", "/static/app%2ecss",
        "/static/..%5csite.py", "/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%c0%ae%c0%ae/etc/passwd", "/jobs/%0d%0aX:%201", "/./static/app.css", "//evil.example/",
    ],
)  # fmt: skip
def test_no_path_leads_anywhere_else(browser: Browser, path: str) -> None:
    got = browser.ask(path)
    assert got.status == 404 and "root:" not in got.text and "import" not in got.text and "x" not in got.headers


def test_what_a_page_raises_is_a_notice_and_a_line_of_the_log(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    got = browser.ask("/broken/x")
    assert got.status == 500 and "secret" not in got.text and "Traceback" not in got.text
    busy = browser.ask("/broken/busy")
    assert (busy.status, busy.headers["retry-after"]) == (503, "5") and "somebody writes" in busy.text
    none = browser.ask("/jobs/11")
    assert none.status == 404 and "there is no job 11" in none.text and 'href="../"' in none.text
    assert "its secret" in caplog.handler.stream.getvalue()  # type: ignore[attr-defined]


def test_no_page_can_lead_away_or_write_headers(browser: Browser) -> None:
    for how in ("away", "absolute", "split"):
        got = browser.ask(f"/broken/{how}")
        assert got.status == 500 and "location" not in got.headers and "set-cookie" not in got.headers


def test_an_address_with_a_slash_too_many_leads_to_itself_with_its_question(browser: Browser) -> None:
    got = browser.ask("/jobs/?q=a%20b")
    assert (got.status, got.headers["location"]) == (303, "../jobs?q=a%20b")
    got = browser.ask("/jobs/?q=a\\b://c")
    assert (got.status, got.headers["location"]) == (303, "../jobs?q=a\\b://c")


def test_a_query_that_is_none_is_refused(browser: Browser) -> None:
    assert browser.ask("/?q=%ff").status == 400 and browser.ask("/?" + "a&" * 2001).status == 400
    assert browser.ask("/?a=1&a=2&b=%3Cb%3E").text.startswith("/ [('a', '2'), ('b', '<b>')]")


def test_the_log_says_nothing_of_codes_and_tokens(with_token: EmbeddedWeb, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "litequeue.web")
    browser = Browser(with_token.port)
    url = with_token.url
    browser.ask(url.partition(f":{with_token.port}")[2]), browser.ask("/", form={FIELD: TOKEN}), browser.ask("/", authorization=f"Bearer {TOKEN}")
    Browser(with_token.port).ask("/login?code=wrong-one")
    said = caplog.handler.stream.getvalue()  # type: ignore[attr-defined]
    assert "GET /login: 303" in said and "gave a wrong code or token" in said
    for secret in (url.partition("code=")[2], TOKEN, "wrong-one", browser.cookie.partition("=")[2]):
        assert secret not in said


def test_a_link_of_another_page_is_followed_although_it_brings_no_cookie(browser: Browser, web: EmbeddedWeb) -> None:
    """SameSite=Strict keeps the cookie from it, also over our own redirect; from a page of ours the browser sends it."""
    headers = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    got = Browser(web.port).ask("/jobs/1?a=b&c", **headers)
    assert got.status == 200 and '<meta http-equiv="refresh" content="0;url=./1?a=b&amp;c">' in got.text
    assert Browser(web.port).ask("/jobs/1", **{**headers, "sec_fetch_site": "same-origin"}).status == 401, "which asks once"
    assert browser.ask("/jobs/1", **headers).text.startswith("job 1")


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here")
def test_a_browser_that_comes_from_a_file_is_in(web: EmbeddedWeb, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "litequeue.web")
    (tmp_path / "start.html").write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={web.url}">')
    words = [CHROMIUM, "--headless=new", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={tmp_path / 'profile'}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with subprocess.Popen([*words, f"file://{tmp_path / 'start.html'}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as chromium:
        try:
            stream: io.StringIO = caplog.handler.stream  # type: ignore[attr-defined]
            wait_until(lambda: stream.getvalue().count("GET /: 200") == 2, 60, "it came without its cookie, and then with it")
        finally:
            os.killpg(chromium.pid, signal.SIGKILL)
    assert "GET /: 401" not in stream.getvalue() and re.findall(r"GET /: 200, (\d+) bytes", stream.getvalue())[1] == str(len(Browser(web.port).login(web).ask("/").text))


# -- a session that ends -----------------------------------------------------------------------------------


def test_a_form_that_came_after_its_session_had_ended_is_kept_and_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "PAUSE", 0.05)
    clock = FakeClock()
    with LiteQueue(tmp_path / "db", clock=clock) as app, EmbeddedWeb(app._client, {"port": 0, "allow_actions": True}, routes=ROUTES) as web:
        browser = Browser(web.port).login(web)
        form = {FORM_TOKEN: browser.form_token, "ids": ["1", "2"], '"><script>': "<i>'\"&\r\nä"}
        clock.advance(12 * 3600)
        assert browser.ask("/").status == 401
        page = browser.ask("/queues/mail/pause", form=form)
        assert page.status == 401 and "<script>" not in page.text and "<i>" not in page.text
        kept = hidden_of(page.text)
        assert kept == {AGAIN: ["1"], "ids": ["1", "2"], '"><script>': ["<i>'\"&\r\nä"]}
        assert not app.stats().paused
        wrong = browser.ask("/queues/mail/pause", form={**kept, FIELD: "wrong"})
        assert wrong.status == 401 and hidden_of(wrong.text) == kept and not app.stats().paused
        done = browser.ask("/queues/mail/pause", form={**kept, FIELD: web.url.partition("code=")[2]})
        assert (done.status, done.headers["location"]) == (303, "../mail") and "ids=1&ids=2" in done.text and FIELD not in done.text
        assert "mail" in app.stats().paused and browser.ask("/").status == 200


def test_a_kept_form_is_sent_by_nobody_else(web: EmbeddedWeb, app: LiteQueue) -> None:
    code = web.url.partition("code=")[2]
    stranger = Browser(web.port)
    assert stranger.ask("/queues/mail/pause", form={AGAIN: "1", FIELD: code}, origin="https://evil.example").status == 403
    assert stranger.ask("/queues/mail/pause", form={AGAIN: "1"}).status == 401
    assert not app.stats().paused


def test_a_stale_form_of_a_browser_that_is_in_is_not_taken_for_a_kept_one(browser: Browser, app: LiteQueue) -> None:
    assert browser.ask("/queues/mail/pause", form={AGAIN: "1"}).status == 403 and not app.stats().paused


# -- below a prefix ----------------------------------------------------------------------------------------


def test_below_a_prefix_all_is_as_without_and_nothing_is_beside_it(app: LiteQueue) -> None:
    with EmbeddedWeb(app._client, {"port": 0, "prefix": "/a/queue/", "allow_actions": True}, routes=ROUTES) as web:
        browser = Browser(web.port)
        assert web.address == f"http://127.0.0.1:{web.port}/a/queue/"
        assert browser.ask("/a/queue?x=1").headers["location"] == "./queue/?x=1"
        for path in ("/", "/jobs", "/a", "/a/queuex", "/a/queue%2Fjobs", "//a/queue/", "/static/app.css"):
            assert browser.ask(path).status == 404
        assert browser.ask("/", host="evil").status == 421
        got = browser.ask(web.url.partition(f":{web.port}")[2])
        assert got.headers["location"] == "./" and "; Path=/a/queue/;" in got.headers["set-cookie"]
        assert browser.ask("/a/queue/").text.startswith("/ ") and browser.ask("/a/queue/jobs/7").text.startswith("job 7")
        assert browser.ask("/a/queue/jobs/").headers["location"] == "../jobs" and browser.ask("/a/queue/static/app.css").status == 200
        assert 'href="../static/app.css"' in Browser(web.port).ask("/a/queue/jobs/7").text
