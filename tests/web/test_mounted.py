"""The pages as a WSGI application, held against wsgiref's validator."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from litequeue import InvalidArgument, InvalidType, LiteQueue
from litequeue.web import site, wsgi
from litequeue.web.guarding import FORM_TOKEN
from litequeue.web.login import FIELD

from .conftest import ROUTES, Browser, Got


class Mounted:
    """Calls an application as a server would, strictly."""

    def __init__(self, application: Any, mount: str = "", *, is_strict: bool = True) -> None:
        self._application = validator(application) if is_strict else application
        self._mount = mount
        self.cookie = ""

    def ask(self, path: str, method: str = "GET", form: dict[str, Any] | None = None, **environ: str) -> Got:
        said: dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": self._mount, "PATH_INFO": path.partition("?")[0], "QUERY_STRING": path.partition("?")[2], "REMOTE_ADDR": "192.0.2.7"}
        if self.cookie:
            said["HTTP_COOKIE"] = self.cookie
        if form is not None:
            body = urlencode(form, doseq=True).encode()
            said |= {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "HTTP_ORIGIN": "http://127.0.0.1"}
        said |= environ
        setup_testing_defaults(said)
        said = {name: value for name, value in said.items() if value != ""} | {name: said[name] for name in ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING")}
        found: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            found[:] = [int(status.split()[0]), {name.lower(): value for name, value in headers}]
            return lambda data: None

        body_parts = self._application(said, start)
        text = b"".join(body_parts).decode()
        getattr(body_parts, "close", lambda: None)()  # as PEP 3333 has it, for whoever has one
        if "set-cookie" in found[1]:
            self.cookie = found[1]["set-cookie"].partition(";")[0]
        return Got(found[0], found[1], text)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(site, "PAUSE", 0.01)
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("t" * 40)
    return "t" * 40


def test_below_a_mount_people_log_in_as_elsewhere(app: LiteQueue, tmp_path: Path, token: str) -> None:
    page = Mounted(wsgi(app, token_file=str(tmp_path / "token"), allow_actions=True, routes=ROUTES), "/admin/queue")
    shut = page.ask("/jobs/7?a=b")
    assert shut.status == 401 and FIELD in shut.text and 'href="../static/app.css"' in shut.text
    assert page.ask("/jobs/7", form={FIELD: "wrong"}).status == 401
    got = page.ask("/jobs/7?a=b", form={FIELD: token})
    assert (got.status, got.headers["location"]) == (303, "./7?a=b")
    assert "; Path=/admin/queue/;" in got.headers["set-cookie"] and got.headers["set-cookie"].startswith("litequeue_80=") and "Secure" not in got.headers["set-cookie"]
    assert page.ask("/jobs/7").text.startswith("job 7") and page.ask("/").text.startswith("/ ") and page.ask("/static/app.css").status == 200
    assert page.ask("/jobs/7", "HEAD").text == "" and page.ask("/nothing").status == 404 and page.ask("/jobs/").headers["location"] == "../jobs"
    assert page.ask("?a=b%20c").headers["location"] == "./queue/?a=b%20c", "else links would lead to beside it"
    assert page.ask("/queues/mail/pause", form={}).status == 403
    form_token = page.ask("/").text.rpartition(" ")[2]
    assert page.ask("/queues/mail/pause", form={FORM_TOKEN: form_token}, HTTP_ORIGIN="http://evil.example").status == 403
    assert page.ask("/queues/mail/pause", form={FORM_TOKEN: form_token}).status == 303 and "mail" in app.stats().paused


def test_another_process_of_the_server_knows_who_is_in(app: LiteQueue, tmp_path: Path, token: str) -> None:
    first, second = (Mounted(wsgi(app, token_file=str(tmp_path / "token"), routes=ROUTES)) for _ in range(2))
    secure = first.ask("/", form={FIELD: token}, **{"wsgi.url_scheme": "https", "HTTP_ORIGIN": "https://127.0.0.1"})
    assert secure.status == 303 and secure.headers["set-cookie"].endswith("; Secure")
    second.cookie = first.cookie.replace("litequeue_443", "litequeue_80")
    assert second.ask("/").status == 200


def test_there_are_no_streams(app: LiteQueue) -> None:
    got = Mounted(wsgi(app, login=False, routes=ROUTES)).ask("/events")
    assert (got.status, got.headers["retry-after"]) == (503, "5")


def test_where_another_guards_whoever_comes_is_in(app: LiteQueue) -> None:
    page = Mounted(wsgi(app, login=False, allow_actions=True, routes=ROUTES))
    got = page.ask("/?a=b", REMOTE_USER="ann")
    assert got.text == "/ [('a', 'b')] True ann " and "set-cookie" not in got.headers
    assert page.ask("/").text.endswith(" 192.0.2.7 ") and page.ask("/login").headers["location"] == "./"
    assert page.ask("/queues/mail/pause", form={}, HTTP_ORIGIN="null").status == 403 and not app.stats().paused
    assert page.ask("/queues/mail/pause", form={}, HTTP_ORIGIN="", HTTP_SEC_FETCH_SITE="same-origin").status == 303


def test_it_can_be_held_to_its_names(app: LiteQueue) -> None:
    page = Mounted(wsgi(app, login=False, allow_host=["Queue.example.org", "a.example:8443"], routes=ROUTES))
    assert page.ask("/", HTTP_HOST="queue.example.org").status == page.ask("/", HTTP_HOST="a.example:8443").status == 200
    assert page.ask("/", HTTP_HOST="evil.example").status == page.ask("/", HTTP_HOST="a.example").status == 421


def test_what_is_posted_has_a_length_within_bounds(app: LiteQueue) -> None:
    page = Mounted(wsgi(app, login=False, allow_actions=True, routes=ROUTES))
    for length, status in (("", 411), ("65537", 413)):
        assert page.ask("/queues/a/pause", form={"a": "b"}, CONTENT_LENGTH=length).status == status
    lax = Mounted(wsgi(app, login=False, allow_actions=True, routes=ROUTES), is_strict=False)  # the validator stumbles over such a length itself
    for length in ("x", "-1"):
        assert lax.ask("/queues/a/pause", form={"a": "b"}, CONTENT_LENGTH=length).status == 400
    assert page.ask("/queues/a/pause", form={"a": "b" * 65000}).status == 303


def test_names_beyond_ascii_arrive_as_they_are(app: LiteQueue) -> None:
    page = Mounted(wsgi(app, login=False, routes=ROUTES))
    assert page.ask("/queues/\u00c3\u00a4b%25").text == "queue äb%25"  # as PEP 3333 has it: bytes as characters
    assert page.ask("/jobs/?q=\u00c3\u00a4\n\\").headers["location"] == "../jobs?q=%C3%A4%0A\\"
    assert page.ask("/queues/\u00ff").status == page.ask("/queues/..").status == page.ask("//queues/a").status == 404


def test_how_people_log_in_has_to_be_said(app: LiteQueue, tmp_path: Path, token: str) -> None:
    with pytest.raises(InvalidArgument, match="token_file="):
        wsgi(app)
    with pytest.raises(InvalidArgument, match="leave token_file out"):
        wsgi(app, login=False, token_file=str(tmp_path / "token"))
    with pytest.raises(InvalidType, match="an app"):
        wsgi(str(tmp_path / "db"), login=False)  # type: ignore[arg-type]
    with pytest.raises((InvalidArgument, InvalidType), match="login"):
        wsgi(app, login="no")  # type: ignore[arg-type]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(app: LiteQueue) -> Iterator[int]:
    page = wsgi(app, login=False, allow_actions=True, routes=ROUTES)

    def around(environ: dict[str, Any], start: Any) -> Any:
        """As one mounts it by hand."""
        if environ["PATH_INFO"].startswith("/queue/"):
            return page({**environ, "SCRIPT_NAME": "/queue", "PATH_INFO": environ["PATH_INFO"][6:]}, start)
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"another's"]

    with make_server("127.0.0.1", 0, validator(around), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_server_of_the_standard_library_serves_it(served: int, app: LiteQueue) -> None:
    browser = Browser(served)
    assert browser.ask("/queue/jobs/7").text.startswith("job 7") and browser.ask("/other").text == "another's"
    assert browser.ask("/queue/queues/mail/pause", form={}).headers["location"] == "../mail" and "mail" in app.stats().paused
    assert browser.ask("/queue/queues/mail/pause", form={}, origin="http://127.0.0.1:1").status == 403
