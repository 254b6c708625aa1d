"""A page of jobs: its order, its counts, what is newer, and how far was looked."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from litequeue.base.errors import InvalidArgument
from litequeue.base.search import parse
from litequeue.base.states import STATES
from litequeue.store import Store, counting
from litequeue.store.pages import jobs
from litequeue.store.pages.parts import Count
from litequeue.store.searching import finding

from ..searching.test_finding import a_query, is_meant
from .filled import NOW, execute, fill, rows_of

pytestmark = pytest.mark.beside


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store, random.Random(13), 600)
    return store


def test_the_pages_of_any_search_together_are_what_is_meant(filled: Store) -> None:
    rng, rows = random.Random(3), rows_of(filled)
    for _ in range(30):
        query = a_query(rng)
        meant = {row["id"] for row in rows if all(is_meant(row, term) for term in query.terms)}
        found: list[int] = []
        before: str | None = None
        while True:
            page = filled.pages.jobs(query, before, NOW)
            found += [info.id for info in page.rows]
            assert page.matching is None or page.matching == Count(len(meant)), query
            assert (page.looked_from, page.looked_down_to) == (None, None) and page.newest == 600
            before = page.next
            if before is None:
                break
        assert len(found) == len(set(found)) and set(found) == meant


@pytest.mark.parametrize(("text", "order"), [
    ("", "id"), ("state:running", "started"), ("state:available", "due"), ("state:scheduled", "due"), ("state:retrying", "due"), ("state:discarded,expired", "ended"),
    ("state:cancelled queue:mail", "ended"), ("state:succeeded", "id"), ("state:blocked", "id"), ("task:shop.pay", "id"), ("tag:import", "id"), ("state:running,available", "id"),
])  # fmt: skip
def test_the_order_that_is_said_is_that_of_the_rows(filled: Store, text: str, order: str) -> None:
    page = filled.pages.jobs(parse(text), None, NOW)
    keys = {
        "id": lambda info: -info.id, "started": lambda info: (-info.started_at.timestamp(), -info.id), "ended": lambda info: (-info.finished_at.timestamp(), -info.id),
        "due": lambda info: (-info.priority if text == "state:available" else 0, info.run_at, info.id),
    }  # fmt: skip
    assert page.order == order and [info.id for info in page.rows] == [info.id for info in sorted(page.rows, key=keys[order])] and page.rows


def test_no_job_is_available_and_the_order_is_still_said(store: Store) -> None:
    page = store.pages.jobs(parse("state:available"), None, NOW)
    assert (page.order, page.rows, page.matching, page.next, page.newest) == ("due", (), Count(0), None, 0)


def test_tabs_count_each_state_but_what_succeeded(filled: Store) -> None:
    states = Counter(row["state"] for row in rows_of(filled))
    tabs = filled.pages.jobs(parse("task:x"), None, NOW).tabs
    assert tabs == tuple((state, None if state == "succeeded" else Count(states[state])) for state in STATES)


@pytest.mark.parametrize(("text", "is_known"), [
    ("state:discarded", True), ("state:discarded,available", True), ("state:available queue:mail", True), ("state:succeeded", False), ("-state:discarded", False),
    ("state:available queue:mail,default", False), ("state:available queue:mail*", False), ("state:available -queue:mail", False), ("", False),
])  # fmt: skip
def test_how_many_match_is_said_where_an_index_tells(filled: Store, monkeypatch: pytest.MonkeyPatch, text: str, is_known: bool) -> None:
    monkeypatch.setattr(jobs, "ON_A_PAGE", 3)
    query = parse(text)
    many = sum(all(is_meant(row, term) for term in query.terms) for row in rows_of(filled))
    assert many > 3 and filled.pages.jobs(query, None, NOW).matching == (Count(many) if is_known else None)
    monkeypatch.setattr(counting, "MOST", 2)
    found = filled.pages.jobs(query, None, NOW).matching
    assert (found is not None) == is_known and (found is None or found.is_capped and found.number <= many)


def test_what_came_since_is_counted_if_it_matches(filled: Store) -> None:
    execute(filled, "INSERT INTO litequeue_jobs (task, queue) VALUES (?, 'mail')", [("new",), ("new",), ("other",)])
    newer = {text: filled.pages.jobs(parse(text), None, NOW, seen=600).newer for text in ("", "task:new", "state:available task:new", "state:running", "id:1..601", "-task:new")}
    assert newer == {"": 3, "task:new": 2, "state:available task:new": 2, "state:running": 0, "id:1..601": 1, "-task:new": 1}
    assert filled.pages.jobs(parse(""), None, NOW, seen=603).newer == 0 == filled.pages.jobs(parse(""), None, NOW, seen=10**9).newer
    assert filled.pages.jobs(parse(""), None, NOW).newer == 0
    assert filled.pages.jobs(parse(""), None, NOW, seen=-(10**30)).newer > 400


def test_a_search_whose_time_is_up_says_how_far_it_looked(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "SMALLEST", 40)
    monkeypatch.setattr(finding, "LARGEST", 40)
    ticks = iter(range(10**6))
    monkeypatch.setattr(finding, "monotonic", lambda: float(next(ticks)))
    page = filled.pages.jobs(parse("error:nowhere"), None, NOW)
    assert page.rows == () and page.matching is None and page.looked_from == 600 and page.next is not None
    assert page.looked_down_to == int(page.next) and 540 < page.looked_down_to < 600
    then = filled.pages.jobs(parse("error:nowhere"), page.next, NOW)
    assert then.looked_from == page.looked_down_to - 1 and then.looked_down_to is not None and then.looked_down_to < page.looked_down_to


def test_a_place_that_is_none_is_refused(filled: Store) -> None:
    with pytest.raises(InvalidArgument, match="no place to go on from"):
        filled.pages.jobs(parse(""), "x", NOW)
