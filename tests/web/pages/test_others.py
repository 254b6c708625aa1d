"""What each of the smaller pages has to say."""

from __future__ import annotations

import dataclasses

import pytest

from litequeue.web.pages import (
    acting,
    doctor,
    failures,
    queues,
    schedules,
    trouble,
    workers,
)

from .. import samples
from ..every import made, request
from ..markup import Page


def text(path: str, *, may_act: bool = False) -> str:
    return Page(made(path, may_act=may_act).body).text


def test_failures_are_groups_that_can_be_run_again_as_a_whole() -> None:
    page = Page(made("/failures", may_act=True).body)
    assert "73 jobs discarded in the last hour" in page.text and "Run 61 again" in page.text
    assert page.of("input", name="all", value="retry") and page.of("input", name="q")[1]["value"].startswith("state:discarded task:images.thumbnail")
    assert Page(made("/failures").body).of("button", data_copy="litequeue retry /srv/shop/db.sqlite 'state:discarded task:shop.charge error:\"insufficient_funds\"'")
    capped = dataclasses.replace(samples.failures_page(), jobs=samples.Count(5000, True))
    assert "the last 5,000 that were discarded" in Page(failures.failures(capped, samples.frame(), request("/failures")).body).text


def test_a_queue_that_is_paused_says_so_and_how_to_go_on() -> None:
    assert "Paused since 14:02.3,380 jobs wait here until it is resumed." in text("/queues/mail")
    assert "litequeue resume /srv/shop/db.sqlite mail" in text("/queues/mail")
    assert Page(made("/queues/mail", may_act=True).body).of("form", action="../queues/mail/resume", method="post")
    going = dataclasses.replace(samples.queue_page(), row=samples.queues()[0])
    page = Page(queues.queue(going, samples.frame(), request("/queues/default", may_act=True)).body)
    assert page.of("form", action="../queues/default/pause", method="post") and "Paused since" not in page.text


def test_a_queue_that_nobody_serves_says_so() -> None:
    alone = dataclasses.replace(samples.queue_page(), served_by=())
    assert "Served byno worker" in Page(queues.queue(alone, samples.frame(), request("/queues/mail")).body).text


def test_a_task_says_who_lacks_its_code_and_where_it_is() -> None:
    for words in ("Cannot run itweb1-2212No module named 'images'", "Moduleshop.images", "Directory/srv/shop", "median 48 ms, 95 % within 610 ms", "How long it waits"):
        assert words in text("/tasks/images.thumbnail")
    assert "1 worker cannot run it" in text("/tasks") and "no producer has recorded" not in text("/tasks").partition("shop.charge")[0]


def test_a_worker_says_what_is_odd_about_it() -> None:
    assert "no beat for 21 s" in text("/workers") and "2 d2 h ago" in text("/workers")
    odd = dataclasses.replace(samples.worker_page(), row=samples.workers()[2])
    stuck = dataclasses.replace(odd, row=dataclasses.replace(odd.row, info=dataclasses.replace(odd.row.info, stuck={"thread": 8})))
    page = Page(workers.worker(stuck, samples.frame(), request("/workers/5")).body)
    assert "all thread slots are held by jobs that run on past their timeout: restart it" in page.text and "2 of 8, 8 stuck" in page.text


def test_a_schedule_shows_the_stored_next_time_in_its_own_zone() -> None:
    page = Page(made("/schedules/nightly-backup").body)
    assert "in the time of Europe/Berlin" in page.text and "26 Nov 02:28in 11 h" in page.text, "01:28 in UTC"
    assert "The last 60 ticks: 5 failed, 5 missed, 5 late, 5 skipped and 40 well" in page.source
    assert "nobody with its code ran" in page.text


def test_a_schedule_in_a_zone_that_there_is_not_is_shown_all_the_same() -> None:
    for zone in ("Nowhere/At", "../../etc/passwd", "", "\x00"):
        assert "25 Nov" not in schedules.zoned(samples.NOW, zone, samples.NOW)
        assert "14:28" in schedules.zoned(samples.NOW, zone, samples.NOW)


@pytest.mark.parametrize(("state", "words"), [("paused", "It is paused: no tick comes."), ("disabled", "It is disabled: no tick comes until it is mended and resumed.its trigger raised")])
def test_a_schedule_that_does_not_fire_says_why(state: str, words: str) -> None:
    row = samples.ScheduleRow(samples.schedule("x", "every hour", state, why="its trigger raised" if state == "disabled" else None, next_tick=None), None, ())
    page = Page(schedules.schedule(dataclasses.replace(samples.schedule_page(), row=row), samples.frame(), request("/schedules/x", may_act=True)).body)
    assert words in page.text and page.of("form", action="../schedules/x/resume") and page.of("form", action="../schedules/x/run")


def test_a_flow_is_drawn_and_stands_in_a_table_too() -> None:
    page = Page(made("/flows/7").body)
    assert len(page.of("ol")) == 4 and "#107 shop.reportblocked#105, #106, #101" in page.text
    assert page.of("div", aria_label="7 jobs in 4 layers")


def test_a_large_flow_is_counted_by_layer_and_task() -> None:
    page = Page(made("/flows/8").body)
    assert "shop.part25,000succeeded 4,000 running 8 blocked 990 discarded 2" in page.text
    assert page.of("a", href="../jobs?q=flow%3A8+task%3Ashop.part+state%3Adiscarded")


def test_the_doctors_worst_comes_first_with_what_to_do() -> None:
    page = Page(made("/doctor").body)
    assert "One thing is wrong." in page.text and page.text.index("frozen") < page.text.index("is paused, and") < page.text.index("no damage")
    assert page.of("button", data_copy="kill -CONT 2212")
    well = dataclasses.replace(samples.doctor_page(), findings=samples.doctor_page().findings[:2])
    assert "Nothing is wrong; 1 note." in Page(doctor.doctor(well, samples.frame(), request("/doctor")).body).text


def test_a_bulk_action_shows_the_count_first() -> None:
    page = Page(made("/jobs/act", may_act=True).body)
    assert "Run 61 jobs again?" in page.text and "by the search state:discarded task:images.thumbnail" in page.text
    fields = {found["name"]: found["value"] for found in page.of("input", type="hidden")}
    assert fields == {"form_token": "token-of-the-form", "op": "retry", "count": "61", "confirm": "yes", "q": "state:discarded task:images.thumbnail"}
    ids = Page(made("/jobs/act?ids", may_act=True).body)
    assert [found["value"] for found in ids.of("input", name="id")] == ["1", "2", "3"] and "Delete 61 jobs for good?" in ids.text
    assert "50 jobs run again" in text("/jobs/act?done") and "there are 80 of them now" in text("/jobs/act?done")


def test_an_action_that_there_is_not_is_refused() -> None:
    with pytest.raises(KeyError):
        acting.act(samples.act_page(op="format"), samples.frame(), request("/jobs/act"))


def test_trouble_says_what_was_given_and_what_there_is() -> None:
    assert made("/missing").status == 404 and "There is no job 12 in this file." in text("/missing")
    assert made("/wrong").status == 400 and "args.NAME:" in text("/wrong")
    assert Page(made("/wrong").body).of("input", name="q", value="foo:1")
    answer = trouble.failed("the file is busy", samples.frame(), request("/jobs/12"))
    assert answer.status == 503 and Page(answer.body).of("a", href="../jobs/12")
