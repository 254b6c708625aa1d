"""What is asked before something is done: to what a key means, by what is chosen, marked or open. Pure.

Owns which states let a job be run again or cancelled here, and the words of the questions.
"""

from __future__ import annotations

from typing import Final, Literal

from ...base.checks import counted
from ...base.states import FINAL, WAITING
from ...store.pages.records import JobPage, JobsPage, QueuesPage, SchedulesPage
from .state import Deed, Page, Question, State, chosen

RETRIED: Final = FINAL | {"scheduled", "retrying"}
CANCELLED: Final = WAITING | {"running"}


def question_of(state: State, key: str, page: Page | None) -> Question | str | None:
    """What is asked, or why there is nothing to ask; None for a key that means nothing here."""
    if isinstance(page, JobPage):
        return _of_jobs(key, {page.job.id: page.job.state})
    row = chosen(state, page)
    if row is None:
        return None
    if isinstance(page, JobsPage):
        states = {job.id: job.state for job in page.rows}
        if state.marked:
            return _of_jobs(key, {job: str(states.get(job, "")) for job in sorted(state.marked)})
        return _of_jobs(key, {int(row.name): states[int(row.name)]})
    if isinstance(page, QueuesPage) and key == "P":
        is_paused = page.rows[row.place].paused_at is not None
        return Question(f"{'Resume' if is_paused else 'Pause'} queue {row.name}?", Deed("resume" if is_paused else "pause", "queue", (row.name,)))
    if isinstance(page, SchedulesPage) and key == "r":
        return Question(f"Run schedule {row.name} now?", Deed("run", "schedule", (row.name,)))
    if isinstance(page, SchedulesPage) and key == "P":
        is_paused = page.rows[row.place].info.state == "paused"
        return Question(f"{'Resume' if is_paused else 'Pause'} schedule {row.name}?", Deed("resume" if is_paused else "pause", "schedule", (row.name,)))
    return None


def _of_jobs(key: str, states: dict[int, str]) -> Question | str | None:
    """``states``: empty for a marked job that is not on this page, whose state nobody knows."""
    if key == "P":
        return None
    what: Literal["retry", "cancel"] = "retry" if key == "r" else "cancel"
    fit = RETRIED if key == "r" else CANCELLED
    jobs = tuple(job for job, state in states.items() if state in fit or not state)
    if not jobs:
        job, state = next(iter(states.items()))
        which = f"job {job} is {state}" if len(states) == 1 else f"of these {len(states)} jobs none is in a state"
        return f"{which}: there is nothing to {'run again' if key == 'r' else 'cancel'}" if len(states) == 1 else f"{which} for that"
    verb = "Run {} again?" if key == "r" else "Cancel {}?"
    which = f"job {jobs[0]}" if len(jobs) == 1 else counted(len(jobs), "marked job")
    return Question(verb.format(which), Deed(what, "jobs", jobs))
