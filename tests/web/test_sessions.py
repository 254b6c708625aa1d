"""Codes, tokens, sessions."""

from __future__ import annotations

import pytest

from litequeue.web.sessions import HOURS, MOST_CODES, Sessions

from ..support import FakeClock

pytestmark = pytest.mark.beside

TOKEN = "t" * 32


def test_a_code_is_good_for_one_session(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    code = sessions.new_code()
    assert sessions.has_code
    session = sessions.enter(code)
    assert session is not None and sessions.holds(session) and code not in session
    assert sessions.enter(code) is None and not sessions.has_code
    assert Sessions(clock).enter(code) is None


def test_the_oldest_of_too_many_codes_is_forgotten(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    first, *others = [sessions.new_code() for _ in range(MOST_CODES + 1)]
    assert sessions.enter(first) is None and all(map(sessions.enter, others))


def test_a_token_is_good_as_often_as_one_likes_and_is_not_in_the_session(clock: FakeClock) -> None:
    sessions = Sessions(clock, TOKEN)
    first, second = sessions.enter(TOKEN), sessions.enter(TOKEN)
    assert first and second and first != second and TOKEN not in first
    for wrong in ("", TOKEN[:-1], f"{TOKEN}t", "ä" * 16, "\udcff", "\0"):
        assert sessions.enter(wrong) is None
    assert Sessions(clock).enter("") is None and not Sessions(clock).is_token("")


def test_a_session_ends_after_twelve_hours(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    session = sessions.enter(sessions.new_code())
    assert session is not None
    clock.advance(HOURS * 3600 - 1)
    assert sessions.holds(session)
    assert sessions.lasts(session) == 1
    clock.advance(1)
    assert not sessions.holds(session)


def test_a_session_holds_where_the_token_is_the_same_and_nowhere_else(clock: FakeClock) -> None:
    session = Sessions(clock, TOKEN).enter(TOKEN)
    assert session is not None and Sessions(clock, TOKEN).holds(session)
    assert not Sessions(clock, "u" * 32).holds(session) and not Sessions(clock).holds(session)
    drawn = Sessions(clock)
    ours = drawn.enter(drawn.new_code())
    assert ours is not None and not Sessions(clock).holds(ours)


def test_nothing_else_is_a_session(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    session = sessions.enter(sessions.new_code())
    assert session is not None
    number, ends, signature = session.split(".")
    for wrong in ("", ".", "..", "x", f"{number}.{int(ends) + 1}.{signature}", f"{number}.{ends}.{signature[:-1]}", f"{session}0", f"x{session}", f"{number}.{ends}.", "ä.ö.ü", f"{number}.{ends}"):
        assert not sessions.holds(wrong), wrong


def test_a_form_token_is_of_one_session(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    token = sessions.form_token("a")
    assert sessions.is_form_token("a", token) and not sessions.is_form_token("b", token)
    assert not sessions.is_form_token("a", "") and not sessions.is_form_token("a", "ä") and Sessions(clock).form_token("a") != token


def test_of_wrong_ones_five_a_minute_are_waited_for(clock: FakeClock) -> None:
    sessions = Sessions(clock, TOKEN)
    for _ in range(5):
        assert sessions.wrong() == 0
        clock.advance(5)
    assert sessions.wrong() == 35
    assert sessions.enter(TOKEN), "nobody keeps the owner out"
    clock.advance(35)
    assert sessions.wrong() == 0
    assert sessions.wrong() == 5
