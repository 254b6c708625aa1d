from __future__ import annotations

from litequeue.web import frame
from litequeue.web.messages import Request

from . import samples
from .every import made, request
from .markup import Page


def test_the_sidebar_counts_and_says_where_one_is() -> None:
    page = Page(made("/queues/mail").body)
    (current,) = [found for found in page.of("a") if found.get("aria-current") == "page"]
    assert current["href"] == "../queues" and current["data-go"] == "q"
    assert "1.2M" in page.text and "214 MB, 3.1 MB log" in page.text and "read-only" in page.text
    assert "actions allowed" in Page(made("/queues/mail", may_act=True).body).text


def test_a_count_of_nothing_is_not_shown() -> None:
    answer = frame.page(request(), samples.frame(flows=0, failures=samples.Count(0)), "x")
    assert b"n-flows" not in answer.body and b"n-failures" not in answer.body and b"n-queues" in answer.body


def test_a_page_that_was_slow_to_read_says_so() -> None:
    assert b"read in 1.2 s" in frame.page(request(), samples.frame(took=1.2), "x").body
    assert b"read in" not in frame.page(request(), samples.frame(took=0.1), "x").body


def test_the_range_is_chosen_by_links_that_keep_the_rest_of_the_query() -> None:
    shown = frame.ranges(Request("GET", "/failures", {"range": "24h", "x": "1", "part": "main"}), "24h")
    assert 'href="./failures?x=1&amp;range=30d"' in shown and 'href="./failures?x=1"' in shown
    assert 'href="./failures?x=1&amp;range=24h" aria-current="true"' in shown


def test_searches_are_suggested() -> None:
    options = {found["value"] for found in Page(made("/").body).of("option")}
    assert {"state:", "state:discarded", "queue:mail", "task:shop.charge", "args."} <= options


def test_every_key_is_told() -> None:
    text = Page(made("/").body).text
    for word in ("search", "run again", "cancel", "pause the updates"):
        assert word in text
