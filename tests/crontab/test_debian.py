"""What Debian's cron makes of a line, and whether it is said where litequeue makes something else of it."""

from __future__ import annotations

import random
import re

import pytest

from litequeue import cron
from litequeue.base.errors import InvalidArgument
from litequeue.cron import search
from litequeue.crontab import beyond_debian, debian, lines, parse

from ..support import ROOT

pytestmark = pytest.mark.beside

ROWS = [
    line.partition("\t")[::2]
    for line in (ROOT / "tests" / "data" / "cron-accept.tsv").read_text("utf-8").split("\n")[1:] if line
]  # fmt: skip


def model_accepts(line: str) -> bool:
    """Whether the model of its parser takes a line."""
    line = line.lstrip(" \t")
    if line.startswith("#"):
        return True
    words = re.split("[ \t]+", line)
    if words[0].startswith("@"):
        return words[0] in lines.MACROS and len(words) > 1
    when, rest = lines.time_of(line)
    return bool(rest) and not rest.startswith("*") and not beyond_debian(when)


def masks(when: str) -> tuple[list[set[int]], bool]:
    """What litequeue takes the five fields for, and whether days beyond a set of numbers are among them."""
    fields = cron.parse(when).fields[1:]
    return [set(search.bits(field.values)) for field in fields], any(field.specials for field in fields)


def judge(line: str, accepted: bool) -> str:
    """How litequeue's answer and Debian's go together; a difference must have been said."""
    found = parse(line)
    if not found.entries:
        if not found.problems:
            return "a comment"
        assert ("Debian's cron takes it" in found.problems[0].why) is accepted, (line, found.problems[0].why)
        return "only Debian's" if accepted else "nobody's"
    (entry,) = found.entries
    try:
        cron.parse(entry.when)
    except InvalidArgument as error:
        told = debian.verdict(entry.when)
        assert not told or accepted, line
        assert told or not accepted or "can never fire" in str(error), (line, str(error))
        return "only Debian's" if accepted else "nobody's"
    if not accepted:
        told = " ".join([*entry.otherwise, *(remark.why for remark in found.remarks)])
        assert re.search("Debian's cron(tab)? refuses", told), line
        return "only ours"
    if entry.when.startswith("@"):
        assert entry.otherwise == ()
        return "both"
    ours, special = masks(entry.when)
    theirs = [field.values for field in debian.read(entry.when)]
    assert bool(entry.otherwise) is (special or ours != theirs), (line, entry.otherwise)
    return "otherwise" if entry.otherwise else "both"


def test_the_model_takes_what_debians_crontab_takes() -> None:
    assert len(ROWS) == 747
    wrong = [(said, line) for said, line in ROWS if model_accepts(line) is not (said == "ok")]
    assert wrong == []


@pytest.mark.slow
def test_each_of_its_answers_is_ours_as_well_or_the_difference_is_said() -> None:
    counts: dict[str, int] = {}
    for said, line in ROWS:
        kind = judge(line, said == "ok")
        counts[kind] = counts.get(kind, 0) + 1
    assert counts["both"] > 200 and counts["otherwise"] > 5 and counts["only ours"] > 5 and counts["only Debian's"] > 50, counts


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_same_holds_for_times_that_nobody_wrote_down(seed: int) -> None:
    rng = random.Random(seed)
    pieces = ["*", "0", "1", "5", "7", "12", "30", "-", "/", ",", "/2", "fri", "mon", "nov", "feb", "L", "W", "#2", "?", "x", "+"]
    for _ in range(300):
        when = " ".join("".join(rng.choices(pieces, k=rng.randint(1, 4))) for _ in range(5))
        judge(f"{when} cmd", model_accepts(f"{when} cmd"))
        try:
            cron.parse(when)
        except InvalidArgument:
            continue
        terms = debian.terms(when)
        if terms is None:
            assert re.search("[LW#]", when)
            continue
        assert not beyond_debian(terms) and all(field.plain for field in debian.read(terms))
        assert masks(terms) == masks(when)
        assert [f.startswith("*") for f in terms.split()] == [f.startswith(("*", "?")) for f in when.split()]


@pytest.mark.parametrize("text", ["9" * 5000, "0" * 5000 + "1", "1-" + "9" * 5000, "*/" + "9" * 5000, "1" * 19])
def test_numbers_beyond_all_measure_are_read(text: str) -> None:
    (field, *_) = debian.read(f"{text} * * * *")
    assert field.values in (None, frozenset({1}))
