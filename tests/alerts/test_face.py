"""``app.alerts``: what it takes, and what it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from litequeue import AlertNotFound, InvalidArgument, InvalidType, LiteQueue

from .conftest import Site

pytestmark = pytest.mark.beside


def test_what_is_said_of_one_is_what_is_shown(site: Site) -> None:
    info = site.app.alerts.add("mail-late", when=" oldest queue=mail > 300", for_="2m", keep=timedelta(minutes=5), remind="1d", run="tell", mail_to=["a@b", "ann"])
    assert (info.name, info.when, info.meaning, info.state) == ("mail-late", "oldest queue=mail >5m", "mail's oldest job waits over 5 minutes", "ok")
    assert (info.for_, info.keep, info.remind, info.run, info.mail_to, info.task) == (120, 300, 86_400, "tell", "a@b, ann", None)
    assert (info.since, info.seen, info.checked_at, info.times) == (None, None, None, 0)
    site.add("no-worker")
    site.look()
    fires, fine = site.app.alerts.list()
    assert (fires.name, fires.state, fires.seen, fires.times) == ("a", "firing", "none does", 1)
    assert fires.since == fires.checked_at == fine.checked_at and fine.state == "ok" and fine.seen == "none waits"


def test_left_out_it_has_to_be_so_for_a_minute(site: Site) -> None:
    info = site.app.alerts.add("a", when="untold", run="tell")
    assert (info.for_, info.keep, info.remind) == (60, 0, None)


@pytest.mark.parametrize(("options", "error", "said"), [
    ({"when": "untold"}, InvalidArgument, "say who is told: at least one of run=, task= and mail_to="),
    ({"run": "x"}, InvalidArgument, "say what is watched, with when="),
    ({"when": "oldest", "run": "x"}, InvalidArgument, "when: 'oldest': at its end > and a length of time are missing"),
    ({"when": "untold", "run": " "}, InvalidArgument, "run must be one line of text"),
    ({"when": "untold", "run": "a\nb"}, InvalidArgument, "run must be one line of text"),
    ({"when": "untold", "mail_to": "a b"}, InvalidArgument, "mail_to must be a mail address"),
    ({"when": "untold", "task": "no name"}, InvalidArgument, "is not allowed"),
    ({"when": "untold", "run": "x", "remind": 0}, InvalidArgument, "remind must be more than 0"),
    ({"when": "untold", "run": "x", "for_": "soon"}, InvalidArgument, "for_: 'soon' is no length of time"),
    ({"when": "untold", "run": "x", "hold": 5}, InvalidType, "an alert has no option 'hold'"),
])  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_stored(site: Site, options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said.replace("(", "\\(")):
        site.app.alerts.add("a", **options)
    assert site.app.alerts.list() == []


def test_a_name_that_is_taken_and_one_that_there_is_not(site: Site) -> None:
    site.add("untold", "mail-late")
    with pytest.raises(InvalidArgument, match="there is already an alert named mail-late: give another name, or replace=True"):
        site.add("untold", "mail-late")
    with pytest.raises(InvalidArgument, match="the alert's name 'a b' is not allowed"):
        site.add("untold", "a b")
    for act in (site.app.alerts.remove, site.app.alerts.pause, site.app.alerts.resume, site.app.alerts.test, site.app.alerts.get):
        with pytest.raises(AlertNotFound, match="there is no alert named mail-lat; did you mean mail-late?"):
            act("mail-lat")  # type: ignore[operator]
    site.app.alerts.remove("mail-late")
    assert site.app.alerts.list() == []


def test_a_test_tells_and_changes_nothing(site: Site) -> None:
    site.add("oldest queue=mail >5m")
    before = site.app.alerts.get("a")
    assert site.app.alerts.test("a") == "alert a, a test: mail's oldest job waits over 5 minutes"
    assert site.app.alerts.get("a") == before and [event["what"] for event in site.events()] == ["test"]


def test_the_history_comes_in_pages(site: Site) -> None:
    for name in ("a", "b"):
        site.add("untold", name)
        for _ in range(3):
            site.app.alerts.test(name)
    first = site.app.alerts.history(limit=4)
    assert [event.alert for event in first] == ["b", "b", "b", "a"]
    assert [event.alert for event in site.app.alerts.history(before=first[-1].id)] == ["a", "a"]
    assert len(site.app.alerts.history("a")) == 3
    with pytest.raises(InvalidArgument, match="limit must be from 1"):
        site.app.alerts.history(limit=0)


def test_check_looks_at_what_is_due_and_says_what_was_told(app: LiteQueue) -> None:
    app.alerts.add("a", when="disk <1024T", for_=0, run="tell")
    (text,) = app.alerts.check()
    assert text.startswith("alert a: the disk has less than 1024T left (it has ")
    assert app.alerts.check() == [] and app.alerts.get("a").state == "firing"
