"""Who may ask, by the words of a request alone."""

from __future__ import annotations

import pytest

from litequeue.web.guarding import (
    FORM,
    Asked,
    Hosts,
    bearer_of,
    cookies_of,
    fields_of,
    hosts_of,
    hosts_of_socket,
    refusal,
)

pytestmark = pytest.mark.beside

OURS = hosts_of("127.0.0.1", 8010, ["queue.example.org", "other.example:444"])


def asked(method: str = "GET", **headers: str | tuple[str, ...]) -> Asked:
    said = {"host": "127.0.0.1:8010", **({"content-type": FORM} if method == "POST" else {}), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Asked(method, "/", headers={name: value if isinstance(value, tuple) else (value,) for name, value in said.items()})


def status(request: Asked, hosts: Hosts = OURS) -> int:
    found = refusal(request, hosts)
    return 200 if found is None else found.status


@pytest.mark.parametrize("host", ["127.0.0.1:8010", "localhost:8010", "LocalHost:8010", "[::1]:8010", "queue.example.org", "queue.example.org:8010", "other.example:444"])
def test_our_own_names_are_answered(host: str) -> None:
    assert status(asked(host=host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8010", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:8010", "localhost.:8010", "127.1:8010", "0:8010", "0.0.0.0:8010", "2130706433:8010",
        "[::1%25lo]:8010", "::1:8010", "127.0.0.1:8010@evil.example", "evil.example/127.0.0.1:8010", "127.0.0.1:8010, evil.example", "127.0.0.1:08010", "other.example", "", " ",
        "127.0.0.1:8010\x00", "127.0.0.1:8010#", "localhost:8010:8010", ("127.0.0.1:8010", "127.0.0.1:8010"), ("127.0.0.1:8010", "evil.example"), (),
    ],
)  # fmt: skip
def test_no_other_name_is_whatever_is_asked_and_the_way_out_is_named(host: str | tuple[str, ...]) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        found = refusal(asked(method, host=host), OURS)
        assert found is not None and found.status == 421 and "--allow-host" in found.why


def test_at_the_port_that_browsers_do_not_say_a_name_stands_without_it() -> None:
    assert hosts_of("127.0.0.1", 80).allow("localhost") and not hosts_of("127.0.0.1", 8010).allow("localhost")


def test_an_address_that_was_named_is_one_of_ours_and_all_addresses_are_none() -> None:
    assert hosts_of("192.0.2.1", 8010).allow("192.0.2.1:8010") and hosts_of("2001:db8::1", 8010).allow("[2001:db8::1]:8010")
    assert not hosts_of("0.0.0.0", 8010).allow("0.0.0.0:8010") and hosts_of("0.0.0.0", 8010).allow("127.0.0.1:8010")


def test_a_socket_is_reached_by_any_port_and_then_only_its_own_pages_post() -> None:
    hosts = hosts_of_socket(["queue.example.org"])
    assert hosts.allow("localhost:9000") and hosts.allow("[::1]:1") and hosts.allow("queue.example.org") and not hosts.allow("evil.example:9000")
    assert status(asked("POST", host="localhost:9000", origin="http://localhost:9000"), hosts) == 200
    assert status(asked("POST", host="localhost:9000", origin="http://localhost:9001"), hosts) == 403
    assert status(asked("POST", host="localhost:9000", origin="https://queue.example.org"), hosts) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null", "http://127.0.0.1:8011", "http://127.0.0.1", "http://evil.example", "http://evil.example:8010", "", "127.0.0.1:8010", "http://127.0.0.1:8010/", "http://127.0.0.1:8010.evil.example",
        "file://127.0.0.1:8010", "http://user@127.0.0.1:8010", ("http://127.0.0.1:8010", "http://evil.example"), "http://127.0.0.1:8010 http://evil.example",
    ],
)  # fmt: skip
def test_a_form_of_another_page_is_refused(origin: str | tuple[str, ...]) -> None:
    assert status(asked("POST", origin=origin)) == 403
    assert status(asked("POST", origin=origin, sec_fetch_site="same-origin")) == 403


def test_a_form_of_ours_is_taken_and_one_that_does_not_say_whose_it_is_is_not() -> None:
    for origin in ("http://127.0.0.1:8010", "http://localhost:8010", "https://queue.example.org", "https://other.example:444"):
        assert status(asked("POST", origin=origin)) == 200
    assert status(asked("POST", sec_fetch_site="same-origin")) == 200
    for site in ("none", "same-site", "cross-site", "SAME-ORIGIN, x"):
        assert status(asked("POST", sec_fetch_site=site)) == 403
    assert status(asked("POST")) == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x", "", f"{FORM}x", f"x, {FORM}"])
def test_only_a_form_is_taken(kind: str) -> None:
    assert status(asked("POST", origin="http://127.0.0.1:8010", content_type=kind)) == 415
    assert status(asked("POST", authorization="Bearer x", content_type=kind)) == 415
    assert status(asked("POST", origin="http://127.0.0.1:8010", content_type=f"{FORM.upper()}; charset=utf-8")) == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "PROPFIND"])
def test_only_three_verbs_are_understood(method: str) -> None:
    assert status(asked(method)) == 405


def test_a_part_of_another_page_is_refused_and_a_link_is_followed() -> None:
    for site in ("same-site", "cross-site"):
        assert status(asked(sec_fetch_site=site, sec_fetch_mode="no-cors", sec_fetch_dest="image")) == 403
        assert status(asked(sec_fetch_site=site, sec_fetch_mode="navigate", sec_fetch_dest="iframe")) == 403
        assert status(asked(sec_fetch_site=site, sec_fetch_mode="cors", sec_fetch_dest="empty")) == 403
        assert status(asked(sec_fetch_site=site, sec_fetch_mode="navigate", sec_fetch_dest="document")) == 200
    assert status(asked(sec_fetch_site="same-origin", sec_fetch_mode="cors")) == status(asked(sec_fetch_site="none", sec_fetch_mode="navigate")) == 200


def test_a_program_with_a_token_is_asked_for_no_origin() -> None:
    assert status(asked("POST", authorization="Bearer abc")) == 200
    assert status(asked("POST", authorization="Basic abc")) == 403
    assert bearer_of(asked(authorization="bearer  abc")) == "abc"
    assert [bearer_of(asked(authorization=value)) for value in ("Bearer", "Bearer ", "Bearer a b", "xBearer a", "Bearer ä")] == [None] * 5


def test_cookies_and_forms_are_taken_apart() -> None:
    request = asked(cookie=("a=1; litequeue_8010=x; litequeue_80100=y", "litequeue_8010 = z=1"))
    assert cookies_of(request, "litequeue_8010") == ["x", "z=1"]
    assert fields_of("a=1&b=&a=%C3%A4+b") == {"a": ("1", "ä b"), "b": ("",)}
    for wrong in ("a=%ff", "&".join(["a=1"] * 2001)):
        with pytest.raises(ValueError):
            fields_of(wrong)
