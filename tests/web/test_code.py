from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from html import unescape

from litequeue.base.records import OutputPiece
from litequeue.web import code

from .samples import TRACEBACK


def text_of(markup: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", markup))


def test_json_is_indented_and_short_lists_stay_in_a_line() -> None:
    shown, is_cut = code.json_code('{"a":[1,2.5,"x"],"b":{"c":null},"d":[],"e":"\\u00fc"}')
    assert not is_cut
    assert text_of(shown) == '{\n  "a": [1, 2.5, "x"],\n  "b": {\n    "c": null\n  },\n  "d": [],\n  "e": "ü"\n}'
    assert '<span class="k">&quot;a&quot;</span>:' in shown and '<span class="s">&quot;x&quot;</span>' in shown and '<span class="n0">2.5</span>' in shown


def test_a_secret_is_said_to_be_one() -> None:
    assert text_of(code.json_code('{"key": "***"}')[0]) == '{\n  "key": secret, not shown\n}'


def test_json_is_what_it_was_when_read_back() -> None:
    value = {"a\"b": ["\\", "}{", {"x": [[1], [2, [3]]]}, 1e9, True], "n": [None] * 40}
    assert json.loads(text_of(code.json_code(json.dumps(value))[0])) == value


def test_of_long_json_only_the_beginning_is_made() -> None:
    began = time.process_time()
    shown, is_cut = code.json_code(json.dumps([{"a": 1}] * 80_000))
    assert is_cut and len(text_of(shown)) == code.MOST_JSON
    assert time.process_time() - began < 1


def test_json_that_is_none_or_nested_for_ever_is_shown_in_some_way() -> None:
    assert text_of(code.json_code("{nonsense")[0])
    assert text_of(code.json_code("[" * 100 + "]" * 100)[0]).startswith("[[[[")
    assert "nested" in text_of(code.json_code("[" * 5000 + "]" * 5000)[0])


def test_of_a_traceback_ones_own_lines_stand_out() -> None:
    shown, is_short = code.traceback(TRACEBACK)
    assert is_short
    assert '<span class="own hit">    with urlopen(url, timeout=30) as reply:</span>' in shown
    assert shown.count("own hit") == 1, "the last own frame, and no other"
    assert "… 2 more frames of the library" in shown and "client.py" not in shown
    assert "^^^" not in shown
    assert '<span class="err">TimeoutError: cdn-2.example: read timed out\n</span>' in shown
    assert '<span class="lib">  File &quot;/usr/lib/python3.11/urllib/request.py&quot;' in shown


def test_a_traceback_of_own_frames_alone_is_whole() -> None:
    text = 'Traceback (most recent call last):\n  File "/srv/a.py", line 1, in f\n    g()\nValueError: two\nlines'
    shown, is_short = code.traceback(text)
    assert not is_short
    assert text_of(shown).replace("    g()", "    g()\n") == text + "\n"


def test_what_is_the_librarys() -> None:
    for path in ("/usr/lib/python3.11/json/decoder.py", "/venv/lib/python3.12/site-packages/requests/api.py", "C:\\Python311\\Lib\\json.py", "<frozen importlib._bootstrap>", "litequeue/pools/call.py"):
        assert "own hit" not in code.traceback(f'Traceback (most recent call last):\n  File "{path}", line 1, in f\n    x\nE: y')[0]
    for path in ("/srv/litequeue/tasks.py", "/home/me/lib/pay.py", "shop/pay.py"):
        assert "own hit" in code.traceback(f'Traceback (most recent call last):\n  File "{path}", line 1, in f\n    x\nE: y')[0]


def test_a_traceback_that_is_none_is_shown_all_the_same() -> None:
    for text in ("", "boom", "x\n" * 30_000, '  File "', "E: " + "y" * 60_000):
        shown, _ = code.traceback(text)
        assert text_of(shown).strip() == text.strip()


def piece(number: int, text: str, stream: str = "stdout") -> OutputPiece:
    return OutputPiece(1, number, stream, datetime(2026, 11, 25, 14, 2, 3, 412_000, UTC), text)


def test_what_was_printed_has_its_times_and_its_levels() -> None:
    shown, count, is_cut = code.output([piece(1, "one\ntwo\n"), piece(2, "WARNING shop: slow\n"), piece(3, "ERROR shop: no\n"), piece(4, "{}", "usage")])
    assert (count, is_cut) == (4, False)
    assert text_of(shown).splitlines() == [f"14:02:03.412  {line}" for line in ("one", "two", "WARNING shop: slow", "ERROR shop: no")]
    assert '<span class="w">WARNING' in shown and '<span class="e">ERROR' in shown


def test_of_a_long_output_the_end_is_shown() -> None:
    shown, count, is_cut = code.output([piece(1, "".join(f"line {n}\n" for n in range(1000)))])
    assert (count, is_cut) == (1000, True)
    assert text_of(shown).splitlines()[-1].endswith("line 999") and len(text_of(shown).splitlines()) == code.MOST_LINES
