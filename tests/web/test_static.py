"""The style sheet and the script: their sizes, what they may not do, and that neither has a rule for what is not there."""

from __future__ import annotations

import re

from litequeue.web import login

from ..support import ROOT
from .every import PAGES, made, request
from .samples import frame, job, job_page, overview

STATIC = ROOT / "litequeue" / "web" / "static"
CSS = (STATIC / "app.css").read_text()
JS = (STATIC / "app.js").read_text()


def test_they_are_small() -> None:
    assert len(CSS.encode()) <= 24 * 1024
    assert len(JS.encode()) <= 10 * 1024


def test_nothing_is_fetched_from_elsewhere() -> None:
    for text in (CSS, JS):
        assert "://" not in text and "@import" not in text and "url(" not in text
    assert "http" not in (STATIC / "icon.svg").read_text().replace("http://www.w3.org/2000/svg", "")


def test_the_script_makes_no_markup_of_text() -> None:
    for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "setAttribute(\"style", ".style."):
        assert word not in JS


def classes() -> set[str]:
    found: set[str] = set()
    bodies = [made(path, may_act=may_act).body.decode() for path in PAGES for may_act in (False, True)]
    good = overview(series=overview().series.__class__(overview().series.range, 60, overview().series.points, overview().series.before, overview().series.totals))
    bodies += [PAGES["/"][0](good, frame(), request()).body.decode()]
    bodies += [PAGES["/jobs/482071"][0](job_page(job(state=state)), frame(), request("/jobs/1")).body.decode() for state in ("cancelled", "retrying", "expired")]
    lanes = tuple(lane._replace(outcome="succeeded") for lane in job_page().lanes)
    bodies += [PAGES["/jobs/482071"][0](job_page(job(state="succeeded"), lanes=lanes), frame(), request("/jobs/1")).body.decode()]
    bodies += [login.page("./", has_token=True).decode()]
    for body in bodies:
        for given in re.findall(r'class="([^"]*)"', body):
            found.update(given.split())
    return found


def test_each_class_has_a_rule_and_each_rule_its_class() -> None:
    rules = re.sub(r"\{[^{}]*\}", " ", re.sub(r"/\*.*?\*/", "", CSS, flags=re.DOTALL))
    known = set(re.findall(r"\.([a-zA-Z][\w-]*)", rules))
    used = classes()
    assert known - used == {"done"}, "which the script gives to a button"
    assert used - known == set()


def test_every_colour_has_one_for_the_dark() -> None:
    light, dark = (re.search(pattern, CSS, re.DOTALL) for pattern in (r":root \{(.*?)\n\}", r"prefers-color-scheme: dark\) \{\s*:root \{(.*?)\n\s*\}"))
    assert light and dark
    named = {name for name, given in re.findall(r"--([\w-]+): ([^;}\n]+)", light[1]) if given.startswith("#")}
    assert named == set(re.findall(r"--([\w-]+): #", dark[1]))
