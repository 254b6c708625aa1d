from __future__ import annotations

from litequeue.base.states import STATES
from litequeue.web import frame, icons


def test_each_state_has_a_shape_of_its_own() -> None:
    shapes = [icons.icon(state) for state in STATES]
    assert len(set(shapes)) == len(STATES)


def test_each_page_of_the_sidebar_has_one() -> None:
    assert {icon for _, _, icon, _ in frame.PAGES} <= icons.NAMES


def test_they_say_nothing_by_themselves() -> None:
    assert all('aria-hidden="true"' in icons.icon(name) for name in icons.NAMES)
