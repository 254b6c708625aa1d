from __future__ import annotations

import pytest

from litequeue.web import values

from . import samples
from .every import request


def test_a_state_is_a_word_a_shape_and_a_colour() -> None:
    shown = values.state("discarded")
    assert "<svg" in shown and ">discarded</span>" not in shown.partition("</svg>")[0] and 'class="st discarded"' in shown
    assert values.state("<odd>").endswith("<bdi>&lt;odd&gt;</bdi></span>"), "planted in a row"


def test_a_moment_says_which_it_is_and_goes_on() -> None:
    assert values.moment(samples.before(120), samples.NOW) == '<time datetime="2026-11-25T14:26:30+00:00" title="2026-11-25 14:26:30 +0000" data-ago>2 min ago</time>'
    assert values.moment(samples.before(120), samples.NOW, form="clock").endswith(">14:26:30</time>")
    assert values.moment(None, samples.NOW) == ""


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [('{"argv": ["rsync", "-a"]}', "litequeue.command (rsync)"), ('{"command": "pg_dump mydb"}', "litequeue.command (pg_dump)"), ('{"command": ""}', "litequeue.command"),
     ("[1", "litequeue.command"), ('{"argv": []}', "litequeue.command"), ('{"argv": [1]}', "litequeue.command"), ("null", "litequeue.command")],
)  # fmt: skip
def test_of_a_command_its_first_word_says_more_than_the_task(kwargs: str, text: str) -> None:
    assert values.task_of(samples.job(task="litequeue.command", kwargs=kwargs, secret=None)) == text


def test_a_command_to_copy_can_be_typed_into_a_shell() -> None:
    frame = samples.frame(path="/srv/my shop/db.sqlite")
    assert values.command(frame, "retry", "482071") == "litequeue retry '/srv/my shop/db.sqlite' 482071"
    assert values.command(frame, "schedule run", "a'b; rm -rf /") == "litequeue schedule run '/srv/my shop/db.sqlite' 'a'\"'\"'b; rm -rf /'"


def test_a_form_that_acts_carries_the_token() -> None:
    shown = values.form(request(may_act=True), "../jobs/act", values.hidden("op", "retry"))
    assert shown.startswith('<form method="post" action="../jobs/act"') and 'name="form_token" value="token-of-the-form"' in shown


def test_facts_that_are_not_known_are_left_out() -> None:
    assert values.facts(("A", None), ("B", ""), ("C", 0), ("D", "x")) == '<dl class="facts"><dt>C</dt><dd>0</dd><dt>D</dt><dd>x</dd></dl>'
