from __future__ import annotations

import pytest

from litequeue.store.pages.parts import Count, LiveState, Reason
from litequeue.web.pages import overview, reasons

from .. import samples
from ..every import QUIET, made, request
from ..markup import Page


def test_its_sentence_comes_before_the_numbers() -> None:
    assert overview.sentence(samples.overview(), samples.NOW) == "Two things want a look. Everything else is well."
    assert overview.sentence(samples.overview(reasons=samples.overview().reasons[:1]), samples.NOW) == "One thing wants a look. Everything else is well."
    well = samples.overview(reasons=(), states=(LiveState("available", Count(3), samples.before(0.42)),))
    assert overview.sentence(well, samples.NOW) == "All is well: 3 workers, 1,205 jobs a minute, none waits longer than 0.4 s."
    assert overview.sentence(samples.overview(reasons=(), states=()), samples.NOW).endswith("none waits.")
    assert overview.sentence(samples.overview(reasons=(), states=(), workers=()), samples.NOW) == "No worker runs, and no job waits for one."


SAID = {
    Reason("paused", "mail", 3380, samples.before(1580)): "queue mail is paused since 14:02, 3,380 jobs wait in it",
    Reason("paused", "mail", 0, samples.before(1580)): "queue mail is paused since 14:02",
    Reason("no-worker", jobs=1): "no worker serves this file, 1 job waits",
    Reason("late", "tick", since=samples.before(1800)): "tick is late: its tick of 13:58 has not come",
    Reason("missed", "stock-sync", 0, samples.before(1710), "nobody with its code ran"): "stock-sync missed its tick of 14:00: nobody with its code ran",
    Reason("disabled", "x", text="its trigger raised"): "x is disabled: its trigger raised",
    Reason("no-code", "t", 2, text="No module named 't'"): "t has no code here, 2 jobs wait: No module named 't'",
    Reason("untold", jobs=2, id=12): "2 failures could not be told to anybody, the last by job 12",
    Reason("frozen", "web1", id=3, since=samples.before(21)): "worker web1 is frozen since 14:28",
    Reason("dead", "web1", id=3): "worker web1 is dead",
    Reason("stuck", "web1", id=3): "worker web1 has no slot left: jobs run on past their timeout",
    Reason("disk", jobs=512_000_000): "the disk has 512 MB left",
    Reason("alert", "mail-late", 0, samples.before(1580), "mail's oldest job waits over 5 minutes (8 min)"): "alert mail-late fires since 14:02: mail's oldest job waits over 5 minutes (8 min)",
    Reason("failures", jobs=1): "1 job was discarded in the last hour",
}


@pytest.mark.parametrize("reason", SAID, ids=lambda reason: reason.kind)
def test_each_reason_in_one_clause_with_a_link(reason: Reason) -> None:
    shown = reasons.said(reason, request(), samples.NOW)
    page = Page(shown.encode())
    assert page.text == SAID[reason]
    assert len(page.of("a")) == 1 and page.of("a")[0]["href"].startswith("./")


def test_there_is_no_reason_without_words() -> None:
    assert {reason.kind for reason in SAID} == set(reasons._SAID)


def test_five_numbers_each_with_its_line() -> None:
    page = Page(made("/").body)
    for text in ("Throughput1,205jobs/min72,318 in the last hour", "Wait48ms median95 % within 610 ms", "Failed attempts2.0%↑ from 0.7 % the hour before", "Waiting3,412jobsoldest due for 14 min", "Busy slots9of 243 workers"):
        assert text in page.text, text
    assert len(page.of("div", class_="kpi")) == 5


def test_more_reasons_than_can_be_said_are_counted() -> None:
    many = tuple(Reason("paused", f"q{n}") for n in range(9))
    text = Page(overview.overview(samples.overview(reasons=many), samples.frame(), request()).body).text
    assert "Nine things want a look." in text and "and 5 more" in text and "q3" in text and "queue q4 " not in text


def test_an_empty_file_says_what_to_do_next() -> None:
    text = Page(overview.overview(QUIET, samples.frame(), request()).body).text
    for words in ("litequeue demo", "litequeue worker /srv/shop/db.sqlite", "litequeue schedule add /srv/shop/db.sqlite nightly", "No job was discarded in the last hour"):
        assert words in text
