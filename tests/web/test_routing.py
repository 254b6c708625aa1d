"""From a method and a path to a page."""

from __future__ import annotations

import pytest

from litequeue.web.messages import Request, Response
from litequeue.web.routing import Found, Missed, Route, resolve

pytestmark = pytest.mark.beside


def page(*_: object, **parameters: object) -> Response:
    return Response(200, repr(parameters).encode())


ROUTES = (
    Route("/", "GET", page), Route("/jobs", "GET", page), Route("/jobs/{id:int}", "GET", page), Route("/jobs/{id:int}/args.txt", "GET", page), Route("/queues/{name}", "GET", page),
    Route("/queues/{name}/pause", "POST", page),
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/", {}), ("/jobs", {}), ("/jobs/12", {"id": 12}), ("/jobs/012/args.txt", {"id": 12}), ("/queues/mail", {"name": "mail"}),
        ("/queues/%C3%A4rger", {"name": "ärger"}), ("/queues/a%2525", {"name": "a%25"}), ("/%6aobs", {}), ("/jobs/9223372036854775807", {"id": 2**63 - 1}),
    ],
)  # fmt: skip
def test_a_path_leads_to_its_page_with_what_stands_in_it(path: str, parameters: dict[str, object]) -> None:
    for method in ("GET", "HEAD"):
        assert resolve(ROUTES, method, path, may_act=False) == Found(page, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "", "jobs", "//", "//jobs", "/jobs//12", "/jobs/x", "/jobs/-1", "/jobs/+1", "/jobs/1.0", "/jobs/9223372036854775808", "/jobs/²", "/jobs/%C2%B2", "/jobs/12/", "/jobs/12/x",
        "/..", "/../jobs", "/jobs/..", "/%2e%2e/jobs", "/queues/%2e%2e", "/queues/.", "/queues/%2E", "/queues/a%2fb", "/queues/a%5cb", "/queues/a\\b", "/queues/%00", "/queues/a%0d%0ab",
        "/queues/%ff", "/queues/%e2%80%ae", "/Jobs", "/queues",
    ],
)  # fmt: skip
def test_what_is_no_address_is_not_found(path: str) -> None:
    found = resolve(ROUTES, "GET", path, may_act=True)
    assert found == (Missed(303, location="../12") if path == "/jobs/12/" else Missed(404))


def test_a_slash_at_the_end_leads_to_where_there_is_none() -> None:
    assert resolve(ROUTES, "GET", "/jobs/", may_act=False) == Missed(303, location="../jobs")
    assert resolve(ROUTES, "GET", "/queues/a%20b/", may_act=False) == Missed(303, location="../a%20b")
    assert resolve(ROUTES, "POST", "/jobs/", may_act=True) == Missed(404)


def test_what_may_not_be_posted_has_no_address_to_be_posted_to() -> None:
    assert resolve(ROUTES, "POST", "/queues/mail/pause", may_act=True) == Found(page, {"name": "mail"})
    assert resolve(ROUTES, "POST", "/queues/mail/pause", may_act=False) == Missed(405, ())
    assert resolve(ROUTES, "GET", "/queues/mail/pause", may_act=True) == Missed(405, ("POST",))
    assert resolve(ROUTES, "POST", "/jobs", may_act=True) == Missed(405, ("GET", "HEAD"))
    assert resolve(ROUTES, "PUT", "/jobs", may_act=True) == Missed(405, ("GET", "HEAD"))


def test_a_page_knows_the_way_to_the_overview() -> None:
    assert [Request("GET", path).root for path in ("/", "/jobs", "/jobs/1", "/jobs/1/args.txt")] == ["./", "./", "../", "../../"]
