"""The pages in a real browser: at every width, in both colour schemes, by keyboard, and while they change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from litequeue.store.pages.parts import Count

from .. import browser
from ..browser import Browser
from ..support import wait_until
from . import samples
from .every import PAGES, filled
from .looking import HOSTILE, controls, looked_at
from .served import Served, serving

pytestmark = [browser.NEEDED, pytest.mark.beside(whole=True), pytest.mark.slow]


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser.started() as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as found:
        yield found


@pytest.fixture
def served(server: Served, tab: Browser) -> Iterator[Served]:
    """With the pages as they were, and a tab that shows none of them afterwards."""
    tab.look(1360)
    tab.console.clear()
    yield server
    tab.go("about:blank#")
    wait_until(lambda: server.streams == 0, what="the stream is closed")
    server.pages, server.may_act, server.frame = dict(PAGES), False, samples.frame()
    server.posted.clear()
    server.asked.clear()


@pytest.mark.parametrize("may_act", [False, True])
def test_no_page_is_too_wide_too_faint_or_complains(tab: Browser, served: Served, may_act: bool) -> None:
    served.may_act = may_act
    for path, (maker, view) in PAGES.items():
        served.pages[path] = (lambda view, frame, request, maker=maker: dataclasses.replace(maker(view, frame, request), status=200), view)
        tab.go(served.address + path)
        assert looked_at(tab) == [], path
        assert tab.console == [], path


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/468100", "/queues/mail", "/schedules/nightly-backup", "/flows/7", "/doctor", "/jobs/act"])
def test_every_control_chart_and_table_has_a_name(tab: Browser, served: Served, path: str) -> None:
    served.may_act = True
    tab.go(served.address + path)
    found = controls(tab)
    assert len(found) >= 15
    assert [role for role, name in found if not name] == []


def test_what_others_wrote_runs_nowhere_and_reads_as_it_is(tab: Browser, served: Served) -> None:
    served.frame = filled(samples.frame(), HOSTILE)
    for path, (maker, view) in PAGES.items():
        served.pages[path] = (lambda view, frame, request, maker=maker: dataclasses.replace(maker(view, frame, request), status=200), filled(view, HOSTILE, frozenset({"state", "states"})))
        tab.go(served.address + path)
        assert tab.console == [], path
        assert tab.evaluate("document.images.length + document.querySelectorAll('script').length") == 1, path
        assert tab.evaluate("document.body.textContent.includes('<img src=x onerror=alert(1)>')"), path
    tab.go(f"{served.address}/jobs/482071")
    assert tab.evaluate("document.querySelector('h1').textContent") == HOSTILE.replace("\u202e", "\\u202e")


def test_it_keeps_itself_up_to_date(tab: Browser, served: Served) -> None:
    tab.go(f"{served.address}/")
    wait_until(lambda: served.streams == 1, what="the page listens")
    tab.evaluate("window.mine = document.querySelector('[data-live=queues]')")
    served.pages["/"] = (PAGES["/"][0], dataclasses.replace(PAGES["/"][1], succeeded_day=7, reasons=PAGES["/"][1].reasons[:1]))
    served.frame = samples.frame(failures=Count(24))
    served.change()
    tab.wait("document.querySelector('[data-live=now]').textContent.includes('7 succeeded in 24 h')")
    assert tab.evaluate("document.querySelector('[data-live=queues]') === window.mine"), "what is the same stays as it is"
    assert tab.evaluate("document.querySelector('#said').textContent") == "One thing wants a look. Everything else is well.", "and is read aloud"
    assert any("part=main" in path for path in served.asked)
    tab.go(f"{served.address}/")
    assert tab.evaluate("document.querySelector('[data-live=n-failures]').textContent") == "24"


def test_it_leaves_alone_what_somebody_has_opened(tab: Browser, served: Served) -> None:
    path = "/jobs/482071"
    tab.go(served.address + path)
    wait_until(lambda: served.streams == 1, what="the page listens")
    tab.evaluate("document.querySelector('[data-live=error] summary').click()")
    for number in range(3):
        maker, view = PAGES[path]
        changed = tuple(dataclasses.replace(each, traceback=f"{each.traceback}{number}") for each in view.job.attempts)
        served.pages[path] = (maker, dataclasses.replace(view, kept_until=samples.before(-86_400 * (number + 40)), job=dataclasses.replace(view.job, attempts=changed)))
        served.change()
        tab.wait(f"document.querySelector('[data-live=facts]').textContent.includes('Kept until{4 + number} Jan 2027')")
    assert tab.evaluate("document.querySelector('[data-live=error] details').open")


def test_new_jobs_are_told_and_rows_change_where_they_stand(tab: Browser, served: Served) -> None:
    served.may_act = True
    maker, view = PAGES["/jobs"]
    served.pages["/jobs"] = (maker, dataclasses.replace(view, newer=0))
    tab.go(f"{served.address}/jobs")
    wait_until(lambda: served.streams == 1, what="the page listens")
    tab.evaluate("document.querySelector('[data-row=\"468100\"] input').click()")
    first = tab.evaluate("document.querySelector('[data-row]').dataset.row")
    rows = (samples.job(500_000), *(dataclasses.replace(row, state="succeeded") if row.id == 468_100 else row for row in view.rows))
    served.pages["/jobs"] = (maker, dataclasses.replace(view, newer=1, rows=rows))
    served.change()
    tab.wait("document.querySelector('.news')?.textContent.startsWith('1 newer job')")
    assert tab.evaluate("document.querySelector('[data-row]').dataset.row") == first
    assert tab.evaluate("document.querySelector('[data-row=\"468100\"] .st').textContent") == "succeeded"
    assert tab.evaluate("document.querySelector('[data-row=\"468100\"] input').checked"), "it stays selected"
    assert tab.evaluate("document.querySelector('.bulk b').textContent") == "1 selected"
    assert any("seen=482119" in path for path in served.asked)


def test_a_page_that_nobody_sees_asks_nothing(tab: Browser, served: Served) -> None:
    tab.go(f"{served.address}/queues")
    wait_until(lambda: served.streams == 1, what="the page listens")
    tab.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(lambda: served.streams == 0, what="the stream is closed")
    count = len(served.asked)
    served.change()
    tab.evaluate("new Promise((done) => setTimeout(done, 1200))")  # of the page's own time, which looks twice a second at most
    assert served.asked[count:] == []
    tab.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(lambda: served.streams == 1, what="it listens again")
    wait_until(lambda: any("part=main" in path for path in served.asked[count:]), what="and looks at once what it has missed")


def test_the_updates_can_be_paused(tab: Browser, served: Served) -> None:
    tab.go(f"{served.address}/queues")
    wait_until(lambda: served.streams == 1, what="the page listens")
    tab.key("p")
    wait_until(lambda: served.streams == 0, what="the stream is closed")
    assert tab.evaluate("document.querySelector('#live').textContent + document.querySelector('#live').getAttribute('aria-pressed')") == "pausedtrue"
    tab.key("p")
    wait_until(lambda: served.streams == 1, what="it goes on")


def test_the_keyboard_is_enough(tab: Browser, served: Served) -> None:
    served.may_act = True
    tab.go(f"{served.address}/")
    tab.key("g")
    tab.key("j")
    tab.wait("location.pathname === '/jobs' && document.readyState === 'complete'")
    for key in "jjk":
        tab.key(key)
    tab.key("x")
    assert tab.evaluate("[...document.querySelectorAll('input[name=id]:checked')].map((box) => box.value)") == ["482119"]
    tab.key("/")
    assert tab.evaluate("document.activeElement.name") == "q"
    tab.key("g")
    tab.key("o")
    assert tab.evaluate("location.pathname") == "/jobs", "in a field a letter is a letter"
    tab.evaluate("document.activeElement.blur()")
    tab.key("?")
    assert tab.evaluate("document.querySelector('#keys').open")
    tab.evaluate("document.querySelector('#keys').close()")
    tab.wait("document.activeElement === document.body")
    tab.key("j")
    tab.key("Enter")
    tab.wait("location.pathname === '/jobs/482071' && document.readyState === 'complete'")


def test_a_key_that_acts_asks_first(tab: Browser, served: Served) -> None:
    served.may_act = True
    tab.go(f"{served.address}/jobs/482071")
    tab.evaluate("window.asked = []; window.confirm = (text) => { window.asked.push(text); return window.asked.length > 1; }")
    tab.key("r")
    assert tab.evaluate("window.asked") == ["Run again: job 482,071?"] and served.posted == []
    tab.key("r")
    wait_until(lambda: served.posted, what="it is sent")
    path, body = served.posted[0]
    assert path == "/jobs/act" and "op=retry" in body and "id=482071" in body and "form_token=token" in body


def test_without_a_script_searching_and_opening_work(tab: Browser, served: Served) -> None:
    """What only a script could do is not shown then."""
    tab.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.go(f"{served.address}/")
        assert tab.evaluate("[...document.querySelectorAll('[data-copy], #live, [data-help]')].filter((each) => each.checkVisibility()).length") == 0
        tab.evaluate("document.querySelector('[data-search]').focus()")
        for letter in "state:running":
            tab.key(letter)
        tab.key("Enter")
        tab.wait("location.pathname + location.search === '/jobs?q=state%3Arunning' && document.readyState === 'complete'")
        assert tab.evaluate("document.querySelectorAll('tr[data-row]').length") == 10
        tab.evaluate("document.querySelector('tr[data-row] a').click()")
        tab.wait("location.pathname === '/jobs/482119'")
    finally:
        tab.send("Emulation.setScriptExecutionDisabled", value=False)
