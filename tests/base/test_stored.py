"""Stored JSON is read within limits: by the nesting of its brackets, and by its length."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from litequeue.base import stored

pytestmark = pytest.mark.beside


def nesting_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting_of, value.values()), default=0)
    return 1 + max(map(nesting_of, value), default=0) if isinstance(value, list) else 0


def test_the_nesting_is_that_of_the_value_whatever_its_strings_hold() -> None:
    rng = random.Random(7)
    strings = ["", "[", "]]", '"', '\\', '\\"', '\\\\', '["', '"]\\', "é[{", "\ud800{", "{}", '\\\\"[', "\n"]

    def grow(depth: int) -> Any:
        kind = rng.randrange(3) if depth else 0
        if kind == 1:
            return [grow(depth - 1) for _ in range(rng.randrange(4))]
        if kind == 2:
            return {rng.choice(strings) + str(n): grow(depth - 1) for n in range(rng.randrange(4))}
        return rng.choice([*strings, 1, None])

    for _ in range(3000):
        value = grow(5)
        for ascii in (True, False):
            assert stored.nesting(json.dumps(value, ensure_ascii=ascii)) == nesting_of(value), value


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_what_is_within_the_limits_is_read() -> None:
    deep = nested(stored.MAX_NESTING)
    assert stored.beyond(deep) is None
    assert stored.nesting(json.dumps(stored.loads(deep))) == stored.MAX_NESTING
    assert stored.loads('"' + "[" * 100_000 + '"') == "[" * 100_000
    assert len(stored.loads("[" + "[]," * 100_000 + "[]]")) == 100_001
    assert stored.loads('"' + "x" * (stored.MAX_BYTES - 2) + '"')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (nested(stored.MAX_NESTING + 1), "nested 607 levels deep"), (nested(100_000), "nested 100,000 levels deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested 100,000"), ("[" * 500_000, "nested 500,000"),
        ('"' + "x" * stored.MAX_BYTES + '"', "1,048,578 characters"),
    ],
    ids=["just", "lists", "dicts", "open", "long"],
)  # fmt: skip
def test_what_is_beyond_is_told_and_not_read(text: str, says: str) -> None:
    assert says in (stored.beyond(text) or "")
    with pytest.raises(ValueError, match=says):
        stored.loads(text)


@pytest.mark.parametrize("text", ["", "[", "nope", '{"a"', "]" * 10_000, '\\"' * 1000, "9" * 5000])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        stored.loads(text)


def test_text_is_shown_as_it_is_and_whatever_is_odd_as_it_stands() -> None:
    from litequeue.base.stored import shown

    assert shown('["\\u00fcber","\\ud83d\\ude00"]') == '["über","😀"]'
    assert shown('{"a":1.50}') == '{"a":1.50}', "what needs no decoding stays"
    assert shown('["\\u12"]') == '["\\u12"]'


def test_compressed_json_is_read_and_shown_as_what_it_is() -> None:
    text = json.dumps([1, "\u00fc", {"a": [None]}] * 50, separators=(",", ":"))
    written = stored.compressed(text)
    assert stored.plain(written) == text and stored.plain(text) == text
    assert stored.loads(written) == json.loads(text)
    assert stored.shown(written) == text.replace("\\u00fc", "\u00fc")
    long = stored.compressed(json.dumps("x" * stored.MAX_BYTES))
    assert stored.loads(long) == "x" * stored.MAX_BYTES
    assert stored.shown(long) == "<json+zlib, 1,048,578 bytes>"
    for damaged in (written[:-9] + '"]}', '{"$codec":["json+zlib","AAAA"]}', '{"$codec":["json+zlib","eJwDAAAAAAE= "]}'):
        with pytest.raises(ValueError):
            stored.loads(damaged)
        assert stored.shown(damaged).startswith("<not shown: ")


def test_what_another_codec_wrote_is_shown_by_its_size() -> None:
    tag = '{"$codec":["pickle","gARLBS4=","t","args","00"]}'
    assert stored.shown(tag) == "<pickle, 5 bytes>"
    assert stored.shown(f'[{tag},"\\u00fc"]') == '["<pickle, 5 bytes>","\u00fc"]'
    for other in ('{"$codec":5}', '{"$codec":["x"]}', '{"$codec":["x",5]}', '{"$codec":["x","y"],"a":1}', '{"$codec":'):
        assert stored.shown(other) == other
