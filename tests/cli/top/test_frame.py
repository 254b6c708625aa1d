"""A whole screen: of every view, in every size, of whatever is in the file."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from litequeue.cli.top.frame import Room, frame, last_scroll, rows_seen
from litequeue.cli.top.paint import ASCII, UNICODE, painted
from litequeue.cli.top.state import Chosen, Deed, Question, Shown, State
from litequeue.cli.top.text import Line, line_width
from litequeue.store.pages.parts import Count, Totals
from litequeue.store.pages.records import QueuesPage, SchedulesPage, WorkersPage

from ...web import samples

EVIL = "\x1b[2J\x1b]52;c;x\x07\r\n\u202e\ud800漢字🎉" + "Z\u0336\u0336\u0336" * 3
SIZES = ((80, 24), (200, 60), (120, 40), (20, 5), (1, 1), (3, 2), (7, 3), (40, 10), (300, 9), (64, 100))
STATES: dict[str, tuple[State, Any]] = {
    "overview": (State(), samples.overview()), "day": (State(range="24h"), samples.overview("24h")), "month": (State(range="30d"), samples.overview("30d")),
    "jobs": (State(view="jobs", query="state:discarded age:<1d", chosen={}), samples.jobs_page()), "queues": (State(view="queues"), samples.queues_page()),
    "workers": (State(view="workers"), samples.workers_page()), "schedules": (State(view="schedules", may_act=True), samples.schedules_page()), "job": (State(view="jobs", job=482_071), samples.job_page()),
    "running": (State(view="jobs", job=468_100), samples.running_job_page()), "waiting": (State(view="jobs", job=482_300), samples.waiting_job_page()), "gone": (State(view="jobs", job=9), None),
    "help": (State(is_help=True), samples.overview()), "nothing": (State(view="queues"), None), "g": (State(goes=True), samples.overview()),
    "no jobs": (State(view="jobs"), samples.jobs_page("", rows=(), next=None, tabs=())), "no queues": (State(view="queues"), QueuesPage(())), "no workers": (State(view="workers"), WorkersPage((), ())),
    "no schedules": (State(view="schedules"), SchedulesPage(())), "asked": (State(view="queues", question=Question("Pause queue mail?", Deed("pause", "queue", ("mail",)))), samples.queues_page()),
    "typed": (State(view="jobs", typed="state:disc", wrong=""), samples.jobs_page()), "wrong": (State(view="jobs", typed="stat:x", wrong="there is no 'stat' to search by"), samples.jobs_page()),
    "cut": (State(view="jobs", query="task:x"), samples.jobs_page("task:x", rows=(), looked_from=1_000_000, looked_down_to=941_200, matching=None)),
}  # fmt: skip


def room(width: int, height: int | None, signs: Any = UNICODE, path: str = "/srv/shop/db.sqlite") -> Room:
    return Room(width, height, signs, path)


def text_of(lines: list[Line]) -> str:
    return "\n".join("".join(each.text for each in line).rstrip() for line in lines)


def poisoned(value: Any) -> Any:
    """The same record with hostile text wherever there is text of somebody's."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = {"state", "range", "spec", "order", "secret", "outcome", "pool", "span", "stream"}
        changes = {each.name: poisoned(getattr(value, each.name)) for each in dataclasses.fields(value) if each.name not in kept and each.name != "tabs"}
        return dataclasses.replace(value, **changes)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value._replace(**{name: poisoned(part) for name, part in zip(value._fields, value, strict=True) if name not in ("kind", "state", "outcome", "key")})
    if isinstance(value, tuple):
        return tuple(map(poisoned, value))
    if isinstance(value, dict):
        return {key: poisoned(part) for key, part in value.items()}
    return EVIL if isinstance(value, str) else value


def every_size() -> Iterator[tuple[int, int]]:
    yield from SIZES
    rng = random.Random(6)
    yield from ((rng.randrange(1, 240), rng.randrange(1, 70)) for _ in range(8))


@pytest.mark.parametrize("name", STATES)
def test_a_screen_is_as_large_as_it_is_and_nothing_drives_the_terminal(name: str) -> None:
    state, page = STATES[name]
    for signs in (UNICODE, ASCII):
        for its in (page, poisoned(page) if page is not None else None):
            shown = Shown(samples.NOW, its, trouble="")
            for width, height in every_size():
                its_state = dataclasses.replace(state, scroll=3, message=EVIL if width % 2 else "")
                lines = frame(its_state, shown, room(width, height, signs, f"/srv/{EVIL[8:]}/x"))
                assert len(lines) == height and all(line_width(line) == width for line in lines), (width, height)
                sent = "".join(painted(line, colours=True, shapes=True) for line in lines)
                assert re.sub(r"\x1b\[[0-9;]+m", "", sent).isprintable()
                plain = "".join(painted(line, colours=False, shapes=False) for line in lines)
                assert plain.isprintable() and "\u202e" not in plain


def test_the_sentence_comes_first_and_then_why() -> None:
    said = text_of(frame(State(), Shown(samples.NOW, samples.overview()), room(80, 24)))
    lines = [re.sub("[0-9]{2}:[0-9]{2}", "TIME", line) for line in said.splitlines()]  # in whatever zone the tests run
    assert lines[0].startswith(" db.sqlite  1 overview  2 jobs  3 queues  4 workers  5 schedules")
    assert lines[2:5] == [
        " ▲ Two things want a look. Everything else is well.", "   - queue mail is paused since TIME, 3,380 jobs wait in it",
        "   - stock-sync missed its tick of TIME: nobody with its code ran",
    ]  # fmt: skip
    well = text_of(frame(State(), Shown(samples.NOW, samples.overview(reasons=())), room(100, 24)))
    assert " ✓ All is well: 3 workers, 1,205 jobs a minute, none waits longer than 14 min.\n" in well
    assert re.search(r"Throughput 1,205 jobs/min +[▁-█]+ +72,318 in the last hour", well) and re.search(r"Busy slots 9 of 24 +█+░+ +3 workers", well)


def test_a_state_has_a_sign_and_a_word_and_its_colour() -> None:
    lines = frame(STATES["jobs"][0], Shown(samples.NOW, STATES["jobs"][1]), room(120, 30))
    row = next(line for line in lines if any(each.text == "✗ discarded" for each in line) and any("482071" in each.text for each in line))
    assert next(each for each in row if each.text == "✗ discarded").style == "discarded"
    assert "\x1b[31m✗ discarded\x1b[0m" in painted(row, colours=True, shapes=True) and "\x1b" not in painted(row, colours=False, shapes=False)


def test_columns_line_up() -> None:
    lines = text_of(frame(STATES["jobs"][0], Shown(samples.NOW, STATES["jobs"][1]), room(120, 30))).splitlines()
    head = next(number for number, line in enumerate(lines) if line.strip().startswith("id "))
    rows = lines[head + 1 : head + 11]
    assert {row.index(word) for row in rows for word in ("✗", "✓", "◐", "◷") if word in row} == {lines[head].index("state")}
    assert {len(row[: row.index(task)]) for row in rows for task in ("images.", "shop.", "litequeue.", "reports.") if task in row[:60]} == {lines[head].index("task")}


def test_the_chosen_row_is_seen_wherever_it_is() -> None:
    page = samples.jobs_page(rows=tuple(samples.job(1000 - n) for n in range(50)))
    for place in (0, 1, 7, 24, 25, 48, 49):
        for height in (6, 10, 24):
            state = State(view="jobs", chosen={"jobs": Chosen(1000 - place, place)})
            lines = frame(state, Shown(samples.NOW, page), room(80, height))
            (bar,) = [line for line in lines if any(each.style == "chosen" for each in line)]
            assert f"▸ {1000 - place:>4}" in bar[0].text


def test_what_is_too_long_is_scrolled_to_its_end_and_no_further() -> None:
    shown = Shown(samples.NOW, samples.job_page())
    state = State(view="jobs", job=1)
    whole = text_of(frame(state, shown, room(80, 200)))
    last = last_scroll(state, shown, room(80, 12))
    seen = [text_of(frame(dataclasses.replace(state, scroll=n), shown, room(80, 12))).splitlines()[2:-1] for n in range(last + 3)]
    assert seen[last] == seen[last + 1] and seen[last - 1] != seen[last] and last > 3
    assert {line for part in seen for line in part} >= set(whole.splitlines()[2:-1]) - {""}
    assert rows_seen(room(80, 24)) == 18 and rows_seen(room(80, 1)) == 1


def test_secrets_do_not_come_onto_the_screen() -> None:
    for name in ("jobs", "job", "running"):
        assert "sk_live_1" not in text_of(frame(STATES[name][0], Shown(samples.NOW, STATES[name][1]), room(400, 120)))


def test_one_job_says_why_and_shows_its_error_and_what_it_printed() -> None:
    said = text_of(frame(State(view="jobs", job=1), Shown(samples.NOW, samples.job_page()), room(100, 120)))
    for part in ("✗ discarded  images.thumbnail  #482,071", "TimeoutError: cdn-2.example: read timed out", 'File "/srv/shop/images.py", line 17, in fetch', "first byte after 571 ms", "web1-2212", "***"):
        assert part in said
    assert "It waits: its queue mail is paused" in text_of(frame(State(view="jobs", job=1), Shown(samples.NOW, samples.waiting_job_page()), room(100, 60)))
    assert "25 %  sending mails" in text_of(frame(State(view="jobs", job=1), Shown(samples.NOW, samples.running_job_page()), room(100, 60)))


def test_empty_views_say_what_to_do_next() -> None:
    for name, command in (("no jobs", "litequeue demo"), ("no queues", "litequeue demo"), ("no workers", "litequeue worker DB"), ("no schedules", "litequeue schedule add DB nightly --cron '30 2 * * *' -- pg_dump mydb")):
        assert command in text_of(frame(STATES[name][0], Shown(samples.NOW, STATES[name][1]), room(100, 24)))
    idle = samples.overview(reasons=(), workers=(), queues=(), schedules=(), failures=(), failure_groups=Count(0), actions=(), slots=0, busy=0)
    assert "No worker runs, and no job waits for one." in text_of(frame(State(), Shown(samples.NOW, dataclasses.replace(idle, series=dataclasses.replace(idle.series, points=tuple(dataclasses.replace(point, was_served=False, wait=None, waiting=None) for point in idle.series.points), totals=Totals()))), room(80, 50)))


def test_what_cannot_be_read_just_now_is_said_in_the_last_line() -> None:
    lines = text_of(frame(State(), Shown(samples.NOW, samples.overview(), trouble="db.sqlite is busy"), room(80, 24))).splitlines()
    assert lines[-1].startswith(" db.sqlite is busy") and "All is well" not in lines[0] and "Throughput" in "".join(lines)


def test_in_a_pipe_it_is_as_long_as_it_is_and_has_no_keys() -> None:
    lines = frame(State(), Shown(samples.NOW, samples.overview()), room(100, None))
    assert all(line_width(line) <= 100 for line in lines) and "read-only" not in text_of(lines) and "refresh-feeds" in text_of(lines)
    jobs = text_of(frame(STATES["jobs"][0], Shown(samples.NOW, STATES["jobs"][1]), room(100, None)))
    assert "455870" in jobs and "▸" not in jobs


def test_slots_that_move_say_between_what() -> None:
    page = samples.workers_page()
    row = page.live[0]
    moving = dataclasses.replace(page, live=(dataclasses.replace(row, info=dataclasses.replace(row.info, elastic={"thread": (2, 32)})),))
    assert "4/10 (2:32)" in text_of(frame(State(view="workers"), Shown(samples.NOW, moving), room(120, 24)))
