from __future__ import annotations

import dataclasses
import re

from litequeue.base.checks import aware
from litequeue.base.search import parse
from litequeue.base.states import STATES
from litequeue.store.rules import FOREVER
from litequeue.web.pages import jobs, rows

from .. import samples
from ..every import EMPTY_JOBS, request
from ..markup import Page


def shown(text: str = "state:discarded age:<1d", *, may_act: bool = False, **given: object) -> Page:
    return Page(jobs.jobs(samples.jobs_page(text, **given), samples.frame(), request("/jobs", may_act=may_act, q=text)).body)


def test_a_tab_is_a_word_with_its_count_and_keeps_the_rest_of_the_search() -> None:
    page = shown("state:discarded task:shop.*")
    tabs = page.text.partition("all")[2]
    assert "running 9" in tabs and "available 10,000+" in tabs and "succeeded" in tabs
    (current,) = [found for found in page.of("a", aria_current="true")]
    assert current["href"] == "./jobs?q=task%3Ashop.%2A+state%3Adiscarded"
    assert page.of("a", href="./jobs?q=task%3Ashop.%2A"), "all"


def test_which_states_a_search_is_limited_to() -> None:
    for text, states in (("task:x", None), ("state:running,available", {"running", "available"}), ("state:running state:expired", set())):
        assert jobs.states_of(parse(text)) == states
    assert jobs.states_of(parse("-state:running")) == {*STATES} - {"running"}


def test_each_term_can_be_taken_away() -> None:
    chips = shown().of("a", class_="chip")
    assert [chip["aria-label"] for chip in chips] == ["Search without state:discarded", "Search without age:<1d"]
    assert [chip["href"] for chip in chips] == ["./jobs?q=age%3A%3C1d", "./jobs?q=state%3Adiscarded"]


def test_a_row_says_what_matters_of_a_job() -> None:
    source = shown().source
    row = next(row for row in re.findall(r"<tr class=\"two\".*?</tr>", source) if "job-482071" in row)
    text = Page(f"<html><body><table><tbody>{row}</tbody></table></body></html>".encode()).text
    assert text == "images.thumbnail #482,071TimeoutError: cdn-2.example: read timed outdiscardedimages3/328.0 s13 min ago"


def test_arguments_stand_where_there_is_no_error_and_secret_ones_do_not() -> None:
    text = shown(rows=(samples.job(1, "running", last_error=None, finished_at=None),)).text
    assert '{"path":"uploads/2026' in text or '{"path": "uploads/2026' in text
    assert "sk_live_1" not in text


def test_newer_jobs_are_told_and_do_not_move_the_rows() -> None:
    page = shown()
    assert "2 newer jobs: show them" in page.text and page.of("a", class_="news")[0]["href"] == "./jobs?q=state%3Adiscarded+age%3A%3C1d"
    assert not shown(newer=0).of("a", class_="news")
    assert page.of("section", data_newest="482119")


def test_a_search_that_stopped_early_says_how_far_it_came() -> None:
    page = shown(looked_from=1_000_000, looked_down_to=941_200, matching=None, rows=samples.jobs_page().rows[:3], next="941200")
    assert "looked at jobs 1,000,000 to 941,200: 3 found" in page.text
    (onward,) = page.of("a", rel="next")
    assert onward["href"] == "./jobs?q=state%3Adiscarded+age%3A%3C1d&before=941200" and "Look further" in page.text


def test_what_may_be_done_is_offered_where_something_may_be_done() -> None:
    page = shown(may_act=True)
    assert [(found["name"], found["value"]) for found in page.of("button", type="submit") if found.get("name")] == [("op", "retry"), ("op", "cancel"), ("op", "purge"), ("all", "retry")]
    assert "Run all 308 that match again" in page.text
    assert len(page.of("input", name="id")) == 10 and page.of("input", aria_label="Select job 482,119")
    assert page.of("input", name="q", type="hidden", value="state:discarded age:<1d")
    running = shown(may_act=True, rows=(samples.job(1, "running"),), matching=None)
    assert [found["value"] for found in running.of("button", name="op")] == ["cancel"]
    assert not shown().of("input", name="id")


def test_nothing_found_says_what_to_do() -> None:
    assert "litequeue demo" in Page(jobs.jobs(EMPTY_JOBS, samples.frame(), request("/jobs")).body).text
    assert "No job matches" in shown(rows=(), matching=None, next=None).text
    assert "None of these so far" in shown(rows=(), matching=None, looked_down_to=5, looked_from=9).text


def test_the_order_is_told_to_who_cannot_see_the_arrow() -> None:
    assert shown().of("th", aria_sort="descending") and shown(order="due").of("th", aria_sort="ascending")
    assert not [found for found in shown(order="id").of("th") if "aria-sort" in found]


def test_one_that_waits_for_an_event_without_an_end_is_due_never() -> None:
    (job, *_) = samples.jobs_page().rows
    waits = dataclasses.replace(job, state="scheduled", run_at=aware(FOREVER))
    assert rows.time_of(waits) is None and rows.time_of(dataclasses.replace(waits, run_at=aware(FOREVER - 1_000_000))) is not None
