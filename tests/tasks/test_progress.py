"""What a running job says of how far it is, before anybody stores it."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import pytest

from litequeue import InvalidArgument, InvalidType, PayloadError, PayloadTooLarge
from litequeue.payload import Codec
from litequeue.tasks import ticking
from litequeue.tasks.progress import Progress

from ..support import wait_until


class Heard(list[tuple[Any, Any]]):
    """What was handed on."""

    def tell(self, said: str | None, meta: str | None) -> bool:
        self.append((None if said is None else json.loads(said), meta))
        return True


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setattr(ticking, "_ticker", ticking._Ticker())
    return Heard()


def test_the_last_word_is_handed_on_with_the_end_and_nothing_after_it(heard: Heard) -> None:
    said = Progress(heard.tell, Codec())
    for done in range(1000):
        said.say(done, 1000, "rows")
    said.end()
    assert heard[-1][0][:3] == [999, 1000, "rows"] and heard[-1][0][3] > 0
    assert len(heard) <= 3, "however often something is said"
    count = len(heard)
    said.say(1000, 1000, None)
    ticking._ticker._run()  # nobody is looked at any more
    assert len(heard) == count


def test_what_is_new_is_handed_on_while_the_job_goes_on_and_what_is_not_is_not(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticking, "PAUSE", 0.02)
    said = Progress(heard.tell, Codec())
    said.say(1, None, None)
    wait_until(lambda: heard == [([1, None, None, None], None)])
    said.say(2, None, None)
    wait_until(lambda: len(heard) == 2)
    said.meta["page"] = 7
    wait_until(lambda: len(heard) == 3 and heard[-1][1] == '{"page": 7}')
    said.hand_on()
    assert len(heard) == 3, "nothing is new"
    said.end()
    wait_until(lambda: not any(thread.name == "litequeue-progress" for thread in threading.enumerate()))


def test_rows_that_are_tracked_are_counted_as_they_are_done(heard: Heard) -> None:
    said = Progress(heard.tell, Codec())
    assert list(said.track([], None, None)) == [] and (said._done, said._total) == (0, None)
    for row in said.track("abc", None, "letters"):
        assert said._done == "abc".index(row) and said._total == 3
    assert said._done == 3
    for row in said.track((n for n in range(2)), None, None):
        assert (said._done, said._total) == (row, None), "nobody knows how many there are"
    assert list(said.track(iter([5]), 10, None)) == [5] and said._total == 10
    said.end()


@pytest.mark.parametrize(
    ("done", "total", "note", "error", "text"),
    [
        ("3", None, None, InvalidType, "done must be a number, not str: '3'"),
        (True, None, None, InvalidType, "done must be a number, not bool"),
        (math.nan, None, None, InvalidType, "done must be a number, not float: nan"),
        (-1, None, None, InvalidArgument, "done must not be less than zero: -1"),
        (1, [], None, InvalidType, "total must be a number, not list"),
        (1, 2, 3, InvalidType, "note must be a text, not int: 3"),
    ],
)
def test_what_is_no_amount_is_refused_at_once(heard: Heard, done: Any, total: Any, note: Any, error: type[Exception], text: str) -> None:
    said = Progress(heard.tell, Codec())
    with pytest.raises(error, match=text):
        said.say(done, total, note)
    said.end()
    assert heard == []


def test_a_note_is_cut_and_can_be_stored_whatever_stands_in_it(heard: Heard) -> None:
    said = Progress(heard.tell, Codec())
    said.say(1, 2, "\ud800" + "x" * 500)
    said.end()
    assert heard[-1][0][2] == "\\ud800" + "x" * 194


def test_meta_is_a_mapping_of_what_can_be_stored(heard: Heard) -> None:
    said = Progress(heard.tell, Codec())
    said.meta.update(page=7, seen={"a", "b"})
    assert dict(said.meta) == {"page": 7, "seen": {"a", "b"}} and len(said.meta) == 2
    del said.meta["seen"]
    with pytest.raises(KeyError):
        said.meta["seen"]
    with pytest.raises(InvalidType, match="meta has texts as its names, not int: 5"):
        said.meta[5] = 1  # type: ignore[index]
    with pytest.raises(PayloadError, match=r"meta\['lock'\]"):
        said.meta["lock"] = threading.Lock()
    with pytest.raises(PayloadTooLarge, match=r"meta\['text'\]: all of meta would take 20,\d+ characters, and may take 16,384"):
        said.meta["text"] = "x" * 20_000
    said.end()
    assert heard[-1] == (None, '{"page": 7}'), "what was refused has changed nothing"
