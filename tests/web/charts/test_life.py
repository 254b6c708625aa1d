from __future__ import annotations

import re

from litequeue.web.charts import life

from ..samples import NOW, before, lanes

BEGIN, END = before(1579), before(825)


def pieces(markup: str, kind: str) -> list[tuple[float, float]]:
    return [(float(x), float(width)) for x, width in re.findall(rf'class="seg-{kind}" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', markup)]


def test_each_attempt_is_a_lane_on_one_axis() -> None:
    shown = life.life(lanes(), BEGIN, END, NOW)
    assert pieces(shown, "wait") == [(0, 33.4), (114.6, 4.8), (574.5, 3.2)]
    assert pieces(shown, "run") == [(33.4, 23.9), (119.4, 23.9), (577.7, 22.3)]
    assert len(pieces(shown, "bad")) == 3
    assert shown.count("seg-back") == 2, "it backed off twice"
    assert 'aria-label="Attempt 1 waited 42.0 s and ran 30.0 s and failed"' in shown
    assert ">14:02:11<" in shown and ">14:14:45<" in shown and ">+3 min<" in shown


def test_nothing_is_drawn_outside_of_the_axis() -> None:
    odd = (lanes()[0]._replace(due_at=before(9999), ended_at=NOW), lanes()[1]._replace(started_at=NOW, ended_at=before(9999)))
    shown = life.life(odd, BEGIN, END, NOW)
    for kind in ("wait", "run", "bad"):
        for x, width in pieces(shown, kind):
            assert x >= 0 and width >= life.LEAST and x + width <= life.WIDTH + 0.11


def test_one_that_runs_and_one_that_waits_have_no_end() -> None:
    running = lanes()[0]._replace(outcome="running", ended_at=None)
    shown = life.life((running,), BEGIN, NOW, NOW)
    assert not pieces(shown, "bad") and life.said(running, NOW) == "Attempt 1 waited 42.0 s and ran 25 min"
    waiting = running._replace(started_at=None, worker=None)
    assert ">waits<" in life.life((waiting,), BEGIN, NOW, NOW) and life.ran(waiting, NOW) is None


def test_a_life_of_no_time_and_one_of_many_attempts_are_drawn() -> None:
    life.life((lanes()[0]._replace(due_at=None, started_at=BEGIN, ended_at=BEGIN),), BEGIN, BEGIN, NOW)
    many = tuple(lanes()[0]._replace(attempt=n) for n in range(1, 101))
    shown = life.life(many, BEGIN, END, NOW)
    assert shown.count("<li ") == life.MOST_LANES and "attempt 100" in shown and "attempt 70<" not in shown


def test_its_key_tells_of_what_is_to_be_seen() -> None:
    assert "failed" in life.keys(lanes()) and "backed off" in life.keys(lanes())
    assert "failed" not in life.keys((lanes()[0]._replace(outcome="succeeded"),))


def test_one_that_waits_for_its_next_attempt_backs_off_until_what_is_shown_ends() -> None:
    failed = lanes()[0]
    again = life.life((failed,), BEGIN, NOW, NOW, before(-3600))
    assert re.search(rf'class="seg-back" x1="[\d.]+" x2="{life.WIDTH:g}"', again)
    assert "seg-back" not in life.life((failed,), BEGIN, NOW, NOW)
    assert "backed off" in life.keys((failed,), before(-3600)) and "backed off" not in life.keys((failed,))
