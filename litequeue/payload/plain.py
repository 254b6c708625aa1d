"""The encoder of plain JSON values, made once.

Owns the one use of a part of the standard library that is not documented, and what is done where that is otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def encoder(make: Any) -> Callable[[Any], str]:
    """What encodes plain values. ``JSONEncoder.encode`` makes the encoder in C anew for each value, which took 2 of 2.6 us for two
    numbers. ``make``: the standard library's, which is not documented; if it is not as we know it, ``encode`` does so after all."""
    slow = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"))
    sample: list[Any] = [None, True, 1.5, -(2**70), 'a"\u00e4\ud800', {"k": [], "l": {}}]
    try:
        chunks = make(None, slow.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False)
        join = "".join
        if join(chunks(sample, 0)) == slow.encode(sample):
            return lambda value: join(chunks(value, 0))
    except TypeError:
        pass
    return slow.encode


encode_plain = encoder(getattr(json.encoder, "c_make_encoder", None))
