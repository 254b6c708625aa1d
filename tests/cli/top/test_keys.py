"""What a key does, from state to state."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from litequeue.base.search import parse
from litequeue.cli.top import keys
from litequeue.cli.top.keys import Step, press
from litequeue.cli.top.state import (
    Chosen,
    Deed,
    Shown,
    State,
    chosen,
    names_of,
)
from litequeue.store.pages.records import QueuesPage, SchedulesPage, WorkersPage

from ...web import samples

PAGES: dict[str, Any] = {
    "overview": samples.overview(), "jobs": samples.jobs_page(), "queues": samples.queues_page(), "workers": samples.workers_page(), "schedules": samples.schedules_page(),
}  # fmt: skip


def shown(state: State) -> Shown:
    return Shown(samples.NOW, samples.job_page() if state.job is not None else PAGES[state.view])


def after(*pressed: str, state: State = State()) -> Step:  # noqa: B008 - it does not change
    """The last step; each key sees the page of the state before it."""
    step = Step(state)
    for key in pressed:
        step = press(step.state, key, shown(step.state))
    return step


def test_views_have_numbers_and_letters_and_follow_each_other() -> None:
    for number, (letter, view) in enumerate(zip("ojqws", PAGES, strict=True), 1):
        assert after(str(number)).state.view == view == after("g", letter).state.view and after(str(number)).effect == "read"
    assert [after(*["tab"] * n).state.view for n in range(6)] == [*PAGES, "overview"] and after("backtab").state.view == "schedules"
    assert after("g", "x").state == State() and after("g", "5").state == State(), "another letter is nothing"


def test_the_chosen_row_is_kept_by_its_name_when_the_list_moves() -> None:
    state = after("2", "j", "j").state
    assert chosen(state, PAGES["jobs"]) == (481_977, 2)
    moved = samples.jobs_page(rows=(samples.job(1), samples.job(2), *PAGES["jobs"].rows))
    assert chosen(state, moved) == (481_977, 4)
    without = samples.jobs_page(rows=tuple(row for row in PAGES["jobs"].rows if row.id != 481_977))
    assert chosen(state, without) == (481_204, 2), "the one that has come into its place"
    assert chosen(state, samples.jobs_page(rows=without.rows[:1])) == (482_119, 0) and chosen(state, samples.jobs_page(rows=())) is None


@pytest.mark.parametrize(("pressed", "place"), [(("end",), 9), (("G", "k"), 8), (("pgdn",), 9), (("end", "home"), 0), (("k",), 0), (("j", "down", "up"), 1)])
def test_one_moves_within_the_rows(pressed: tuple[str, ...], place: int) -> None:
    found = chosen(after("2", *pressed).state, PAGES["jobs"])
    assert found is not None and found.place == place


def test_nothing_is_done_before_it_is_unlocked_asked_and_answered() -> None:
    assert "!" in after("2", "r").state.message and after("2", "r").state.question is None
    asked = after("!", "2", "r")
    assert asked.effect == "" and asked.state.question is not None and asked.state.question.text == "Run job 482119 again?"
    for key in ("n", "esc", "enter", "q", "j", "space", "r"):
        step = press(asked.state, key, shown(asked.state))
        assert (step.effect, step.deed, step.state.question, step.state.message) == ("", None, None, "nothing was done"), key
    assert after("!", "2", "r", "y")[1:] == ("act", Deed("retry", "jobs", (482_119,)))
    assert after("!", "!", "2", "r").state.question is None, "it is locked again"


def test_a_question_is_about_what_it_was_asked_of_whatever_moves_meanwhile() -> None:
    asked = after("!", "2", "r").state
    elsewhere = Shown(samples.NOW, samples.jobs_page(rows=(samples.job(7),)))
    assert press(asked, "y", elsewhere).deed == Deed("retry", "jobs", (482_119,))


def test_several_jobs_are_marked_and_meant_together() -> None:
    step = after("!", "2", "x", "x", "k", "k", "x", "r")  # the first mark is taken away again
    assert step.state.marked == {482_071} and step.state.question is not None
    assert after("!", "2", "x", "x", "r", "y").deed == Deed("retry", "jobs", (482_071, 482_119))
    assert after("2", "x", "X").state.marked == frozenset()
    gone = replace(after("!", "2", "x", "x").state, marked=frozenset({3, 482_119}))
    assert press(gone, "r", shown(gone)).state.question == keys.Question("Run 2 marked jobs again?", Deed("retry", "jobs", (3, 482_119)))


def test_what_a_state_does_not_allow_is_said() -> None:
    running = after("!", "2", *"jjjjjjj").state
    assert after("r", state=running).state.message == "job 468100 is running: there is nothing to run again"
    assert after("c", "y", state=running).deed == Deed("cancel", "jobs", (468_100,))
    assert after("!", "2", "c").state.message == "job 482119 is discarded: there is nothing to cancel"
    assert after("!", "2", "enter", "r", "y").deed == Deed("retry", "jobs", (482_071,)), "the one that is open"


def test_queues_and_schedules_are_paused_and_resumed() -> None:
    assert after("!", "3", "P", "y").deed == Deed("pause", "queue", ("default",))
    assert after("!", "3", "j", "P", "y").deed == Deed("resume", "queue", ("mail",))
    assert after("!", "5", "r", "y").deed == Deed("run", "schedule", ("refresh-feeds",))
    assert after("!", "5", "end", "P", "y").deed == Deed("resume", "schedule", ("month-report",))
    assert after("!", "5", "P", "y").deed == Deed("pause", "schedule", ("refresh-feeds",))
    assert after("!", "4", "r").state.question is None and after("!", "3", "r").state.question is None and after("!", "2", "P").state.question is None


def test_a_search_is_typed_and_what_is_wrong_with_it_said() -> None:
    typing = after("/", *"state:discardet")
    assert (typing.state.view, typing.state.typed) == ("jobs", "state:discardet")
    wrong = after("enter", state=typing.state)
    assert "no state" in wrong.state.wrong and wrong.state.typed == "state:discardet" and wrong.state.query == ""
    right = after("backspace", "d", "space", "q", "enter", state=wrong.state)
    assert (right.state.query, right.state.typed, right.effect) == ("state:discarded q", None, "read")
    assert after("/", "ctrl-w", "enter", state=right.state).state.query == "state:discarded"
    assert after("/", "ctrl-u", "esc", state=right.state).state.query == "state:discarded q"
    assert after("/", *"482071", "enter").state.job == 482_071
    assert len(after("/", *"x" * 600).state.typed or "") == 500
    assert after("/", "up", "pgdn", "!", "3", "enter").state.query == "!3", "in a search letters are letters"


def test_a_row_leads_to_its_jobs() -> None:
    assert after("3", "j", "enter").state.query == 'queue:"mail"' and after("3", "enter").state.view == "jobs"
    assert after("4", "enter").state.query == 'state:running worker:"web1-2210"'
    assert after("5", "enter").state.query == 'schedule:"refresh-feeds"'
    assert after("3", "enter", "esc").state.query == ""
    assert after("2", "enter").state.job == 482_119 and after("2", "enter", "esc").state.job is None
    assert after("2", "enter", "3").state.job is None
    odd = Shown(samples.NOW, QueuesPage((replace(samples.queues()[0], name='a"b'),)))
    assert press(State(view="queues"), "enter", odd).state.view == "queues", "no search can say it"


def test_older_jobs_come_page_by_page() -> None:
    step = after("2", "j", "n")
    assert step.state.before == ("1700000000000000.455871",) and step.effect == "read" and chosen(step.state, PAGES["jobs"]) == (482_119, 0)
    assert after("n", "N", state=step.state).state.before == step.state.before and after("N", state=step.state).state.before == ()
    last = Shown(samples.NOW, samples.jobs_page(next=None))
    assert press(State(view="jobs"), "n", last).state.message == "these are the last"


def test_the_pace_the_pause_and_the_range() -> None:
    assert after("+").state.interval == 0.5 and after("-").state.interval == 2.0 and after(*"-" * 20).state.interval == 60.0 and after(*"+" * 20).state.interval == 0.2
    assert after("space").state.is_paused and after("space").effect == "" and after("p", "space")[:2] == (State(), "read")
    assert [after(*"d" * n).state.range for n in range(4)] == ["1h", "24h", "30d", "1h"]
    assert after("?").state.is_help and not after("?", "x").state.is_help and after("?", "j").state.scroll == 1 and after("?", "q").effect == "quit"
    assert after("q").effect == after("ctrl-c").effect == after("/", "ctrl-c").effect == "quit" and after("ctrl-l").effect == "redraw"


def test_the_keys_that_are_listed_are_those_that_do_something() -> None:
    listed = {word.strip(",") for what, _ in keys.KEYS for word in what.split()}
    for key in ("/", "n", "x", "d", "!", "r", "c", "P", "?", "q", "+", "-", "p", "g"):
        assert key in listed
        state = State(view="jobs", may_act=True, interval=5)
        steps = [press(replace(state, view=view), key, Shown(samples.NOW, page)) for view, page in PAGES.items()]
        assert any(step.state != replace(state, view=step.state.view) or step.effect for step in steps), key


def test_whatever_is_pressed_a_deed_is_only_done_after_its_question_and_a_y() -> None:
    rng = random.Random(11)
    every = [*"12345gojqwsjk/xXdpP+-!rcnNyY? hl", "space", "enter", "esc", "tab", "backtab", "backspace", "up", "down", "pgup", "pgdn", "home", "end", "ctrl-u", "ctrl-w", "ctrl-l", "漢"]
    empty: dict[str, Any] = {"jobs": samples.jobs_page(rows=(), next=None), "queues": QueuesPage(()), "workers": WorkersPage((), ()), "schedules": SchedulesPage(())}
    deeds = 0
    for _ in range(400):
        state = State()
        for _ in range(60):
            key = "y" if state.question is not None and rng.random() < 0.5 else "esc" if state.typed is not None and rng.random() < 0.3 else rng.choice(every)
            page = shown(state) if rng.random() < 0.9 else Shown(samples.NOW, empty.get(state.view, None))
            step = press(state, key, page, rng.randrange(1, 40))
            if step.effect == "act":
                assert state.question is not None and step.deed == state.question.deed and key in "yY" and state.may_act
                deeds += 1
            else:
                assert step.deed is None
            if step.state.question is not None and key != "ctrl-l":
                assert step.state.may_act and key in "rcP" and not state.question
            parse(step.state.query)
            assert step.state.scroll >= 0 and (step.state.job is None or step.state.view == "jobs")
            assert all(isinstance(held, Chosen) for held in step.state.chosen.values())
            row = chosen(step.state, page.page)
            assert row is None or row.name in names_of(page.page)
            state = step.state if step.effect != "quit" else State()
    assert deeds > 20
