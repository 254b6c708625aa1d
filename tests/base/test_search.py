"""The search grammar: what people type, and the errors that they read."""

from __future__ import annotations

import random

import pytest

from litequeue import InvalidArgument
from litequeue.base.search import KEYS, Query, Span, Term, Text, parse, written
from litequeue.base.states import STATES


def one(text: str) -> Term:
    (term,) = parse(text).terms
    return term


DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("state:discarded,expired", Term("state", (Text("discarded"), Text("expired")))),
        ("task:shop.*", Term("task", (Text("shop.", True),))),
        ("-queue:reports", Term("queue", (Text("reports"),), True)),
        ('error:"no such, file: x"', Term("error", (Text("no such, file: x"),))),
        ("args.user.id:123", Term("args.user.id", (Text("123"),))),
        ("id:100..200", Term("id", (Span(100, 200),))),
        ("id:5..", Term("id", (Span(5, None),))),
        ("id:7,9", Term("id", (Span(7, 7), Span(9, 9)))),
        ("age:<1d", Term("age", (Span(None, DAY - 1),))),
        ("age:1h..1d", Term("age", (Span(DAY // 24, DAY),))),
        ("took:>=30s", Term("took", (Span(30_000_000, None),))),
        ("attempt:>1", Term("attempt", (Span(2, None),))),
        ("1234", Term("id", (Span(1234, 1234),))),
        ("Timeout", Term("word", (Text("Timeout"),))),
        ('-"12"', Term("word", (Text("12"),), True)),
        ('tag:"a*"', Term("tag", (Text("a*"),))),
        ("shop.pay*", Term("word", (Text("shop.pay", True),))),
    ],
)
def test_a_term_says_what_it_says(text: str, term: Term) -> None:
    assert one(text) == term
    assert one(written(Query((term,)))) == term


def test_terms_stand_beside_each_other_and_nothing_is_all() -> None:
    assert [term.key for term in parse("  state:running   task:a error:b ").terms] == ["state", "task", "error"]
    assert parse("") == parse("   ") == Query()


def test_a_number_alone_opens_that_job() -> None:
    assert parse("17").job == parse("id:17").job == 17
    assert parse("id:1..2").job is parse("17 state:running").job is parse("-id:17").job is parse("x").job is None


def test_a_tab_is_another_state_of_the_same_search() -> None:
    query = parse("task:a state:running -state:expired")
    assert written(query.with_term("state", "discarded")) == "task:a -state:expired state:discarded"
    assert written(query.with_term("state")) == "task:a -state:expired"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stat:x", "there is no 'stat' to search by: state, queue, task, error, schedule"),
        ("http://x", "there is no 'http' to search by"),
        ("state:gone", "there is no state 'gone': blocked, scheduled, available"),
        ("state:", "state: what? A value comes right behind the colon, such as state:discarded"),
        ("queue:a,", "queue: what?"),
        ("task:*.a", "'*.a': * stands at the end alone"),
        ("age:1d", "age:1d is one moment: age:<1d is less, age:>1d more"),
        ("took:>x", "'x' is no length of time"),
        ("id:x", "id:x is no whole number; such as id:100..200"),
        ("id:9..2", "id:9..2 is no range"),
        ("id:99999999999999999999", "is no whole number"),
        ('error:"open', "'\"open': the quote is not closed"),
        ('error:"a"b', "a quote ends a value"),
        ("args.:1", "there is no 'args.' to search by"),
        ("x" * 501, "a search may have 500 characters, and this has 501"),
        ("a\udcffb", "a search is text that UTF-8 can say"),
        (" ".join("abcdefghijklm"), "a search may have 12 terms, and this has 13"),
    ],
)
def test_what_is_none_is_refused_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(text)
    assert said in str(caught.value)


def test_whatever_is_typed_is_read_or_refused_and_reads_back_as_itself() -> None:
    rng = random.Random(5)
    pieces = [*KEYS, *STATES, ":", ",", "-", '"', "*", "..", "<", ">", "=", "1", "1d", " ", "a", "é", "\t", "args.a"]
    read = 0
    for _ in range(20_000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(8)))
        try:
            query = parse(text)
        except InvalidArgument:
            continue
        read += 1
        assert parse(written(query)) == query, text
    assert read > 2_000


@pytest.mark.parametrize("text", ["age:<1d", "age:<=1d", "took:>30s", "took:>=30s", "attempt:>=2", "id:>=100", "took:>=0s", "id:<=5"])
def test_a_span_is_written_as_it_was_meant(text: str) -> None:
    assert written(parse(text)) == text


@pytest.mark.parametrize("text", [
    "id:>9223372036854775807", "attempt:>9223372036854775807", "id:000000000000000000009999999999999999999", "age:<999999999999999999w", "age:1h..9999999999d",
    "flow:1*", "-flow:1*", "flow:x", "age:<0s", "took:<0", "-5", "--dry-run",
])  # fmt: skip
def test_what_is_of_no_job_or_means_something_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)
