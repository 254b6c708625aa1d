from __future__ import annotations

import pytest

from litequeue.store.pages.records import JobPage
from litequeue.web.pages import job

from .. import samples
from ..every import made, request
from ..markup import Page


def shown(view: JobPage, *, may_act: bool = False) -> Page:
    return Page(job.job(view, samples.frame(), request(f"/jobs/{view.job.id}", may_act=may_act)).body)


def test_why_it_ended_stands_at_the_top() -> None:
    page = shown(samples.job_page())
    assert "TimeoutError: cdn-2.example: read timed outThe third of 3 attempts failed. 61 jobs ended with this error. See all 61" in page.text
    assert page.of("section", aria_label="Why it ended")
    assert page.text.index("See all 61") < page.text.index("Life") < page.text.index("Traceback")


def test_why_it_waits_stands_in_the_place_of_the_error() -> None:
    page = shown(samples.waiting_job_page())
    assert "It waits: its queue mail is paused" in page.text and page.of("section", aria_label="How it stands")
    assert not page.of("section", aria_label="Error")


@pytest.mark.parametrize(
    ("given", "words"),
    [({"state": "cancelled", "last_error": None}, "It was cancelled."), ({"state": "expired", "last_error": None}, "Its time was over before it started."),
     ({"state": "retrying", "run_at": samples.before(-180)}, "It is tried again in 3 min."), ({"max_attempts": 1}, "Its only attempt failed.")],
)  # fmt: skip
def test_each_end_has_its_words(given: dict[str, object], words: str) -> None:
    assert words in shown(samples.job_page(samples.job(**given))).text


def test_who_is_to_blame_is_a_link() -> None:
    page = shown(samples.job_page(samples.job(state="cancelled"), cause=12))
    assert "It waited for job 12, which did not succeed." in page.text and page.of("a", href="../jobs/12")
    assert "Job 468,099 has its key." in shown(samples.running_job_page()).text


def test_one_that_succeeded_has_nothing_to_explain() -> None:
    page = shown(samples.job_page(samples.job(state="succeeded", last_error="an early error", result="42", attempts=())))
    assert not page.of("section", aria_label="Why it ended") and page.of("section", aria_label="Result")


def test_everything_that_a_job_can_have_is_there() -> None:
    text = shown(samples.running_job_page()).text
    for words in ("1,200 of 4,800", "left: sending mails", "Müller", "charge", "waits for the event order-paid", "order:8812", "stripe:eu", "at most once", "nightly-backup",
                  "flow 7", "It waited for, 1 of 3", "For it wait", "peak 48 MB", "Cancel asked", "2, 1 failed"):  # fmt: skip
        assert words in text, words


def test_each_attempt_has_its_error_and_the_last_one_is_open() -> None:
    page = shown(samples.job_page())
    assert "Show every frame" in page.text and "Attempt 2, failed, 14:05:11" in page.text and "Attempt 1, failed" in page.text
    assert page.source.count("own hit") == 3


def test_whole_texts_have_addresses() -> None:
    hrefs = {found["href"] for found in shown(samples.running_job_page()).of("a")}
    assert {f"../jobs/468100/{name}.txt" for name in ("args", "result", "log")} <= hrefs


def test_the_command_stands_where_no_button_may() -> None:
    page = shown(samples.job_page())
    assert page.of("button", data_copy="litequeue retry /srv/shop/db.sqlite 482071", data_key="r")
    assert "litequeue retry /srv/shop/db.sqlite 482071" in page.text
    acting = shown(samples.job_page(), may_act=True)
    assert acting.of("form", method="post", action="../jobs/act") and acting.of("input", name="op", value="retry") and acting.of("input", name="id", value="482071")
    assert acting.of("button", data_key="r", data_ask="Run again: job 482,071?")


def test_one_that_is_being_cancelled_is_not_to_be_cancelled_again() -> None:
    assert not shown(samples.running_job_page(), may_act=True).of("input", name="op")


def test_the_shape_of_its_page_is_that_of_every_job() -> None:
    for path in ("/jobs/482071", "/jobs/468100", "/jobs/482300"):
        text = Page(made(path).body).text
        assert text.index("Arguments") < text.index("Facts")
