"""What a bulk action is about to do: how many jobs it means, the first of them, and a button. Afterwards: what came of it.

Owns that page. A count that has grown since it was shown is the server's to compare: the form carries it.
"""

from __future__ import annotations

from typing import Final

from ...store.pages.records import ActPage, Frame
from .. import icons, words
from ..addresses import to
from ..frame import crumbs, page
from ..html import Child, Markup, el, join, value
from ..messages import Request, Response
from ..values import command, form, hidden, panel, strip
from . import rows

# What is asked, what the button says, what was done, its icon, the command.
_WORDS: Final = {
    "retry": ("Run {} again?", "Run again", "run again", "retrying"),
    "cancel": ("Cancel {}?", "Cancel the jobs", "cancelled", "cancelled"),
    "purge": ("Delete {} for good?", "Delete", "deleted", "discarded"),
    "move": ("Move {} to another queue?", "Move", "moved", "retrying"),
}


def act(view: ActPage, frame: Frame, request: Request) -> Response:
    """Raises KeyError for an action that there is not."""
    question, label, done, icon = _WORDS[view.op]
    jobs = rows.counted(view.count, "job")
    way = crumbs(("Jobs", to(request, "jobs")), (label, to(request, "jobs", q=view.query)))
    back = el("a", "Back to the jobs", href=to(request, "jobs", q=view.query), class_="btn")
    if view.done is not None:
        said = el("h1", f"{words.jobs(view.done)} {done}")
        why = el("p", f"of {jobs}. It stopped: ", value(view.stopped, 400)) if view.stopped else None
        if why is None and view.done + view.kept < len(view.ids):
            why = el("p", f"of {jobs} that you have selected. The others are gone, or in a state in which that does nothing.")
        are = "was cancelled, and is kept as long as a job that comes of it" if view.kept == 1 else "were cancelled, and are kept as long as jobs that come of them"
        kept = el("p", f"{words.jobs(view.kept)} {are}.") if view.kept else None
        return page(request, frame, f"{words.jobs(view.done)} {done}", el("div", said, kept, why, el("p", back), class_="jobhead"), top=way, at="jobs")
    meant: Child = f"by {words.jobs(len(view.ids))} that you have selected" if view.query is None else ("by the search ", el("code", view.query) if view.query else "for all jobs")
    to_queue = el("p", "To the queue ", el("b", value(view.to)), ".") if view.to else None
    top = el("div", el("h1", question.format(jobs)), to_queue, el("p", "Meant ", meant, ".", class_="muted"), _button(view, label, icon, request, back), class_="jobhead")
    few = panel("The first of them", rows.jobs(view.rows, request, frame.now), note=f"{len(view.rows)} of {words.count(view.count)}") if view.rows else None
    return page(request, frame, label, top, few, _typed(view, frame), top=way, at="jobs")


def _button(view: ActPage, label: str, icon: str, request: Request, back: Markup) -> Markup:
    inside = [hidden("op", view.op), hidden("count", view.count.number), hidden("confirm", "yes"), hidden("q", view.query) if view.query is not None else None]
    inside += [hidden("id", each) for each in view.ids] + ([hidden("to", view.to)] if view.to else [])
    pressed = el("button", icons.icon(icon), label, type="submit", class_="btn danger" if view.op == "purge" else "btn primary")
    if not view.count.number or not request.may_act:
        return el("p", back)
    return form(request, to(request, "jobs", "act"), join(*inside), pressed, back)


def _typed(view: ActPage, frame: Frame) -> Markup | None:
    if view.query is None:
        return None
    return el("section", strip(command(frame, view.op, *(["--to", view.to] if view.to else []), view.query), "the same in a terminal"), class_="panel", aria_label="As a command")
