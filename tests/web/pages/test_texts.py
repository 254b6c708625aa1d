from __future__ import annotations

import json

from litequeue.base.records import OutputPiece
from litequeue.web.pages import texts

from .. import samples


def piece(attempt: int, text: str, stream: str = "stdout") -> OutputPiece:
    return OutputPiece(attempt, 1, stream, samples.NOW, text)


def test_a_call_is_whole_but_for_its_secrets() -> None:
    answer = texts.args(samples.job(args='["ü"]'))
    assert (answer.status, answer.type) == (200, "text/plain; charset=utf-8")
    found = json.loads(answer.body)
    assert found["args"] == ["ü"] and found["kwargs"]["api_key"] == "***" and found["kwargs"]["sizes"] == [160, 480, 1280]
    assert "ü".encode() in answer.body


def test_a_result_is_whole_and_none_is_empty() -> None:
    assert texts.result(samples.job(result='{"a":' + "[1]" + "}")).body == b'{\n  "a": [\n    1\n  ]\n}\n'
    assert texts.result(samples.job()).body == b""
    assert texts.result(samples.job(result="{nonsense")).body == b'"{nonsense"\n', "planted"
    assert texts.result(samples.job(result="[" * 90 + "]" * 90)).body == b"[" * 90 + b"]" * 90 + b"\n", "indents would be most of it"


def test_what_was_printed_is_as_it_was() -> None:
    assert texts.log([piece(1, "a\n"), piece(1, "<b>\x1b[31m"), piece(1, "{}", "usage")]).body == b"a\n<b>\x1b[31m"
    assert texts.log([piece(1, "a"), piece(2, "b\n")]).body == b"[attempt 1]\na\n[attempt 2]\nb\n"
    assert texts.log([]).body == b""
    assert texts.log([piece(1, "\ud800")]).body == b"\\ud800"
