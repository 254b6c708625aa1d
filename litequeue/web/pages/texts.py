"""The whole of what a job's page shows the beginning of: its call, its result and what it printed, as plain text.

Owns those texts. Secret arguments are masked here too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby

from ...base.records import JobInfo, OutputPiece, value_of
from ...base.stored import nesting
from ..code import INDENTED
from ..messages import Response

_PLAIN = "text/plain; charset=utf-8"


def args(job: JobInfo) -> Response:
    masked = job.masked()
    return _text(_json({"args": value_of(masked.args), "kwargs": value_of(masked.kwargs)}, masked.args + masked.kwargs))


def result(job: JobInfo) -> Response:
    """Empty where there is none."""
    return _text("" if job.result is None else _json(value_of(job.result), job.result))


def log(pieces: Iterable[OutputPiece]) -> Response:
    """Of all attempts, as it was printed; of several, which is whose."""
    attempts = [(attempt, "".join(piece.text for piece in found if piece.stream != "usage")) for attempt, found in groupby(pieces, key=lambda piece: piece.attempt)]
    if len(attempts) == 1:
        return _text(attempts[0][1])
    return _text("".join(f"[attempt {attempt}]\n{text}{'' if text.endswith(chr(10)) else chr(10)}" for attempt, text in attempts))


def _json(value: object, text: str) -> str:
    return json.dumps(value, indent=None if nesting(text) > INDENTED else 2, ensure_ascii=False) + "\n"


def _text(text: str) -> Response:
    return Response(200, text.encode("utf-8", "backslashreplace"), _PLAIN)
