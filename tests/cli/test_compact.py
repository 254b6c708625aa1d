"""The command that gives room back: what it says, what it does first, and who waits meanwhile."""

from __future__ import annotations

import re
import threading
from collections import Counter
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.store.file import compacting

from ..older import rows
from .conftest import Cli

pytestmark = pytest.mark.beside


@pytest.fixture
def swollen(db: Path) -> Path:
    """4,000 jobs whose time is over, and ten that wait."""
    with LiteQueue(db) as app:
        task = app.task(name="t")(lambda *_: 1)
        task.delay_many([("x" * 500,)] * 4_000)
        rows(db, "UPDATE litequeue_jobs SET state = 'succeeded', finished_at = 1, prune_at = 1")
        task.delay_many([(n,) for n in range(10)])
    return db


def test_it_deletes_what_is_over_its_time_gives_the_room_back_and_writes_that_down(cli: Cli, swollen: Path) -> None:
    size = swollen.stat().st_size
    said = cli("compact", swollen)
    assert said.code == 0 and said.err == ""
    assert re.fullmatch(rf"4000 jobs whose time was over were deleted first\n{re.escape(str(swollen))}: .* before, .* now; .* given back in .* s\n", said.out), said.out
    assert swollen.stat().st_size < size / 4
    assert rows(swollen, "SELECT what, count FROM litequeue_actions") == [("compact", 0)]
    assert rows(swollen, "SELECT count(*) FROM litequeue_jobs") == [(10,)]
    again = cli("compact", swollen)
    assert again.code == 0 and "there is nothing to give back" in again.out
    assert "given back" in cli("compact", swollen, "--anyway").out


def test_what_was_less_what_is_left_is_what_was_given_back(cli: Cli, swollen: Path) -> None:
    said = cli("compact", swollen).out
    figures = [float(number) * (1e6 if unit == "MB" else 1e3) for number, unit in re.findall(r"([0-9.]+) ([MK]B)", said)]
    assert len(figures) == 3 and abs(figures[0] - figures[1] - figures[2]) < 0.2e6, said


def test_a_dry_run_changes_nothing_and_says_what_it_needs(cli: Cli, swollen: Path) -> None:
    rows(swollen, "DELETE FROM litequeue_jobs WHERE id < 3000")
    before = swollen.read_bytes()
    said = cli("compact", swollen, "--dry-run")
    assert said.code == 0 and re.search(r"MB in it hold nothing: nothing was done; what is left to be copied, while others wait, is \S+ (KB|MB)\n", said.out), said.out
    assert swollen.read_bytes() == before


def test_what_takes_too_long_or_has_no_room_is_to_be_tried_later(cli: Cli, swollen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "LOOK_EVERY", 10)
    assert cli("prune", swollen, "task:t", "--yes").code == 0
    late = cli("compact", swollen, "--within", "1ms", "--anyway")
    assert (late.code, late.err.count("\n")) == (75, 1) and "Nothing was changed" in late.err
    monkeypatch.setattr(compacting, "SPARE", 1e12)
    full = cli("compact", swollen)
    assert (full.code, full.err.count("\n")) == (75, 1) and "are needed in" in full.err


def test_wrong_words_are_one_line(cli: Cli, swollen: Path, tmp_path: Path) -> None:
    for words, code in ((("compact", swollen, "--within", "soon"), 2), (("compact", tmp_path / "none.sqlite"), 4), (("compact", swollen, "x"), 2)):
        said = cli(*words)
        assert (said.code, said.out, said.err.count("\n")) == (code, "", 1), said


def test_beside_a_worker_and_a_producer_each_job_runs_once(cli: Cli, swollen: Path) -> None:
    ran: Counter[int] = Counter()
    enough = threading.Event()
    with LiteQueue(swollen) as app:
        task = app.task(name="n")(lambda n: ran.update([n]))
        given: list[int] = []

        def produce() -> None:
            while not enough.is_set():
                task.delay(len(given))
                given.append(len(given))

        producer = threading.Thread(target=produce)
        with app.worker(threads=2):
            producer.start()
            try:
                for _ in range(3):
                    assert cli("compact", swollen, "--anyway").code == 0
            finally:
                enough.set()
                producer.join()
            task.delay(-1).get(timeout=30)
            app.run_worker(burst=True)
    assert given and not set(given) - set(ran) and set(ran.values()) == {1}
    assert cli("doctor", swollen, "--full").code == 0
