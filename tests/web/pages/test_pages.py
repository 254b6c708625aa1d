"""What holds for every page: well-formed, nothing of a stranger's in it, nothing from elsewhere, nothing that its policy forbids."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from litequeue.web.messages import Request

from .. import samples
from ..every import PAGES, filled, made, request
from ..markup import Page

HOSTILE = "<img src=x onerror=alert(1)>\"'\u202e\x00\ud800&amp;"
# A record whose texts are all the same hostile one; and those of which the states are what they can be, so that each branch is taken.
STATES = frozenset({"state", "job_state", "outcome", "level", "states", "tabs"})


@pytest.mark.parametrize("may_act", [False, True])
@pytest.mark.parametrize("path", PAGES)
def test_it_is_well_formed_and_has_no_style_no_script_and_no_address_elsewhere(path: str, may_act: bool) -> None:
    page = Page(made(path, may_act=may_act).body)
    assert page.wrong == []
    assert [found["src"].partition("?")[0].removeprefix("../").removeprefix("../").removeprefix("./") for found in page.of("script")] == ["static/app.js"]
    assert not page.of("iframe") and not page.of("style") and not page.of("object")
    assert "://" not in re.sub(r"https://cdn-2\.example\S*", "", page.source)  # which a job has printed


@pytest.mark.parametrize("but", [frozenset(), STATES], ids=["all", "all but states"])
@pytest.mark.parametrize("path", PAGES)
def test_what_others_wrote_is_text_and_nothing_else(path: str, but: frozenset[str]) -> None:
    maker, view = PAGES[path]
    for may_act in (False, True):
        asked = request(path, may_act=may_act)
        body = maker(filled(view, HOSTILE, but), filled(samples.frame(), HOSTILE), asked).body
        page = Page(body)
        assert page.wrong == []
        assert not page.of("img") and "<img" not in page.source
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08]", page.source)
        assert "\\u202e" in page.text and "<img src=x onerror=alert(1)>" in page.text


@pytest.mark.parametrize("field", ["args", "kwargs", "result", "headers"])
def test_json_that_holds_markup_is_text_too(field: str) -> None:
    page = Page(PAGES["/jobs/468100"][0](samples.job_page(samples.job(secret=None, **{field: json.dumps({HOSTILE[:-6]: [HOSTILE[:-6]]})})), samples.frame(), request("/jobs/1")).body)
    assert page.wrong == [] and not page.of("img")
    assert "<img src=x onerror=alert(1)>" in page.text


def test_what_was_searched_for_comes_back_as_text() -> None:
    maker, view = PAGES["/jobs"]
    asked = Request("GET", "/jobs", {"q": HOSTILE, "before": HOSTILE, "seen": HOSTILE, "x<y": HOSTILE})
    assert Page(maker(view, samples.frame(), asked).body).wrong == []
    maker, _ = PAGES["/wrong"]
    assert Page(maker(HOSTILE, samples.frame(), asked).body).wrong == []


@pytest.mark.parametrize("path", PAGES)
def test_secret_arguments_are_nowhere(path: str) -> None:
    source = made(path).body
    assert b"sk_live_1" not in source and b"sk_live_1" not in made(path, may_act=True).body


def test_and_not_in_what_errors_say_of_them() -> None:
    info = samples.job()
    told = dataclasses.replace(info, last_error="no such key sk_live_1", attempts=tuple(dataclasses.replace(each, traceback="x sk_live_1", error_message="sk_live_1") for each in info.attempts))
    for page, view in ((PAGES["/jobs/482071"][0], samples.job_page(told)), (PAGES["/jobs"][0], samples.jobs_page(rows=(told,)))):
        assert b"sk_live_1" not in page(view, samples.frame(), request("/jobs/1")).body


@pytest.mark.parametrize("path", PAGES)
def test_only_who_may_act_is_shown_forms_that_act(path: str) -> None:
    acting = [found for found in Page(made(path).body).of("form") if found.get("method") == "post"]
    assert acting == []
    page = Page(made(path, may_act=True).body)
    posts = [found for found in page.of("form") if found.get("method") == "post"]
    assert len(page.of("input", name="form_token", value="token-of-the-form")) == len(posts)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_is_open_can_ask_for_its_inside_alone(path: str) -> None:
    part, whole = made(path, part=True).body, made(path).body
    assert part.startswith(b"<main") and part.endswith(b"</main>") and Page(part).wrong == []
    assert part in whole, "what comes is what the page has"


@pytest.mark.parametrize("path", PAGES)
def test_it_has_its_landmarks_one_heading_and_tables_with_heads(path: str) -> None:
    page = Page(made(path, may_act=True).body)
    assert len(page.of("main")) == len(page.of("h1")) == len(page.of("nav", class_="nav")) == 1
    assert page.tags[0] == ("html", {"lang": "en"}) and page.of("title")
    assert page.of("a", href="#main") and page.of("main", id="main")
    assert all("scope" in found for found in page.of("th"))
    for tag, found in page.tags:
        if found.get("role") == "img":
            assert len(found["aria-label"]) > 8, tag
    assert not [found for _, found in page.tags if "aria-live" in found] and len(page.of("p", role="status")) == 1, "only what the script says is read aloud"
    live = [found["data-live"] for _, found in page.tags if "data-live" in found]
    assert len(live) == len(set(live)), "two blocks have one name"


@pytest.mark.parametrize(("path", "size"), [("/", 80_000), ("/jobs", 60_000), ("/jobs/482071", 60_000), ("/failures", 40_000)])
def test_it_is_small(path: str, size: int) -> None:
    assert len(made(path, may_act=True).body) < size


def test_links_climb_to_the_root_from_wherever_a_page_lies() -> None:
    for path, root in (("/", "./"), ("/jobs", "./"), ("/jobs/482071", "../"), ("/queues/mail", "../")):
        page = Page(made(path).body)
        assert page.of("a", class_="brand")[0]["href"] == root
        assert page.of("body")[0]["data-root"] == root
        assert page.of("link", rel="stylesheet")[0]["href"].startswith(f"{root}static/app.css")
