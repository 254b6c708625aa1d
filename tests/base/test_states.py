from __future__ import annotations

from litequeue.base import states


def test_every_state_is_waiting_running_or_final() -> None:
    assert set(states.STATES) == states.WAITING | states.FINAL | {"running"}
    assert not states.WAITING & states.FINAL


def test_transitions_name_known_states_and_final_ones_leave_only_by_revive() -> None:
    assert set(states.TRANSITIONS) == set(states.STATES)
    assert all(targets <= set(states.STATES) for targets in states.TRANSITIONS.values())
    for final in states.FINAL:  # for a slot of its limit, or, cancelled with a job that it needed, for that
        assert states.TRANSITIONS[final] == {"available", "blocked"}
    assert all({"cancelled", "expired"} <= states.TRANSITIONS[waiting] for waiting in states.WAITING)
