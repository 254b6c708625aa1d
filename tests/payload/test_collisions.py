"""Sets and dicts whose items collide: what people store is read as it was, what somebody planted is refused in words."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from litequeue import PayloadCorrupt
from litequeue.payload import Codec
from litequeue.payload.collisions import SHORT

PRIME = 2**61 - 1  # ints that are multiples of it have the same hash


def tagged(items: list[Any], tag: str = "$set") -> dict[str, Any]:
    return {tag: [[item, None] for item in items] if tag == "$dict" else items}


def multiples(count: int, first: int = 1) -> list[Any]:
    return [number * PRIME for number in range(first, first + count)]


PLANTED = {
    "a set": tagged(multiples(400)),
    "a frozenset": tagged(multiples(400), "$frozenset"),
    "keys of a dict": tagged(multiples(400), "$dict"),
    "tuples": tagged([{"$tuple": [number]} for number in multiples(400)]),
    "many sets": [tagged(multiples(50)) for _ in range(50)],
    "sets of a set": tagged([tagged([*multiples(40), number], "$frozenset") for number in range(70)]),
    "the same again and again": tagged([1] * 3000),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_what_collides_too_often_is_refused_before_it_is_built(planted: Any) -> None:
    text = json.dumps(planted)
    assert len(text) > SHORT
    with pytest.raises(PayloadCorrupt, match="over 50,000 pairs of its sets' items, or of its dicts' keys, have the same hash"):
        Codec().decode(text)


HONEST: dict[str, Any] = {
    "a grid": set(itertools.product(range(-4, 3), repeat=4)),  # -1 and -2 have one hash
    "nothing but those": set(itertools.product((-1, -2), repeat=8)),
    "some multiples": set(multiples(200)),
    "keys": dict.fromkeys(multiples(200)),
    "many": [set(range(-2, 3))] * 500,
}


@pytest.mark.parametrize("value", HONEST.values(), ids=HONEST)
def test_what_people_store_comes_back(value: Any) -> None:
    codec = Codec()
    text = codec.encode(value)
    assert len(text) > SHORT
    assert codec.decode(text) == value


@pytest.mark.parametrize("body", [[[1], [2]] * 2000, 1, [1, 2], "x" * 5000], ids=["unhashable", "a number", "no pairs", "text"])
@pytest.mark.parametrize("tag", ["$set", "$dict"])
def test_what_is_no_list_of_items_is_refused_or_read_as_before(body: Any, tag: str) -> None:
    text = json.dumps([{tag: body}, "x" * SHORT])
    short = json.dumps([{tag: body}, "x"])
    codec = Codec()
    try:
        read = codec.decode(short)
    except PayloadCorrupt:
        with pytest.raises(PayloadCorrupt):
            codec.decode(text)
    else:
        assert codec.decode(text)[0] == read[0]
