"""What is wrong with the file, or may become so: the doctor's lines, the worst first.

Owns that page. What is looked at, and how bad it is, is the doctor's.
"""

from __future__ import annotations

from typing import Final

from ...base.checks import counted
from ...store.pages.parts import Finding
from ...store.pages.records import DoctorPage, Frame
from .. import icons, words
from ..frame import page
from ..html import Markup, el, value
from ..messages import Request, Response
from ..values import command, copied, head, panel, strip, table

_LEVELS: Final = {"ok": ("succeeded", "succeeded"), "note": ("note", "retrying")}  # icon and tone; whatever else is wrong
_ORDER: Final = {"note": 1, "ok": 2}


def doctor(view: DoctorPage, frame: Frame, request: Request) -> Response:
    found = sorted(view.findings, key=lambda each: _ORDER.get(each.level, 0))
    wrong = sum(each.level not in _ORDER for each in found)
    notes = sum(each.level == "note" for each in found)
    if wrong:
        said = f"{words.spelled(wrong)} {'thing is' if wrong == 1 else 'things are'} wrong."
    else:
        said = "Nothing is wrong." if not notes else f"Nothing is wrong; {counted(notes, 'note')}."
    badge = el("span", icons.icon("failures" if wrong else "succeeded"), class_="badge")
    health = el("section", badge, el("div", el("b", said)), class_=f"health {'warn' if wrong else 'ok'}", aria_label="Health", data_live="health")
    body = table(head("Check", "How it is", ("What was found", "grow")), (_row(each) for each in found), class_="text")
    return page(request, frame, "Doctor", health, panel(f"{counted(len(found), 'check')}", body, strip(command(frame, "doctor"), "look in a terminal, at every index entry too"), live="findings"), at="doctor")


def _row(each: Finding) -> Markup:
    icon, tone = _LEVELS.get(each.level, ("discarded", "discarded"))
    remedy = None if not each.remedy else el("span", el("code", each.remedy), copied(each.remedy, "Copy the command"), class_="remedy")
    return el(
        "tr",
        el("th", value(each.check), scope="row"),
        el("td", el("span", icons.icon(icon), value(each.level), class_=f"st {tone}")),
        el("td", value(each.text), remedy, class_="grow"),
    )
