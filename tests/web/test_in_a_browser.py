"""The page as it is served, of a file at work, in a real browser: what it shows, how it keeps up, who may do what in it, and what it costs.

What the pages look like with records of every kind is in ``test_browser``.
"""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue import LiteQueue, chain, group
from litequeue.web.embedded import EmbeddedWeb
from litequeue.web.guarding import FORM_TOKEN
from litequeue.web.server import THREADS

from .. import browser
from ..browser import Browser
from ..older import rows
from ..support import wait_until
from .looking import HOSTILE, controls, looked_at

pytestmark = [browser.NEEDED, pytest.mark.slow]

SHOWN = HOSTILE.replace("\u202e", "\\u202e")
HEAVIEST = 150_000  # bytes of a first load, with all that it takes
SOON = 2.0  # seconds until a change is seen
# The page's own patience goes by in a twentieth of the time.
HURRY = "{ const wait = window.setTimeout; window.setTimeout = (what, milliseconds, ...rest) => wait(what, milliseconds / 20, ...rest); }"


class Shop(NamedTuple):
    """A file that a worker of this process works on, its page, and what some of its jobs wait for."""

    app: LiteQueue
    db: Path
    web: EmbeddedWeb
    go: threading.Event

    @property
    def seats(self) -> int:
        """How many streams are open."""
        assert self.web._server is not None
        return len(self.web._server._streams._seats)

    def held(self) -> int:
        """A job that runs until somebody lets it go."""
        self.go.clear()
        job = self.app.send_task("shop.hold")
        wait_until(lambda: job.state == "running", what="it runs")
        return job.id


def filled(db: Path, go: threading.Event) -> LiteQueue:
    """A little of everything that pages show; what fails has failed twice."""
    app = LiteQueue(db)

    @app.task(name="shop.charge", retries=1, backoff=0, secret=["card"])
    def charge(amount: int, card: str = "") -> int:
        print("charging", amount)
        if amount < 0:
            raise ValueError(f"no such amount: {amount}")
        return amount

    @app.task(name="shop.hold")
    def hold() -> None:
        assert go.wait(60)

    for amount in (1, 2, -1, -2, -3):
        charge.delay(amount, card="4111-1111")
    chain(charge.s(5), group(charge.si(6), charge.si(-7)), charge.si(8)).delay()
    app.run_worker(burst=True, threads=2)
    charge.apply_async(args=(1,), queue="later", countdown=3600)
    charge.apply_async(args=(3,), queue="mail", tags=["import"])
    app.pause("mail")
    app.schedules.add("nightly", "shop.charge", args=(1,), cron="30 2 * * *", timezone="Europe/Berlin")
    return app


PAGES = (
    "", "?range=24h", "?range=30d", "jobs", "jobs?q=state:discarded", "jobs?q=error:nothing", "jobs/1", "jobs/3", "jobs/7", "failures", "queues", "queues/mail", "tasks", "tasks/shop.charge",
    "workers", "workers/1", "schedules", "schedules/nightly", "flows", "flows/1", "doctor",
)  # fmt: skip
ODD = ("jobs/999", "jobs?q=stat:x", "nothing/here")  # of which the browser itself says in its console how they were answered


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """All its threads are there before the first test, so that none is one that a test has left."""
    db, go = tmp_path_factory.mktemp("shop") / "db.sqlite", threading.Event()
    with filled(db, go) as app, app.worker(threads=2) as worker, app.web(port=0, allow_actions=True) as web:
        held = [app.send_task("shop.hold") for _ in range(2)]
        wait_until(lambda: all(job.state == "running" for job in held), what="each slot has run")
        assert web._server is not None
        together = threading.Barrier(THREADS)
        wait_until(lambda: [web._server._executor.submit(together.wait) for _ in range(THREADS)][-1].result(10) is not None)
        app.schedules.add("pulse", "shop.charge", args=(1,), every="1s")
        go.set()
        yield Shop(app, db, web, go)
        go.set()
        worker.stop()


@pytest.fixture(scope="module")
def window(shop: Shop) -> Iterator[Browser]:
    """Logged in by the printed address."""
    with browser.started() as found:
        found.send("Page.addScriptToEvaluateOnNewDocument", source="addEventListener('securitypolicyviolation', (event) => console.log('policy: ' + event.violatedDirective))")
        found.go(shop.web.url)
        assert shop.web._server is not None
        streams = shop.web._server._streams
        wait_until(lambda: streams._open, what="the page listens")
        yield found


@pytest.fixture
def tab(window: Browser, shop: Shop) -> Iterator[Browser]:
    window.look(1360)
    window.forget()
    yield window
    window.accepts = False
    window.go("about:blank#")
    wait_until(lambda: shop.seats == 0, what="no stream is left")


# -- what it shows ---------------------------------------------------------------------------------------


def test_the_printed_address_lets_in_once_and_a_code_can_be_typed(tab: Browser, shop: Shop) -> None:
    url = shop.web.url
    for cookie in tab.send("Network.getCookies", urls=[shop.web.address])["cookies"]:
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["name"] == f"litequeue_{shop.web.port}"
    tab.go(url)
    assert tab.evaluate("location.href") == shop.web.address and tab.evaluate("document.querySelector('h1').textContent") == "Overview"
    for heading in ("Overview", "Log in"):  # who was in already had no need of the code
        tab.send("Network.clearBrowserCookies")
        tab.go(url)
        assert tab.evaluate("document.querySelector('h1').textContent") == heading
    assert "it has been used" in tab.evaluate("document.querySelector('[role=alert]').textContent")
    assert looked_at(tab) == [] and [role for role, name in controls(tab) if not name] == []
    assert tab.evaluate("document.activeElement.id") == "code"
    for letter in shop.web.url.rpartition("=")[2]:
        tab.key(letter)
    tab.key("Enter")
    tab.wait(f"location.href === '{shop.web.address}' && document.readyState === 'complete'")
    assert tab.evaluate("document.querySelector('h1').textContent") == "Overview"


def test_each_page_fits_can_be_read_names_its_controls_and_complains_of_nothing(tab: Browser, shop: Shop) -> None:
    for path in (*PAGES, *ODD):
        tab.go(shop.web.address + path)
        assert looked_at(tab) == [], path
        named = controls(tab)
        assert (len(named) > 15 or path in ODD) and [role for role, name in named if not name] == [], path
        assert [line for line in tab.console if "status of 40" not in line] == [], path
        assert not tab.console or path in ODD
        tab.forget()


# Each text column that others can write, but for names by which rows are found.
PLANTED = (
    "UPDATE litequeue_jobs SET task = :x, last_error = :x, queue = CASE WHEN id = 1 THEN queue ELSE :x END, tags = json_array(:x), headers = json_object(:x, :x), args = json_array(:x)",
    "UPDATE litequeue_jobs SET kwargs = json_object(:x, :x), result = CASE WHEN result IS NULL THEN NULL ELSE json_quote(:x) END",
    "UPDATE litequeue_attempts SET error_type = :x, error_message = :x, traceback = :x",
    "UPDATE litequeue_output SET text = :x",
    "UPDATE litequeue_workers SET name = :x, host = :x, unknown_tasks = json_object(:x, :x), queues = json_array(:x)",
    "UPDATE litequeue_schedules SET task = :x, args = json_array(:x), trigger = :x, module = :x",
    "UPDATE litequeue_tasks SET module = :x, directory = :x, options = :x",
    "UPDATE OR REPLACE litequeue_metrics SET task = :x, queue = :x",
    "INSERT INTO litequeue_actions (at, who, what, target, count) VALUES (1790000000000000, :x, :x, :x, 1)",
)


def test_what_others_wrote_into_the_file_runs_nowhere_and_reads_as_it_is(tab: Browser, tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    with filled(db, threading.Event()) as app:
        for statement in PLANTED:
            rows(db, statement.replace(":x", "?1"), HOSTILE)
        with app.web(port=0, allow_actions=True) as web:
            tab.go(web.url)
            for path in PAGES:
                tab.go(web.address + path)
                assert tab.console == [] or path.startswith(("tasks/", "queues/", "schedules/")) and all("404" in line for line in tab.console), (path, tab.console)
                assert tab.evaluate("document.images.length + document.querySelectorAll('script').length") == 1, path
                tab.console.clear()
            assert tab.evaluate("document.querySelector('h1').textContent") == "Doctor"
            tab.go(f"{web.address}jobs/3")
            for part in ("h1", "[data-live=why] .mono", "[data-live=error] pre", "[data-live=log] pre", "[data-live=facts] dd a"):
                assert SHOWN in tab.evaluate(f"document.querySelector('{part}')?.textContent ?? ''"), part
            assert tab.evaluate("JSON.parse(document.querySelector('.code .s').textContent.replace('u202e', '\\\\u202e'))") == SHOWN
            tab.go(f"{web.address}jobs?q=state:discarded")
            assert tab.evaluate("document.querySelector('th .name').textContent") == SHOWN[:80]


def test_the_first_load_of_a_phone_is_small_and_asks_nobody_else(tab: Browser, shop: Shop) -> None:
    tab.look(390, 844)
    for path in ("", "jobs"):
        tab.send("Network.clearBrowserCache")
        tab.forget()
        tab.go(shop.web.address + path)
        tab.wait("performance.getEntriesByType('resource').filter((each) => each.responseEnd).length >= 3")
        wait_until(lambda: tab.evaluate("1") and tab.received > 30_000, what="all has come")
        assert tab.received < HEAVIEST, path
        assert len(tab.asked) >= 3 and all(url.startswith((shop.web.address, "data:")) for url in tab.asked), tab.asked


# -- how it keeps up -------------------------------------------------------------------------------------


def test_a_job_that_ends_shows_it_by_itself(tab: Browser, shop: Shop) -> None:
    taken = []
    for _ in range(3):  # a busy neighbour may cost one of them its second
        tab.go(f"{shop.web.address}jobs/{shop.held()}")
        assert tab.evaluate("document.querySelector('.jobhead .st').textContent") == "running"
        wait_until(lambda: shop.seats == 1, what="the page listens")
        shop.go.set()
        began = time.monotonic()
        tab.wait("document.querySelector('.jobhead .st').textContent === 'succeeded'")
        taken.append(time.monotonic() - began)
    assert min(taken) < SOON
    assert tab.console == []


def test_seven_tabs_at_once_get_their_pages_and_those_behind_leave_their_seats(tab: Browser, shop: Shop) -> None:
    tab.go(shop.web.address)
    wait_until(lambda: shop.seats == 1, what="the page listens")
    with contextlib.ExitStack() as stack:
        windows = [stack.enter_context(tab.another(newWindow=True)) for _ in range(7)]  # each seen, so each wants a stream
        for each in windows:
            each.go(f"{shop.web.address}queues", seconds=5)
            assert each.evaluate("document.querySelector('h1').textContent") == "Queues"
        wait_until(lambda: shop.seats == 4, what="as many as one session may have")
        windows[-1].wait("document.querySelector('#live').textContent === 'each 5 s'")
        windows[-1].go(f"{shop.web.address}jobs/3", seconds=5)
    wait_until(lambda: shop.seats == 1, what="what is closed leaves its seat")
    with tab.another() as front:
        front.go(f"{shop.web.address}queues")
        wait_until(lambda: tab.evaluate("document.hidden") and shop.seats == 1, what="what is behind another leaves its seat")
        front.go("about:blank#")
        wait_until(lambda: shop.seats == 0, what="nobody listens")
        tab.forget()
        tab.send("Page.bringToFront")
        wait_until(lambda: shop.seats == 1, what="it listens again")
        wait_until(lambda: tab.evaluate("1") and any("part=main" in url for url in tab.asked), what="and looks at what it has missed")


def refreshed(tab: Browser, times: int) -> None:
    """The page looks again, and again, and puts in its place what comes."""
    for _ in range(times):
        tab.answered.clear()
        tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        wait_until(lambda: tab.evaluate("1") and any("part=main" in url for url, _ in tab.answered), what="it has looked")


def test_what_somebody_has_opened_or_typed_survives_twenty_refreshes(tab: Browser, shop: Shop) -> None:
    script = tab.send("Page.addScriptToEvaluateOnNewDocument", source=HURRY)["identifier"]
    tab.go(f"{shop.web.address}jobs/3")
    tab.evaluate("document.querySelector('[data-live=error] summary').click()")
    refreshed(tab, 20)
    assert tab.evaluate("document.querySelector('[data-live=error] details').open")
    tab.go(f"{shop.web.address}jobs")
    first = tab.evaluate("document.querySelector('[data-row]').dataset.row")
    tab.key("/")
    for letter in "state:dis":
        tab.key(letter)
    wait_until(lambda: tab.evaluate("document.querySelector('.news') !== null"), what="a job that is newer is told of")
    refreshed(tab, 20)
    assert tab.evaluate("[document.activeElement.name, document.activeElement.value]") == ["q", "state:dis"]
    assert tab.evaluate("document.querySelector('[data-row]').dataset.row") == first, "new jobs move nothing"
    tab.evaluate("document.activeElement.blur()")
    tab.key("p")
    wait_until(lambda: shop.seats == 0, what="the updates are paused")
    tab.asked.clear()
    before = shop.app.schedules.get("pulse").ticks
    wait_until(lambda: shop.app.schedules.get("pulse").ticks > before + 1, what="something changes meanwhile")
    assert tab.evaluate("document.querySelector('#live').textContent") == "paused" and tab.asked == []
    tab.key("p")
    wait_until(lambda: shop.seats == 1, what="it goes on")
    tab.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    assert tab.console == []


# -- what may be done in it ------------------------------------------------------------------------------


def focused(tab: Browser, label: str) -> None:
    """By the Tab key alone."""
    for _ in range(80):
        tab.key("Tab")
        if tab.evaluate("document.activeElement.textContent.trim()").startswith(label):
            return
    raise AssertionError(f"no way to {label}")


def test_the_keyboard_alone_reaches_a_failed_job_and_runs_it_again(tab: Browser, shop: Shop) -> None:
    tab.accepts = True
    tab.go(shop.web.address)
    tab.key("/")
    for letter in "state:discarded":
        tab.key(letter)
    tab.key("Enter")
    tab.wait("location.pathname === '/jobs' && document.readyState === 'complete' && document.querySelector('[data-row]') !== null")
    tab.key("j")
    chosen = int(tab.evaluate("document.querySelector('[data-at]').dataset.row"))
    tab.key("Enter")
    tab.wait(f"location.pathname === '/jobs/{chosen}' && document.readyState === 'complete'")
    tab.key("r")
    wait_until(lambda: rows(shop.db, "SELECT count(*) FROM litequeue_attempts WHERE job_id = ?", chosen) == [(4,)], what="it has run again, twice")
    assert tab.console == [f"dialog: Run again: job {chosen}?"]
    tab.wait(f"location.pathname === '/jobs/{chosen}' && document.querySelector('.jobhead .st').textContent === 'discarded'")
    tab.go(f"{shop.web.address}jobs/{chosen}")
    focused(tab, "Run again")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "one sees where one is"
    tab.key("Enter")
    wait_until(lambda: rows(shop.db, "SELECT count(*) FROM litequeue_attempts WHERE job_id = ?", chosen) == [(6,)], what="and again")


def test_without_a_script_forms_work_and_what_deletes_asks_first(tab: Browser, shop: Shop) -> None:
    tab.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.go(f"{shop.web.address}jobs?q=state:discarded id:5")
        job = int(tab.evaluate("document.querySelector('input[name=id]').value"))
        tab.evaluate("document.querySelector('input[name=id]').click()")
        tab.evaluate("document.querySelector('button[value=purge]').click()")
        tab.wait("location.pathname === '/jobs/act' && document.readyState === 'complete'")
        assert "Delete 1 job for good?" in tab.evaluate("document.body.textContent") and rows(shop.db, "SELECT 1 FROM litequeue_jobs WHERE id = ?", job)
        tab.evaluate("document.querySelector('main form[method=post] button[type=submit]').click()")
        tab.wait("document.querySelector('h1')?.textContent === '1 job deleted' && document.readyState === 'complete'")
        assert not rows(shop.db, "SELECT 1 FROM litequeue_jobs WHERE id = ?", job)
        tab.go(f"{shop.web.address}queues/mail")
        tab.evaluate("document.querySelector('form[action$=resume] button').click()")
        tab.wait("document.readyState === 'complete' && document.querySelector('form[action$=resume]') === null")
        assert tab.evaluate("document.querySelector('h1').textContent") == "mail", "also once the one job that waited there is done"
        assert rows(shop.db, "SELECT paused_at FROM litequeue_queues WHERE name = 'mail' AND paused_at IS NOT NULL") == []
        assert tab.evaluate("[...document.querySelectorAll('[data-copy], #live')].some((each) => each.checkVisibility())") is False
    finally:
        tab.send("Emulation.setScriptExecutionDisabled", value=False)
    shop.app.pause("mail")


def test_what_is_copied_is_the_command_that_is_shown(tab: Browser, shop: Shop) -> None:
    tab.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    tab.go(f"{shop.web.address}jobs/1")
    shown = tab.evaluate("document.querySelector('.cli code').textContent")
    assert shown == f"litequeue retry {shop.db} 1"
    # Again until it is said: a click that comes before the browser gives the page its focus copies nothing.
    tab.wait("(button => button.classList.contains('done') || (button.click(), false))(document.querySelector('.cli [data-copy]'))")
    assert tab.evaluate("navigator.clipboard.readText()") == shown


FORGED = """<!doctype html><meta name="referrer" content="{policy}"><form method="post" action="{action}"><input name="{field}" value="{token}"></form>
<script>fetch("{action}", {{method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({{"{field}": "{token}"}})}}).finally(() => document.forms[0].submit())</script>"""


@contextlib.contextmanager
def elsewhere(pages: dict[str, str]) -> Iterator[str]:
    """Another program of this host, whose pages the same browser shows."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 0.5  # browsers connect before they ask

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_page_of_another_port_changes_nothing_even_with_the_forms_own_token(tab: Browser, shop: Shop) -> None:
    """Its cookie goes there all the same: to the browser both are one site."""
    tab.go(f"{shop.web.address}queues/default")
    action, token = tab.evaluate("[document.querySelector('form[action$=pause]').action, document.querySelector('[name=form_token]').value]")
    deeds = rows(shop.db, "SELECT count(*) FROM litequeue_actions")
    pages = {f"/{policy}": FORGED.format(policy=policy, action=action, field=FORM_TOKEN, token=token) for policy in ("unsafe-url", "no-referrer")}  # the second makes Origin null
    with elsewhere(pages) as other:
        for path in pages:
            tab.forget()
            tab.send("Page.navigate", url=other + path)
            tab.wait(f"location.href === '{action}' && document.readyState === 'complete'")
            assert tab.asked.count(action) == 2 and {status for url, status in tab.answered if url == action} == {403}, path
            assert "form" in tab.evaluate("document.querySelector('main p').textContent")
    assert rows(shop.db, "SELECT count(*) FROM litequeue_actions") == deeds
    assert rows(shop.db, "SELECT 1 FROM litequeue_queues WHERE name = 'default' AND paused_at IS NOT NULL") == []
    tab.go(f"{shop.web.address}queues/default")
    tab.evaluate("document.querySelector('form[action$=pause] button').click()")
    wait_until(lambda: rows(shop.db, "SELECT 1 FROM litequeue_queues WHERE name = 'default' AND paused_at IS NOT NULL"), what="the page's own form does it")
    shop.app.resume("default")
